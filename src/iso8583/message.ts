import type { Dialect } from './dialect.ts'
import { FIELD_MAX } from './dialect-spec.ts'
import { hexValue } from './digits.ts'
import type { DecodeFailure } from './failure.ts'
import type { FieldTables } from './field-tables.ts'
import {
  ASCII,
  BCD,
  BCD_RIGHT,
  BER_LENGTH,
  BINARY,
  EBCDIC,
  HEX_ASCII,
  SIGNED_BCD,
  TRACK2_EQUALS,
  wireBytes,
} from './field-tables.ts'
import {
  digitText,
  ebcdicText,
  latin1Text,
  nibblesWithD,
  nibblesWithEquals,
  nibbleText,
  oddDigitText,
} from './field-text.ts'

/** Words of 32 bits that say which data elements a message has. */
export const WORDS = FIELD_MAX / 32
/** Marks of a message of which no field was read. */
export const noMarks = new Int32Array(WORDS)

/** Where a field lies; offsets count bytes from the start of the message. */
export interface FieldOffset {
  /** `0` the message type, `1` the bitmaps, else the data element */
  readonly field: string
  /** first byte, the length prefix included */
  readonly offset: number
  readonly lengthBytes: number
  readonly dataBytes: number
}

/**
 * A message that was read: where its fields lie in the buffer it came from, which it keeps and does not copy. The owner
 * of the buffer must not write to it while the message is in use. Values are made anew at each call: read each once.
 */
export class Message {
  readonly dialect: Dialect
  readonly buffer: Buffer
  /** Position of the message type in `buffer`. */
  readonly start: number
  /** Position behind the message in `buffer`. */
  readonly end: number
  /** Four digits; empty when it could not be read. */
  mti = ''
  /** Why reading stopped; the fields before that stay readable. */
  failure: DecodeFailure | undefined = undefined

  // What follows is written by decode.ts only.
  readonly tables: FieldTables
  /**
   * From `base` on: six words with a bit for each field read, then by data element one number: the position of its
   * content from `start`, times 65,536, and the length of its value. Numbers of fields not read mean nothing. Shared
   * with other messages; see decode.ts.
   */
  marks: Int32Array = noMarks
  base = 0
  bitmapStart = 0
  fieldsStart = 0

  constructor(dialect: Dialect, tables: FieldTables, buffer: Buffer, start: number, end: number) {
    this.dialect = dialect
    this.tables = tables
    this.buffer = buffer
    this.start = start
    this.end = end
  }

  /** Whether a data element (2 to 192) was read. */
  has(de: number): boolean {
    const bit = de - 1
    if (bit >>> 0 >= FIELD_MAX) return false
    return ((this.marks[this.base + (bit >> 5)] as number) & (0x80000000 >>> (bit & 31))) !== 0
  }

  /**
   * Value of a data element: text and digits as text, unpadded and untrimmed; binary as lower-case hex; undefined when
   * the message does not have it.
   */
  text(de: number): string | undefined {
    if (!this.has(de)) return undefined
    const mark = this.marks[this.base + WORDS + de] as number
    return fieldText(this.tables, de, this.buffer, this.start + (mark >>> 16), mark & 0xffff)
  }

  /**
   * Bytes of a data element: of a binary one its value (a view of the buffer; a copy where the wire has hex digits), of
   * any other its content as it is on the wire. Undefined when the message does not have it.
   */
  bytes(de: number): Buffer | undefined {
    if (!this.has(de)) return undefined
    const mark = this.marks[this.base + WORDS + de] as number
    const at = this.start + (mark >>> 16)
    const content = this.tables.content[de] as number
    const end = at + wireBytes(content, mark & 0xffff)
    if (content === HEX_ASCII) return hexDigitBytes(this.buffer, at, end)
    return this.buffer.subarray(at, end)
  }

  /** The data elements read, ascending. */
  fieldNumbers(): number[] {
    const numbers: number[] = []
    for (let de = 2; de <= this.tables.highest; de++) if (this.has(de)) numbers.push(de)
    return numbers
  }

  /** Where message type, bitmaps and each field read lie. */
  offsets(): FieldOffset[] {
    const list: FieldOffset[] = []
    const add = (field: number, from: number, data: number, to: number): number =>
      list.push({ field: String(field), offset: from - this.start, lengthBytes: data - from, dataBytes: to - data })
    if (this.mti !== '') add(0, this.start, this.start, this.bitmapStart === 0 ? this.end : this.bitmapStart)
    if (this.fieldsStart > 0) add(1, this.bitmapStart, this.bitmapStart, this.fieldsStart)
    for (const de of this.fieldNumbers()) {
      const mark = this.marks[this.base + WORDS + de] as number
      const data = this.start + (mark >>> 16)
      const bytes = wireBytes(this.tables.content[de] as number, mark & 0xffff)
      add(de, data - (this.tables.prefixBytes[de] as number), data, data + bytes)
    }
    return list
  }

  /** How many bitmaps the message has, also where the last is empty; 0 when they could not be read. */
  get bitmaps(): number {
    return (this.fieldsStart - this.bitmapStart) / this.tables.bitmapBytes
  }

  /** Position in `buffer` of the first byte of a data element, length prefix included; -1 when it was not read. */
  fieldStart(de: number): number {
    if (!this.has(de)) return -1
    const mark = this.marks[this.base + WORDS + de] as number
    return this.start + (mark >>> 16) - (this.tables.prefixBytes[de] as number)
  }
}

/** Bytes that checked ASCII hex digits stand for. */
function hexDigitBytes(buffer: Buffer, at: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe((end - at) >> 1)
  for (let i = 0; i < bytes.length; i++) {
    const high = hexValue[buffer[at + 2 * i] as number] as number
    bytes[i] = (high << 4) | (hexValue[buffer[at + 2 * i + 1] as number] as number)
  }
  return bytes
}

function fieldText(tables: FieldTables, de: number, buffer: Buffer, at: number, length: number): string {
  const content = tables.content[de] as number
  switch (content) {
    case ASCII:
      return latin1Text(buffer, at, length)
    case EBCDIC:
      return ebcdicText(buffer, at, length)
    case BCD:
      if ((length & 1) === 0) return digitText(buffer, at, length >> 1)
      return oddDigitText(buffer, at, (length + 1) >> 1)
    case BCD_RIGHT:
      if ((length & 1) === 0) return digitText(buffer, at, length >> 1)
      return nibbleText(nibblesWithD, buffer, at, (length + 1) >> 1).slice(0, length)
    case BINARY:
    case BER_LENGTH:
      return buffer.toString('hex', at, at + length)
    case HEX_ASCII:
      return latin1Text(buffer, at, 2 * length).toLowerCase()
    case SIGNED_BCD:
      return signedText(buffer, at, length)
    default:
      return trackText(tables, de, buffer, at, length)
  }
}

function trackText(tables: FieldTables, de: number, buffer: Buffer, at: number, length: number): string {
  const codes = tables.content[de] === TRACK2_EQUALS ? nibblesWithEquals : nibblesWithD
  const text = nibbleText(codes, buffer, at, (length + 1) >> 1)
  if ((length & 1) === 0) return text
  return tables.padLeft[de] === 1 ? text.slice(1) : text.slice(0, length)
}

function signedText(buffer: Buffer, at: number, length: number): string {
  if (length === 0) return ''
  const sign = latin1Text(buffer, at, 1)
  const bytes = length >> 1
  return sign + ((length & 1) === 1 ? digitText(buffer, at + 1, bytes) : oddDigitText(buffer, at + 1, bytes))
}
