import { MizanError } from '../errors.ts'
import { writeContent } from './encode-content.ts'
import { failEncode } from './failure.ts'
import type { FieldTables } from './field-tables.ts'
import {
  BCD,
  BER_LENGTH,
  COUNT_HEX,
  COUNT_SIGNED_BYTES,
  COUNT_VALUE,
  EBCDIC,
  isBinary,
  isMessageType,
  PAD_NONE,
  PAD_SPACE_LEFT,
  PAD_SPACE_RIGHT,
  PREFIX_ASCII,
  PREFIX_BCD,
  PREFIX_EBCDIC,
  SIGNED_BCD,
  wireBytes,
} from './field-tables.ts'
import { type Message, WORDS } from './message.ts'

/**
 * Values of a message by data element; index 1 is unused. Text and digits as text; binary as bytes or as hex text.
 * An absent value is undefined; an empty text is a present, empty field.
 */
export type FieldValues = (string | Uint8Array | undefined)[]

const words = new Int32Array(WORDS)
/** DE39. */
export const RESPONSE_CODE = 39

/** Writes a message with at least `bitmaps` bitmaps into `target` from `offset` on; returns the position behind it. */
export function encodeMessage(
  tables: FieldTables,
  mti: string,
  fields: FieldValues,
  target: Buffer,
  offset: number,
  bitmaps: number,
): number {
  let at = writeHead(tables, mti, markPresent(tables, fields, bitmaps), target, offset)
  for (let de = 2; de < fields.length; de++) {
    const value = fields[de]
    if (value !== undefined) at = writeField(tables, de, value, target, at)
  }
  return at
}

/**
 * Writes the answer to a message that says no more than the request did but for DE39: fields that an answer repeats are
 * copied as they came, which costs a fraction of reading and writing them. The bytes are those of {@link
 * encodeMessage}.
 * @param echo data elements that an answer repeats, ascending; without DE39
 * @returns the position behind it
 */
export function encodeEcho(
  message: Message,
  echo: readonly number[],
  mti: string,
  responseCode: string,
  target: Buffer,
  offset: number,
): number {
  const { tables, buffer, start, marks, base } = message
  words.fill(0)
  mark(RESPONSE_CODE)
  let last = RESPONSE_CODE
  for (const de of echo) {
    if (!message.has(de)) continue
    mark(de)
    last = Math.max(last, de)
  }
  let at = writeHead(tables, mti, groupsFor(tables, last, 1), target, offset)
  let isCodeWritten = false
  for (const de of echo) {
    if (!message.has(de)) continue
    if (de > RESPONSE_CODE && !isCodeWritten) {
      at = writeField(tables, RESPONSE_CODE, responseCode, target, at)
      isCodeWritten = true
    }
    const found = marks[base + WORDS + de] as number
    const content = start + (found >>> 16)
    const end = content + wireBytes(tables.content[de] as number, found & 0xffff)
    const from = content - (tables.prefixBytes[de] as number)
    if (at + end - from > target.length) failEncode(de, 'the message is longer than the space it has')
    // Fields are short: a loop is faster than a call.
    for (let i = from; i < end; i++) target[at++] = buffer[i] as number
  }
  return isCodeWritten ? at : writeField(tables, RESPONSE_CODE, responseCode, target, at)
}

/** Writes message type and bitmaps of the fields that are marked; returns the position behind them. */
function writeHead(tables: FieldTables, mti: string, groups: number, target: Buffer, offset: number): number {
  const mtiBytes = tables.mti === BCD ? 2 : 4
  const at = offset + mtiBytes + groups * tables.bitmapBytes
  if (at > target.length) throw new MizanError('CODEC_ENCODE_FAILED', 'the target is too short')
  writeMti(tables, mti, target, offset)
  writeBitmaps(tables, groups, target, offset + mtiBytes)
  return at
}

function mark(de: number): void {
  words[(de - 1) >> 5] = (words[(de - 1) >> 5] as number) | (0x80000000 >>> ((de - 1) & 31))
}

/** Sets the bits of the present fields; returns how many bitmaps the message has. */
function markPresent(tables: FieldTables, fields: FieldValues, bitmaps: number): number {
  words.fill(0)
  let last = 1
  if (fields[1] !== undefined) failEncode(1, 'is the bitmap, which is written from the fields')
  for (let de = 2; de < fields.length; de++) {
    if (fields[de] === undefined) continue
    if (de > tables.highest || tables.content[de] === 0) failEncode(de, 'the dialect has no such field')
    mark(de)
    last = de
  }
  return groupsFor(tables, last, bitmaps)
}

/** Bitmaps of a message whose last field is this one; announces those behind the first. */
function groupsFor(tables: FieldTables, last: number, bitmaps: number): number {
  if (tables.fixedGroups > 0) return tables.fixedGroups
  if (bitmaps > tables.maxGroups) failEncode(1, `the dialect has at most ${tables.maxGroups} bitmaps`)
  const groups = Math.max(bitmaps, last > 128 ? 3 : last > 64 ? 2 : 1)
  for (let group = 0; group < groups - 1; group++) words[2 * group] = (words[2 * group] as number) | 0x80000000
  return groups
}

