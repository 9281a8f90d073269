import { MizanError } from '../errors.ts'

/** What kind of thing is wrong with a message. */
export type FailureKind =
  /** the message ends inside the field */
  | 'short'
  /** the length prefix is malformed, or over the field's maximum */
  | 'length'
  /** a character or nibble that the field may not hold */
  | 'content'
  /** a bitmap is malformed or announces one too many */
  | 'bitmap'
  /** a bit is set for a field that the dialect does not have */
  | 'unknown-field'
  /** bytes follow the last field */
  | 'trailing'
  /** the message is longer than the codec takes */
  | 'too-long'

/** Why and where reading stopped. Holds no content of any field, so it is safe to log. */
export interface DecodeFailure {
  readonly kind: FailureKind
  /** path of the field: `0` the message type, `1` and `65` the bitmaps, `4`, `62.2`, `55.9F26`; `` for none */
  readonly field: string
  /** bytes (characters for text) from the start of what was read: the message, or the composite field */
  readonly offset: number
  readonly message: string
}

/** Makes a failure whose text names the field and the offset. */
export function failure(kind: FailureKind, field: string, offset: number, what: string): DecodeFailure {
  const where = field === '' ? `offset ${offset}` : `field ${field} at offset ${offset}`
  return { kind, field, offset, message: `${where}: ${what}` }
}

/**
 * Stops the writing of a field; the text names the field and never its value.
 * @throws MizanError CODEC_ENCODE_FAILED
 */
export function failEncode(de: number, what: string): never {
  throw new MizanError('CODEC_ENCODE_FAILED', `field ${de}: ${what}`)
}
