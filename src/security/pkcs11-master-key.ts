import { assert, describeError, MizanError } from '../errors.ts'
import { deriveInCounterMode, fixedInputOf } from './counter-kdf.ts'
import type { MasterKey } from './master-key.ts'
import { loadPkcs11, type Pkcs11Library } from './pkcs11-library.ts'
import { readSecretFile } from './secret-file.ts'

/** A token that keeps the master key, and how to reach it. */
export interface Pkcs11Source {
  /** File of the token's PKCS#11 module, absolute. */
  readonly module: string
  readonly tokenLabel: string
  readonly keyLabel: string
  /** The user's PIN, from the environment; else the file. */
  readonly pin?: string | undefined
  /** A file of mode 0600 with the PIN. */
  readonly pinFile?: string | undefined
}

/** A master key that a token keeps. */
export interface Pkcs11MasterKey extends MasterKey {
  /** Lets go of the token; nothing can be derived any more. Idempotent. */
  close(): void
}

/** From the PKCS#11 standard, version 2.40: pkcs11t.h. */
const ck = {
  CKA_CLASS: 0x000,
  CKA_LABEL: 0x003,
  CKA_KEY_TYPE: 0x100,
  CKA_SENSITIVE: 0x103,
  CKA_SIGN: 0x108,
  CKA_VALUE_LEN: 0x161,
  CKA_EXTRACTABLE: 0x162,
  CKF_OS_LOCKING_OK: 2,
  CKF_SERIAL_SESSION: 4,
  CKK_AES: 0x1f,
  CKM_AES_CMAC: 0x108a,
  CKO_SECRET_KEY: 4,
  CKU_USER: 1,
} as const

const MAC_BYTES = 16
const KEY_BYTES = 32
/** Says in the derivation whose key it is, should another program use the same token key. */
const CONTEXT = 'mizan'

/**
 * Opens a master key that a PKCS#11 token keeps: an AES-256 key, found by its label, that signs and cannot leave. Keys
 * are derived by SP 800-108 in counter mode with AES-CMAC computed in the token, so that this process never holds the
 * master key; what is derived it does hold. The calls block, which is why nothing on the message path makes one.
 * @param load how the package `pkcs11js` is had; a test brings its own token
 * @throws MizanError CONFIG_INVALID: the package or the module is missing, there is no such token or key, the PIN is
 *   wrong, or the key could leave the token
 */
export async function openPkcs11MasterKey(
  source: Pkcs11Source,
  load: (module: string) => Promise<Pkcs11Library> = loadPkcs11,
): Promise<Pkcs11MasterKey> {
  const pin = pinOf(source)
  const library = await load(source.module)
  const isOurs = initialize(library)
  let session: Buffer | undefined
  const close = () => {
    if (session !== undefined) quietly(library.C_CloseSession.bind(library, session))
    if (isOurs) quietly(() => library.C_Finalize())
  }
  try {
    session = openSession(library, source)
    logIn(library, session, pin)
    const key = findKey(library, session, source)
    return keyOf(library, session, key, source, close)
  } catch (error) {
    close()
    throw error
  }
}

/** Letting go may fail when the token is gone already. */
function quietly(work: () => void): void {
  try {
    work()
  } catch {
    // Nothing is left to let go of.
  }
}

function pinOf({ pin, pinFile }: Pkcs11Source): string {
  const text = pin ?? (pinFile === undefined ? '' : readSecretFile(pinFile, 'the PIN of the PKCS#11 token'))
  if (text === '') {
    throw new MizanError(
      'CONFIG_INVALID',
      'the PKCS#11 token needs a PIN: set MIZAN_PKCS11_PIN or security.pkcs11.pinFile',
    )
  }
  return text
}

/**
 * Threads must be allowed for: a module that was told of none may crash this process.
 * @returns whether the module is ours to finalise; false when another part of the process uses it
 */
function initialize(library: Pkcs11Library): boolean {
  try {
    library.C_Initialize({ flags: ck.CKF_OS_LOCKING_OK })
    return true
  } catch (error) {
    if (reasonOf(error) === 'CKR_CRYPTOKI_ALREADY_INITIALIZED') return false
    throw refused('its module cannot be initialised', error)
  }
}

function openSession(library: Pkcs11Library, { tokenLabel }: Pkcs11Source): Buffer {
  return attempt('a session cannot be opened', () => {
    const slots = library.C_GetSlotList(true)
    // The standard pads labels with blanks.
    const wanted = slots.filter((slot) => library.C_GetTokenInfo(slot).label.trimEnd() === tokenLabel)
    const [slot] = wanted
    if (slot === undefined || wanted.length > 1) throw numberOf(wanted.length, `tokens with the label ${tokenLabel}`)
    return library.C_OpenSession(slot, ck.CKF_SERIAL_SESSION)
  })
}