function writeMti(tables: FieldTables, mti: string, target: Buffer, offset: number): void {
  if (!/^\d{4}$/.test(mti) || !isMessageType(Number(mti)))
    failEncode(0, 'the message type must be four digits of a known version and class')
  if (tables.mti === BCD) {
    target[offset] = ((mti.charCodeAt(0) & 15) << 4) | (mti.charCodeAt(1) & 15)
    target[offset + 1] = ((mti.charCodeAt(2) & 15) << 4) | (mti.charCodeAt(3) & 15)
    return
  }
  const zone = tables.mti === EBCDIC ? 0xf0 : 0x30
  for (let i = 0; i < 4; i++) target[offset + i] = zone | (mti.charCodeAt(i) & 15)
}

const asciiHexDigits = Buffer.from('0123456789ABCDEF', 'latin1')
const ebcdicHexDigits = Buffer.from('f0f1f2f3f4f5f6f7f8f9c1c2c3c4c5c6', 'hex')

function writeBitmaps(tables: FieldTables, groups: number, target: Buffer, offset: number): void {
  let at = offset
  for (let w = 0; w < 2 * groups; w++) {
    const word = words[w] as number
    if (tables.bitmapBytes === 8) {
      target[at] = word >>> 24
      target[at + 1] = word >>> 16
      target[at + 2] = word >>> 8
      target[at + 3] = word
      at += 4
      continue
    }
    const digits = tables.bitmapEbcdic ? ebcdicHexDigits : asciiHexDigits
    for (let shift = 28; shift >= 0; shift -= 4) target[at++] = digits[(word >>> shift) & 15] as number
  }
}

function writeField(
  tables: FieldTables,
  de: number,
  value: string | Uint8Array,
  target: Buffer,
  position: number,
): number {
  const content = tables.content[de] as number
  const max = tables.max[de] as number
  const prefix = tables.prefixBytes[de] as number
  let complete = value
  let length = givenLength(content, de, value)
  if (length > max) failEncode(de, `the value is longer than ${max}`)
  let at = position
  if (prefix === 0 && content !== BER_LENGTH) {
    if (length < max) complete = padded(tables.pad[de] as number, de, value, max)
    length = max
  }
  const bytes = wireBytes(content, length)
  if (at + prefix + bytes > target.length) failEncode(de, 'the message is longer than the space it has')
  if (prefix > 0) {
    const count = countedLength(tables.counts[de] as number, de, length)
    writePrefix(target, at, prefix, tables.prefixKind[de] as number, count)
    at += prefix
  }
  writeContent(tables, de, complete, length, target, at)
  return at + bytes
}

/** Length of a value in the unit of the field's maximum. */
function givenLength(content: number, de: number, value: string | Uint8Array): number {
  if (!isBinary(content)) {
    if (typeof value !== 'string') failEncode(de, 'the value must be text')
    return value.length
  }
  if (typeof value !== 'string') return value.length
  if ((value.length & 1) !== 0) failEncode(de, 'an odd count of hex digits')
  return value.length >> 1
}

function padded(pad: number, de: number, value: string | Uint8Array, max: number): string {
  if (pad === PAD_NONE || typeof value !== 'string') failEncode(de, `the value is shorter than ${max}`)
  if (pad === PAD_SPACE_RIGHT) return value.padEnd(max, ' ')
  return value.padStart(max, pad === PAD_SPACE_LEFT ? ' ' : '0')
}

function countedLength(counts: number, de: number, length: number): number {
  if (counts === COUNT_HEX) return length * 2
  if (counts === COUNT_VALUE) return length
  // A length in bytes cannot say that half of one is padding.
  const odd = ((counts === COUNT_SIGNED_BYTES && length > 0 ? length - 1 : length) & 1) !== 0
  if (odd) failEncode(de, 'an odd count of digits where the length counts bytes')
  return counts === COUNT_SIGNED_BYTES ? wireBytes(SIGNED_BCD, length) : length >> 1
}

function writePrefix(target: Buffer, at: number, bytes: number, kind: number, count: number): void {
  let left = count
  for (let i = at + bytes - 1; i >= at; i--) {
    if (kind === PREFIX_ASCII || kind === PREFIX_EBCDIC) {
      target[i] = (kind === PREFIX_ASCII ? 0x30 : 0xf0) + (left % 10)
      left = Math.trunc(left / 10)
    } else if (kind === PREFIX_BCD) {
      target[i] = (Math.trunc((left % 100) / 10) << 4) | (left % 10)
      left = Math.trunc(left / 100)
    } else {
      target[i] = left & 255
      left >>>= 8
    }
  }
}
