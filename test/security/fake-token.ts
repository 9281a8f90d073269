import { MizanError } from '../../src/errors.ts'
import type { Pkcs11Library } from '../../src/security/pkcs11-library.ts'
import { AesKey } from '../../src/security/primitives/aes.ts'
import { cmac } from '../../src/security/primitives/mac.ts'

/** A secret key in a fake token. */
export interface FakeKey {
  readonly label: string
  readonly bytes: Uint8Array
  readonly type?: number
  readonly sensitive?: boolean
  readonly extractable?: boolean
  readonly sign?: boolean
}

const CKA = { class: 0x000, label: 0x003, type: 0x100, sensitive: 0x103, sign: 0x108, length: 0x161, leaves: 0x162 }
const OS_LOCKING_OK = 2
const SERIAL_SESSION = 4
const AES_CMAC = 0x108a

/** A PKCS#11 module of the tests: one slot for each label, the same keys in all. It insists on the order of calls. */
export class FakeToken implements Pkcs11Library {
  readonly calls: string[] = []
  readonly #labels: readonly string[]
  readonly #pin: string
  readonly #keys: readonly FakeKey[]
  #initialized = false
  #loggedIn = false
  #sessions = 0
  #found: Buffer[] | undefined
  #signing: FakeKey | undefined
  /** Return code of every call from now on. */
  failure: string | undefined

  constructor(labels: readonly string[], pin: string, keys: readonly FakeKey[]) {
    this.#labels = labels
    this.#pin = pin
    this.#keys = keys
  }

  get openSessions(): number {
    return this.#sessions
  }

  get isInitialized(): boolean {
    return this.#initialized
  }

  C_Initialize({ flags }: { flags: number }): void {
    this.#called('C_Initialize', true)
    if (this.#initialized) throw new Error('CKR_CRYPTOKI_ALREADY_INITIALIZED')
    if (flags !== OS_LOCKING_OK) throw new Error('CKR_ARGUMENTS_BAD')
    this.#initialized = true
  }

  C_Finalize(): void {
    this.#called('C_Finalize')
    this.#initialized = false
    this.#loggedIn = false
    this.#sessions = 0
  }

  C_GetSlotList(): Buffer[] {
    this.#called('C_GetSlotList')
    return this.#labels.map((_, at) => Buffer.from([at]))
  }

  C_GetTokenInfo(slot: Buffer): { label: string } {
    this.#called('C_GetTokenInfo')
    return { label: (this.#labels[slot[0] ?? -1] ?? '').padEnd(32) }
  }

  C_OpenSession(slot: Buffer, flags: number): Buffer {
    this.#called('C_OpenSession')
    if (flags !== SERIAL_SESSION || slot.length !== 1) throw new Error('CKR_ARGUMENTS_BAD')
    this.#sessions++
    return Buffer.from([0x55])
  }

  C_CloseSession(): void {
    this.#called('C_CloseSession')
    this.#sessions--
    if (this.#sessions === 0) this.#loggedIn = false
  }

  C_Login(_session: Buffer, user: number, pin: string): void {
    this.#called('C_Login')
    if (this.#loggedIn) throw new Error('CKR_USER_ALREADY_LOGGED_IN')
    if (user !== 1 || pin !== this.#pin) throw new Error('CKR_PIN_INCORRECT')
    this.#loggedIn = true
  }

  C_FindObjectsInit(_session: Buffer, template: readonly { type: number; value: unknown }[]): void {
    this.#called('C_FindObjectsInit')
    if (!this.#loggedIn) throw new Error('CKR_USER_NOT_LOGGED_IN')
    const value = (type: number) => template.find((one) => one.type === type)?.value
    if (value(CKA.class) !== 4) throw new Error('CKR_TEMPLATE_INCOMPLETE')
    this.#found = this.#keys.flatMap((key, at) => (key.label === value(CKA.label) ? [Buffer.from([at])] : []))
  }

  C_FindObjects(_session: Buffer, countMax: number): Buffer[] {
    this.#called('C_FindObjects')
    if (this.#found === undefined) throw new Error('CKR_OPERATION_NOT_INITIALIZED')
    return this.#found.slice(0, countMax)
  }

  C_FindObjectsFinal(): void {
    this.#called('C_FindObjectsFinal')
    this.#found = undefined
  }

  C_GetAttributeValue(
    _session: Buffer,
    object: Buffer,
    template: readonly { type: number }[],
  ): { type: number; value: Buffer }[] {
    this.#called('C_GetAttributeValue')
    const { bytes, type = 0x1f, sensitive = true, extractable = false, sign = true } = this.#key(object)
    const long = (value: number) => Buffer.from(new BigUint64Array([BigInt(value)]).buffer)
    const values = new Map([
      [CKA.type, long(type)],
      [CKA.length, long(bytes.length)],
      [CKA.sensitive, Buffer.from([Number(sensitive)])],
      [CKA.leaves, Buffer.from([Number(extractable)])],
      [CKA.sign, Buffer.from([Number(sign)])],
    ])
    return template.map((one) => ({ type: one.type, value: values.get(one.type) ?? Buffer.alloc(0) }))
  }

  C_SignInit(_session: Buffer, { mechanism }: { mechanism: number }, key: Buffer): void {
    this.#called('C_SignInit')
    if (mechanism !== AES_CMAC) throw new Error('CKR_MECHANISM_INVALID')
    this.#signing = this.#key(key)
  }

  C_Sign(_session: Buffer, data: Buffer, output: Buffer): Buffer {
    this.#called('C_Sign')
    if (this.#signing === undefined) throw new Error('CKR_OPERATION_NOT_INITIALIZED')
    const mac = cmac(new AesKey(this.#signing.bytes), data)
    this.#signing = undefined
    mac.copy(output)
    return output.subarray(0, mac.length)
  }

  #key(handle: Buffer): FakeKey {
    const key = this.#keys[handle[0] ?? -1]
    if (key === undefined) throw new MizanError('ASSERTION_FAILED', 'a handle of this token')
    return key
  }

  #called(name: string, before = false): void {
    this.calls.push(name)
    if (this.failure !== undefined) throw new Error(this.failure)
    if (!before && !this.#initialized) throw new Error('CKR_CRYPTOKI_NOT_INITIALIZED')
  }
}