/** Once: a token locks itself after a few wrong PINs. */
function logIn(library: Pkcs11Library, session: Buffer, pin: string): void {
  try {
    library.C_Login(session, ck.CKU_USER, pin)
  } catch (error) {
    // A login counts for all sessions of a process.
    if (reasonOf(error) !== 'CKR_USER_ALREADY_LOGGED_IN') throw refused('it refuses the PIN', error)
  }
}

function findKey(library: Pkcs11Library, session: Buffer, { keyLabel }: Pkcs11Source): Buffer {
  return attempt(`the key ${keyLabel} cannot be looked up`, () => {
    library.C_FindObjectsInit(session, [
      { type: ck.CKA_CLASS, value: ck.CKO_SECRET_KEY },
      { type: ck.CKA_LABEL, value: keyLabel },
    ])
    const keys = library.C_FindObjects(session, 2)
    library.C_FindObjectsFinal(session)
    const [key] = keys
    if (key === undefined || keys.length > 1) throw numberOf(keys.length, `secret keys with the label ${keyLabel}`)
    const types = [ck.CKA_KEY_TYPE, ck.CKA_VALUE_LEN, ck.CKA_SENSITIVE, ck.CKA_EXTRACTABLE, ck.CKA_SIGN]
    const template = types.map((type) => ({ type }))
    const [type, length, sensitive, extractable, sign] = library
      .C_GetAttributeValue(session, key, template)
      .map(({ value }) => numberIn(value))
    if (type !== ck.CKK_AES || length !== KEY_BYTES || sign !== 1) {
      throw new MizanError(
        'CONFIG_INVALID',
        `the key ${keyLabel} of the PKCS#11 token is not an AES-256 key that signs`,
      )
    }
    if (sensitive !== 1 || extractable !== 0) {
      throw new MizanError('CONFIG_INVALID', `the key ${keyLabel} could leave the PKCS#11 token: make one that cannot`)
    }
    return key
  })
}

function keyOf(
  library: Pkcs11Library,
  session: Buffer,
  key: Buffer,
  { tokenLabel, keyLabel }: Pkcs11Source,
  close: () => void,
): Pkcs11MasterKey {
  let isOpen = true
  const cmac = (input: Buffer): Buffer => {
    library.C_SignInit(session, { mechanism: ck.CKM_AES_CMAC }, key)
    return library.C_Sign(session, input, Buffer.alloc(MAC_BYTES))
  }
  return {
    description: `the PKCS#11 token ${tokenLabel}, key ${keyLabel}`,
    derive(purpose, bytes) {
      assert(purpose !== '', 'what is derived has a purpose')
      if (!isOpen) throw new MizanError('CRYPTO_REFUSED', 'the PKCS#11 token was let go of')
      try {
        return deriveInCounterMode(cmac, fixedInputOf(purpose, CONTEXT, bytes), bytes)
      } catch (error) {
        if (error instanceof MizanError) throw error
        throw new MizanError('CRYPTO_REFUSED', `the PKCS#11 token derives no key: ${reasonOf(error)}`, { cause: error })
      }
    },
    close() {
      if (!isOpen) return
      isOpen = false
      close()
    },
  }
}

function attempt<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof MizanError ? error : refused(what, error)
  }
}

function refused(what: string, error: unknown): MizanError {
  return new MizanError('CONFIG_INVALID', `the PKCS#11 token: ${what}: ${reasonOf(error)}`, { cause: error })
}

function numberOf(count: number, what: string): MizanError {
  return new MizanError('CONFIG_INVALID', `there are ${count > 1 ? 'several' : 'no'} ${what} in the PKCS#11 module`)
}

/** The return code's name (`CKR_PIN_INCORRECT`), which is all that a module says. */
function reasonOf(error: unknown): string {
  return describeError(error).split('\n')[0] ?? ''
}

/** A CK_BBOOL or CK_ULONG, which has this machine's width and byte order. */
function numberIn(value: Buffer): number {
  const bytes = Uint8Array.from(value)
  if (bytes.length === 1) return bytes[0] as number
  if (bytes.length === 4) return new Uint32Array(bytes.buffer)[0] as number
  return bytes.length === 8 ? Number(new BigUint64Array(bytes.buffer)[0]) : Number.NaN
}
