import { MizanError } from '../errors.ts'
import { decodeMessage, MESSAGE_BYTES_MAX } from './decode.ts'
import { dialectProblems } from './dialect-check.ts'
import type { DialectSpec, FieldSpec, SubfieldSpec } from './dialect-spec.ts'
import { FIELD_MAX } from './dialect-spec.ts'
import type { FieldValues } from './encode.ts'
import { encodeEcho, encodeMessage, RESPONSE_CODE } from './encode.ts'
import { fieldTables } from './field-tables.ts'
import type { Message } from './message.ts'

export type { DialectSpec, FieldSpec, PartSpec, Sensitivity, SubfieldSpec } from './dialect-spec.ts'
export type { FieldValues } from './encode.ts'

/** A compiled dialect: reads and writes its messages. Holds no state between calls. */
export interface Dialect {
  readonly name: string
  readonly spec: DialectSpec
  /** Data elements that an answer repeats from its request, ascending; only those the request has. */
  readonly answerEcho: readonly number[]
  /** Entry of a data element, undefined when the dialect does not have it. */
  field(de: number): FieldSpec | undefined
  /** How a data element divides, undefined when it does not. */
  subfields(de: number): SubfieldSpec | undefined
  /**
   * Reads a message. Never throws: what is wrong is in {@link Message.failure}, and the fields before it are readable.
   * @param buffer kept by the message, not copied
   * @param start position of the message type. @default 0
   * @param end position behind the message. @default buffer.length
   */
  decode(buffer: Buffer, start?: number, end?: number): Message
  /**
   * Writes a message.
   * @param bitmaps at least this many bitmaps: to write a message again whose last one was empty. @default 1
   * @throws MizanError CODEC_ENCODE_FAILED naming the field, without its value
   */
  encode(mti: string, fields: FieldValues, bitmaps?: number): Buffer
  /**
   * Writes a message into a buffer and returns the position behind it. After a failure the target's content is
   * undefined.
   * @throws MizanError CODEC_ENCODE_FAILED naming the field, without its value; also when the target is too short
   */
  encodeInto(mti: string, fields: FieldValues, target: Buffer, offset: number, bitmaps?: number): number
  /**
   * Writes the answer to a message of this dialect that repeats what an answer repeats and adds DE39, at a fraction of
   * the cost of writing it from values. Returns the position behind it.
   * @throws MizanError CODEC_ENCODE_FAILED as above
   */
  refuseInto(request: Message, mti: string, responseCode: string, target: Buffer, offset: number): number
}

/** A message is first written here, then copied at its size. Writing is synchronous, so one buffer serves all. */
let scratch: Buffer | undefined

/**
 * Compiles a dialect table, once, into what reads and writes messages.
 * @throws MizanError CODEC_DIALECT_INVALID listing all problems of the table
 */
export function compileDialect(spec: DialectSpec): Dialect {
  const problems = dialectProblems(spec)
  if (problems.length > 0) throw new MizanError('CODEC_DIALECT_INVALID', `${spec?.name}: ${problems.join('; ')}`)
  const tables = fieldTables(spec)
  const specs: (FieldSpec | undefined)[] = Array.from({ length: FIELD_MAX + 1 }, (_, de) => spec.fields[de])
  const answerEcho = [...(spec.answer?.echo ?? [])].sort((a, b) => a - b)
  const echoed = answerEcho.filter((de) => de !== RESPONSE_CODE)
  const dialect: Dialect = {
    name: spec.name,
    spec,
    answerEcho,
    field: (de) => specs[de],
    subfields: (de) => specs[de]?.subfields,
    decode: (buffer, start = 0, end = buffer.length) =>
      decodeMessage(dialect, tables, buffer, Math.max(0, start), Math.min(end, buffer.length)),
    encode: (mti, fields, bitmaps = 1) => {
      scratch ??= Buffer.allocUnsafeSlow(MESSAGE_BYTES_MAX)
      const end = encodeMessage(tables, mti, fields, scratch, 0, bitmaps)
      return Buffer.from(scratch.subarray(0, end))
    },
    encodeInto: (mti, fields, target, offset, bitmaps = 1) =>
      encodeMessage(tables, mti, fields, target, offset, bitmaps),
    refuseInto: (request, mti, responseCode, target, offset) =>
      encodeEcho(request, echoed, mti, responseCode, target, offset),
  }
  return dialect
}
