import { checkContent } from './content-check.ts'
import type { Dialect } from './dialect.ts'
import { FIELD_MAX } from './dialect-spec.ts'
import { bcdValue, fourDigits, NOT_DIGITS } from './digits.ts'
import type { FailureKind } from './failure.ts'
import { failure } from './failure.ts'
import type { FieldTables } from './field-tables.ts'
import {
  BCD,
  BER_LENGTH,
  COUNT_HEX,
  COUNT_PACKED_BYTES,
  COUNT_SIGNED_BYTES,
  EBCDIC,
  ebcdicClasses,
  isMessageType,
  latin1Classes,
  PREFIX_ASCII,
  PREFIX_BCD,
  PREFIX_BINARY,
  PREFIX_EBCDIC,
  QUICK_DIGITS,
  QUICK_EBCDIC,
  wireBytes,
} from './field-tables.ts'
import { Message, noMarks, WORDS } from './message.ts'

/** Longest message that is read: what a two-byte length can announce. */
export const MESSAGE_BYTES_MAX = 65_535

/**
 * Where the fields of messages lie is recorded in chunks that many messages share: one array for each message would
 * cost as much as reading it. A chunk lives as long as any message in it.
 */
const CHUNK_SIZE = 4096
const MARKS_MAX = WORDS + FIELD_MAX + 1
let chunk = new Int32Array(CHUNK_SIZE)
let used = 0

/**
 * One pass over a message: walks the bitmaps, records where each present field lies and checks its length and
 * characters. Values are made later, by the {@link Message}. Never throws and never reads outside `start` to `end`.
 */
export function decodeMessage(
  dialect: Dialect,
  tables: FieldTables,
  buffer: Buffer,
  start: number,
  end: number,
): Message {
  const message = new Message(dialect, tables, buffer, start, end)
  if (end - start > MESSAGE_BYTES_MAX) {
    message.failure = failure('too-long', '', 0, `the message is longer than ${MESSAGE_BYTES_MAX} bytes`)
    return message
  }
  const afterMti = readMti(message)
  if (afterMti < 0) return message
  if (used + MARKS_MAX > CHUNK_SIZE) {
    chunk = new Int32Array(CHUNK_SIZE)
    used = 0
  }
  message.base = used
  message.marks = chunk
  const afterBitmaps = readBitmaps(message, afterMti)
  if (afterBitmaps < 0) {
    // The place is used again, so the message must not keep it.
    message.marks = noMarks
    message.base = 0
    return message
  }
  message.bitmapStart = afterMti
  message.fieldsStart = afterBitmaps
  used += WORDS + 1 + 64 * message.bitmaps
  scanFields(message, afterBitmaps)
  return message
}

function fail(message: Message, kind: FailureKind, field: number, at: number, what: string): -1 {
  message.failure = failure(kind, String(field), at - message.start, what)
  return -1
}

function failShort(message: Message, field: number, at: number, needs: number): -1 {
  const left = Math.max(0, message.end - at)
  return fail(message, 'short', field, at, `needs ${needs} bytes, ${left} are left`)
}

/** Reads the message type; returns the position behind it, -1 on failure. */
function readMti(message: Message): number {
  const { buffer, start, end, tables } = message
  const size = tables.mti === BCD ? 2 : 4
  if (end - start < size) return failShort(message, 0, start, size)
  let value = 0
  for (let i = start; i < start + size; i++) {
    const byte = buffer[i] as number
    const digits =
      tables.mti === BCD ? (bcdValue[byte] as number) : (byte - (tables.mti === EBCDIC ? 0xf0 : 0x30)) >>> 0
    const limit = tables.mti === BCD ? 99 : 9
    if (digits > limit) return fail(message, 'content', 0, i, 'the message type must be four digits')
    value = value * (limit + 1) + digits
  }
  message.mti = fourDigits(value)
  if (!isMessageType(value)) return fail(message, 'content', 0, start, 'no such version or class of message type')
  return start + size
}

/** Reads all bitmaps into the first marks of the message; returns the position behind them, -1 on failure. */
function readBitmaps(message: Message, position: number): number {
  const { tables, end, marks, base, buffer } = message
  const { bitmapBytes: size, bitmapHex: hex, fixedGroups, maxGroups } = tables
  let at = position
  let group = 0
  for (; ; group++) {
    if (end - at < size) return failShort(message, group === 2 ? 65 : 1, at, size)
    const first = base + 2 * group
    if (hex === undefined) {
      marks[first] = binaryWord(buffer, at)
      marks[first + 1] = binaryWord(buffer, at + 4)
    } else {
      const bad = hexWords(buffer, hex, at, marks, first)
      if (bad >= 0) return fail(message, 'bitmap', group === 2 ? 65 : 1, bad, 'a bitmap digit is not hexadecimal')
    }
    at += size
    const announces = (marks[first] as number) < 0
    if (group + 1 === maxGroups) {
      if (announces && group === 0 && fixedGroups === 0) {
        return fail(message, 'bitmap', 1, position, 'announces a second bitmap, which the dialect does not have')
      }
      break
    }
    if (fixedGroups > 0) continue
    if (!announces) break
    marks[first] = (marks[first] as number) & 0x7fffffff
  }
  // Bit 1 is never a field, also where it announces nothing.
  marks[base] = (marks[base] as number) & 0x7fffffff
  for (let w = 2 * (group + 1); w < WORDS; w++) marks[base + w] = 0
  return at
}

function binaryWord(buffer: Buffer, at: number): number {
  return (
    ((buffer[at] as number) << 24) |
    ((buffer[at + 1] as number) << 16) |
    ((buffer[at + 2] as number) << 8) |
    (buffer[at + 3] as number)
  )
}

