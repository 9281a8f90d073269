import { assert, MizanError } from '../errors.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import type { Message } from '../iso8583/message.ts'
import {
  type Eventually,
  isPending,
  type KeyName,
  type SecurityModule,
  type Verdict,
} from '../security/security-module.ts'

/**
 * What a link needs of the security module. `data` is only valid until the call returns, unless a promise comes back.
 */
export type MacModule = Pick<SecurityModule, 'generateMac' | 'verifyMac'>

/** Why a message cannot be taken for authentic; stable, since it is counted by it. */
export type MacFault = 'mac-missing' | 'mac-malformed' | 'mac-wrong' | 'mac-no-key'

/** The MAC of a message with one bitmap, and of one with two (ISO 8583:1987, DE64 and DE128). */
const PRIMARY = 64
const SECONDARY = 128
const MAC_BYTES = 8
const PLACEHOLDER = new Uint8Array(MAC_BYTES)
const NO_DATA = new Uint8Array(0)

/**
 * Message authentication of one link (interfaces.md, Security): ISO 9797-1 algorithm 3, padding 1, 8 bytes, under
 * `mak:<link>`. It covers the bytes on the wire from the message type up to the MAC field: neither framing, nor TPDU,
 * nor the length of the field itself. A message with a field above 64 has its MAC in DE128, any other in DE64, which
 * makes the MAC the last field of the message: nothing in it is left uncovered.
 */
export class MessageMac {
  readonly #module: MacModule
  readonly #keyName: KeyName
  /** Whether the MAC is on the wire as hex digits. */
  readonly #isHex: boolean

  /** @throws MizanError CONFIG_INVALID when the dialect has no fields for a MAC */
  constructor(dialect: Dialect, module: MacModule, link: string) {
    if (!carriesMac(dialect)) {
      throw new MizanError('CONFIG_INVALID', `${link}: messages of ${dialect.name} carry no MAC`)
    }
    this.#module = module
    this.#keyName = `mak:${link}`
    this.#isHex = dialect.field(PRIMARY)?.content === 'hex-ascii'
  }

  /**
   * Whether a message is what the holder of the key sent.
   * @param message read to its end
   * @returns undefined when it is
   * @throws what the module throws; a promise rejects with it
   */
  check(message: Message): Eventually<MacFault | undefined> {
    const field = macFieldOf(message)
    const mac = message.bytes(field)
    if (mac === undefined) return 'mac-missing'
    const covered = message.buffer.subarray(message.start, message.fieldStart(field))
    const verdict = this.#module.verifyMac(this.#keyName, covered, mac)
    return isPending(verdict) ? verdict.then(faultOf) : faultOf(verdict)
  }

  /** Whether the link has a MAC key at all, in any version that is accepted. */
  hasKey(): Eventually<boolean> {
    const verdict = this.#module.verifyMac(this.#keyName, NO_DATA, PLACEHOLDER)
    return isPending(verdict) ? verdict.then(isKeyed) : isKeyed(verdict)
  }

  /** Makes room for the MAC in the fields of a message that is about to be written. */
  reserve(values: FieldValues): void {
    let field = PRIMARY
    for (let de = PRIMARY + 1; de < values.length && field === PRIMARY; de++) {
      if (values[de] !== undefined) field = SECONDARY
    }
    values[field] = PLACEHOLDER
  }

  /**
   * Writes the MAC into a message whose fields were {@link reserve}d; the message must end the buffer.
   * @param from position of the message type
   * @throws what the module throws, such as CRYPTO_REFUSED without a key; a promise rejects with it
   */
  seal(buffer: Buffer, from: number): Eventually<void> {
    const at = buffer.length - (this.#isHex ? 2 * MAC_BYTES : MAC_BYTES)
    const mac = this.#module.generateMac(this.#keyName, buffer.subarray(from, at))
    if (isPending(mac)) return mac.then((bytes) => this.#write(bytes, buffer, at))
    this.#write(mac, buffer, at)
  }

  #write(mac: Uint8Array, buffer: Buffer, at: number): void {
    assert(mac.length === MAC_BYTES, 'a MAC has 8 bytes')
    if (!this.#isHex) buffer.set(mac, at)
    else buffer.write(Buffer.from(mac).toString('hex').toUpperCase(), at, 'latin1')
  }
}

/** Whether messages of a dialect can carry a MAC: DE64 and DE128 are there, with 8 bytes, written alike. */
function carriesMac(dialect: Dialect): boolean {
  const [primary, secondary] = [dialect.field(PRIMARY), dialect.field(SECONDARY)]
  const isMac = (field: typeof primary) =>
    field?.kind === 'fixed' && field.max === MAC_BYTES && (field.content === 'binary' || field.content === 'hex-ascii')
  return isMac(primary) && isMac(secondary) && primary?.content === secondary?.content
}

/** Whether reading a message stopped at its MAC, which is cut off or not hexadecimal. */
export function stopsAtMac(message: Message): boolean {
  const field = message.failure?.field
  return field === String(PRIMARY) || field === String(SECONDARY)
}

function macFieldOf(message: Message): number {
  if (message.bitmaps < 2) return PRIMARY
  for (let de = PRIMARY + 1; de <= SECONDARY; de++) if (message.has(de)) return SECONDARY
  return PRIMARY
}

function faultOf(verdict: Verdict): MacFault | undefined {
  if (verdict === 'matched') return undefined
  return verdict === 'not-matched' ? 'mac-wrong' : 'mac-no-key'
}

function isKeyed(verdict: Verdict): boolean {
  return verdict !== 'unverifiable'
}
