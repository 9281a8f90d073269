import { assert } from '../errors.ts'
import type { Dialect, FieldValues } from '../iso8583/dialect.ts'
import type { Message } from '../iso8583/message.ts'
import { DesKey } from '../security/primitives/des.ts'
import { retailMac } from '../security/primitives/mac.ts'
import { equalSecret } from '../security/primitives/secrets.ts'

const MAC_BYTES = 8
const EMPTY = '0'.repeat(MAC_BYTES * 2)
/** The MAC ends the message: DE64 where no field is above it, else DE128. */
const LAST_OF_FIRST = 64
const LAST_OF_SECOND = 128

/** What came of the MAC of an answer. */
export type MacVerdict = 'absent' | 'right' | 'wrong'

/**
 * MACs of a domestic link: ISO 9797-1 algorithm 3, padding 1, 8 bytes, over the message as it is on the wire from the
 * MTI up to the MAC field (interfaces.md, "Security").
 */
export class MessageMac {
  readonly #key: DesKey

  /** @param key hex, 16 bytes */
  constructor(key: string) {
    this.#key = new DesKey(Buffer.from(key, 'hex'))
  }

  /** Encodes a message with its MAC. */
  encode(dialect: Dialect, mti: string, fields: FieldValues): Buffer {
    const last = fields.findLastIndex((value, de) => value !== undefined && de > LAST_OF_FIRST)
    const field = last > 0 ? LAST_OF_SECOND : LAST_OF_FIRST
    const form = dialect.field(field)
    assert(form !== undefined, 'the dialect has a MAC field')
    const sealed: FieldValues = [...fields]
    sealed[field] = EMPTY
    const message = dialect.encode(mti, sealed)
    const hex = form.content === 'hex-ascii'
    const end = message.length - (hex ? MAC_BYTES * 2 : MAC_BYTES)
    const mac = retailMac(this.#key, message.subarray(0, end), 1)
    if (hex) message.write(mac.toString('hex').toUpperCase(), end, 'latin1')
    else mac.copy(message, end)
    return message
  }

  /**
   * Checks the MAC of a message.
   * @param bytes the message from its MTI on
   */
  check(message: Message, bytes: Buffer): MacVerdict {
    const field = message.has(LAST_OF_SECOND) ? LAST_OF_SECOND : LAST_OF_FIRST
    const found = message.bytes(field)
    if (found === undefined) return 'absent'
    const hex = message.dialect.field(field)?.content === 'hex-ascii'
    const end = bytes.length - (hex ? MAC_BYTES * 2 : MAC_BYTES)
    return equalSecret(retailMac(this.#key, bytes.subarray(0, end), 1), found) ? 'right' : 'wrong'
  }
}
