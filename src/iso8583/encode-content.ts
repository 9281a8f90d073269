import { hexValue } from './digits.ts'
import { latin1ToEbcdic } from './ebcdic.ts'
import { failEncode } from './failure.ts'
import type { FieldTables } from './field-tables.ts'
import {
  ASCII,
  BCD,
  BCD_RIGHT,
  BER_LENGTH,
  EBCDIC,
  HEX_ASCII,
  latin1Classes,
  NUMERIC,
  SIGN,
  SIGNED,
  SIGNED_BCD,
  TRACK2,
  TRACK2_EQUALS,
} from './field-tables.ts'

const NOT_ALLOWED = 'a character that the field may not hold'
const SEPARATOR_EQUALS = 0x3d
const SEPARATOR_D = 0x44
const SEPARATOR_D_LOWER = 0x64

/** Writes the content of a field, whose value has been completed to `length`; the caller has checked the space. */
export function writeContent(
  tables: FieldTables,
  de: number,
  value: string | Uint8Array,
  length: number,
  target: Buffer,
  at: number,
): void {
  const content = tables.content[de] as number
  if (typeof value !== 'string') {
    writeBytes(content, de, value, target, at)
    return
  }
  switch (content) {
    case ASCII:
    case EBCDIC:
      writeCharacters(tables, de, value, target, at)
      return
    case BCD:
    case BCD_RIGHT:
    case TRACK2:
    case TRACK2_EQUALS:
      writePacked(tables, de, value, 0, target, at)
      return
    case SIGNED_BCD:
      if (length === 0) return
      if (value.charCodeAt(0) > 0xff) failEncode(de, NOT_ALLOWED)
      target[at] = value.charCodeAt(0)
      checkSign(tables, de, value)
      writePacked(tables, de, value, 1, target, at + 1)
      return
    default:
      writeHex(content, de, value, target, at)
  }
}

function checkSign(tables: FieldTables, de: number, value: string): void {
  const classes = latin1Classes[value.charCodeAt(0)] as number
  if (tables.check[de] === SIGNED && (classes & SIGN) === 0) failEncode(de, NOT_ALLOWED)
}

function writeCharacters(tables: FieldTables, de: number, value: string, target: Buffer, at: number): void {
  const ebcdic = tables.content[de] === EBCDIC
  const check = tables.check[de] as number
  const mask = check === SIGNED ? NUMERIC : check
  let i = 0
  if (check === SIGNED && value.length > 0) {
    const code = value.charCodeAt(0)
    checkSign(tables, de, value)
    target[at] = ebcdic ? (latin1ToEbcdic[code] as number) : code
    i = 1
  }
  for (; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code > 0xff || (mask !== 0 && ((latin1Classes[code] as number) & mask) === 0)) failEncode(de, NOT_ALLOWED)
    target[at + i] = ebcdic ? (latin1ToEbcdic[code] as number) : code
  }
}

/** Writes packed digits from character `from` on, with the padding nibble that an odd count needs. */
function writePacked(
  tables: FieldTables,
  de: number,
  value: string,
  from: number,
  target: Buffer,
  position: number,
): void {
  const content = tables.content[de] as number
  const track = content === TRACK2 || content === TRACK2_EQUALS
  const odd = ((value.length - from) & 1) === 1
  let i = from
  let at = position
  if (odd && tables.padLeft[de] === 1) {
    target[at++] = ((tables.padNibble[de] as number) << 4) | nibble(track, de, value, i++)
  }
  for (; i + 1 < value.length; i += 2) {
    target[at++] = (nibble(track, de, value, i) << 4) | nibble(track, de, value, i + 1)
  }
  if (i < value.length) target[at] = (nibble(track, de, value, i) << 4) | (tables.padNibble[de] as number)
}

function nibble(track: boolean, de: number, value: string, index: number): number {
  const code = value.charCodeAt(index)
  const digit = (code - 0x30) >>> 0
  if (digit <= 9) return digit
  // Both forms of the separator are taken: some peers pack a D into a wrong nibble without an error (jPOS #122).
  if (track && (code === SEPARATOR_D || code === SEPARATOR_EQUALS || code === SEPARATOR_D_LOWER)) return 13
  return failEncode(de, NOT_ALLOWED)
}

const upperHex = Buffer.from('0123456789ABCDEF', 'latin1')

function writeBytes(content: number, de: number, value: Uint8Array, target: Buffer, at: number): void {
  if (content !== HEX_ASCII) {
    if (content === BER_LENGTH) checkBerLength(de, value)
    target.set(value, at)
    return
  }
  for (let i = 0; i < value.length; i++) {
    const byte = value[i] as number
    target[at + 2 * i] = upperHex[byte >> 4] as number
    target[at + 2 * i + 1] = upperHex[byte & 15] as number
  }
}

function writeHex(content: number, de: number, value: string, target: Buffer, at: number): void {
  const bytes = content === HEX_ASCII ? undefined : target
  for (let i = 0; i < value.length; i += 2) {
    const high = hexDigit(de, value, i)
    const low = hexDigit(de, value, i + 1)
    if (bytes !== undefined) bytes[at + (i >> 1)] = (high << 4) | low
    else {
      target[at + i] = upperHex[high] as number
      target[at + i + 1] = upperHex[low] as number
    }
  }
  if (content === BER_LENGTH) checkBerLength(de, target.subarray(at, at + (value.length >> 1)))
}

function hexDigit(de: number, value: string, index: number): number {
  const code = value.charCodeAt(index)
  const digit = code > 0xff ? 255 : (hexValue[code] as number)
  return digit > 15 ? failEncode(de, 'a binary value must be bytes or hex digits') : digit
}

/** A value that carries its own length must agree with it, or what follows would be misread. */
function checkBerLength(de: number, value: Uint8Array): void {
  const first = value[2] ?? 0x80
  let size = 3 + first
  if (first >= 0x80) {
    const more = first & 0x7f
    let length = 0
    for (let i = 0; i < more; i++) length = length * 256 + (value[3 + i] ?? 0)
    size = more === 0 || more > 3 ? -1 : 3 + more + length
  }
  if (size !== value.length) failEncode(de, 'the value must be a two-byte tag, its length and so many bytes')
}