/** Reads 16 hex digits into two words; returns the position of a digit that is not one, else -1. */
function hexWords(buffer: Buffer, hex: Uint8Array, at: number, marks: Int32Array, first: number): number {
  for (let half = 0; half < 2; half++) {
    let word = 0
    for (let i = at + 8 * half; i < at + 8 * half + 8; i++) {
      const value = hex[buffer[i] as number] as number
      if (value > 15) return i
      word = (word << 4) | value
    }
    marks[first + half] = word
  }
  return -1
}

/** Walks the present fields, recording and checking each. */
function scanFields(message: Message, position: number): void {
  const { tables, buffer, start, end, marks, base } = message
  const { quickBytes, quickCheck, max } = tables
  let at = position
  for (let w = base; w < base + WORDS; w++) {
    let word = marks[w] as number
    while (word !== 0) {
      const bit = Math.clz32(word)
      word ^= 0x80000000 >>> bit
      const de = 32 * (w - base) + bit + 1
      const bytes = quickBytes[de] as number
      if (bytes !== 0 && end - at >= bytes && quickCheckPasses(quickCheck[de] as number, buffer, at, at + bytes)) {
        marks[base + WORDS + de] = ((at - start) << 16) | (max[de] as number)
        at += bytes
      } else {
        at = scanField(message, de, at)
        if (at < 0) {
          // Only the fields before this one were read.
          marks[w] = (marks[w] as number) & ~(0xffffffff >>> bit)
          marks.fill(0, w + 1, base + WORDS)
          return
        }
      }
    }
  }
  if (at !== end)
    message.failure = failure('trailing', '', at - message.start, `${end - at} bytes follow the last field`)
}

function quickCheckPasses(check: number, buffer: Buffer, from: number, to: number): boolean {
  if (check === 0) return true
  if (check === QUICK_DIGITS) {
    for (let i = from; i < to; i++) if (bcdValue[buffer[i] as number] === NOT_DIGITS) return false
    return true
  }
  const classes = (check & QUICK_EBCDIC) === 0 ? latin1Classes : ebcdicClasses
  for (let i = from; i < to; i++) if (((classes[buffer[i] as number] as number) & check) === 0) return false
  return true
}

/** The same for one field of any kind; returns the position behind it, -1 on failure. */
function scanField(message: Message, de: number, position: number): number {
  const { tables, buffer, end } = message
  const content = tables.content[de] as number
  if (content === 0) return fail(message, 'unknown-field', de, position, 'the dialect has no such field')
  let at = position
  let length = tables.max[de] as number
  const prefix = tables.prefixBytes[de] as number
  if (prefix !== 0) {
    if (end - at < prefix) return failShort(message, de, at, prefix)
    length = readPrefix(buffer, at, prefix, tables.prefixKind[de] as number)
    if (length < 0) return fail(message, 'length', de, at, 'the length is not a number')
    const counts = tables.counts[de] as number
    if (counts !== 0) {
      length = valueLength(counts, length)
      if (length < 0) return fail(message, 'length', de, at, 'an odd count of hex digits')
    }
    at += prefix
  } else if (content === BER_LENGTH) {
    length = berLength(buffer, at, end)
    if (length < 0) return failShort(message, de, at, 3)
  }
  const bytes = wireBytes(content, length)
  if (end - at < bytes) return failShort(message, de, at, bytes)
  if (length > (tables.max[de] as number))
    return fail(message, 'length', de, position, 'the length is over the maximum')
  const bad = checkContent(tables, de, buffer, at, bytes, length)
  if (bad >= 0) return fail(message, 'content', de, bad, 'a character that the field may not hold')
  message.marks[message.base + WORDS + de] = ((at - message.start) << 16) | length
  return at + bytes
}

/** Number in a length prefix; -1 when it is not one. */
function readPrefix(buffer: Buffer, at: number, bytes: number, kind: number): number {
  if (bytes === 1 && kind === PREFIX_BINARY) return buffer[at] as number
  let length = 0
  for (let i = at; i < at + bytes; i++) {
    const byte = buffer[i] as number
    if (kind === PREFIX_ASCII || kind === PREFIX_EBCDIC) {
      const digit = (byte - (kind === PREFIX_ASCII ? 0x30 : 0xf0)) >>> 0
      if (digit > 9) return -1
      length = length * 10 + digit
    } else if (kind === PREFIX_BCD) {
      const digits = bcdValue[byte] as number
      if (digits === NOT_DIGITS) return -1
      length = length * 100 + digits
    } else length = length * 256 + byte
  }
  return length
}

/** Length of the value where the prefix counts something else; -1 when it cannot be. */
function valueLength(counts: number, counted: number): number {
  if (counts === COUNT_HEX) return (counted & 1) === 0 ? counted >> 1 : -1
  if (counts === COUNT_PACKED_BYTES) return counted * 2
  if (counts === COUNT_SIGNED_BYTES) return counted === 0 ? 0 : counted * 2 - 1
  return counted
}

/** Bytes of a two-byte tag, its BER length and its value; -1 when the length itself is cut off or too long to hold. */
function berLength(buffer: Buffer, at: number, end: number): number {
  if (end - at < 3) return -1
  const first = buffer[at + 2] as number
  if (first < 0x80) return 3 + first
  const more = first & 0x7f
  if (more === 0 || more > 3 || end - at < 3 + more) return -1
  let length = 0
  for (let i = 0; i < more; i++) length = length * 256 + (buffer[at + 3 + i] as number)
  return 3 + more + length
}
