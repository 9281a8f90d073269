import { bcdValue, hexValue, NOT_DIGITS } from './digits.ts'
import type { FieldTables } from './field-tables.ts'
import {
  ASCII,
  BCD,
  BCD_RIGHT,
  EBCDIC,
  ebcdicClasses,
  HEX_ASCII,
  latin1Classes,
  NUMERIC,
  SIGN,
  SIGNED,
  SIGNED_BCD,
  TRACK2,
  TRACK2_EQUALS,
} from './field-tables.ts'

/** Position of the first byte that the field may not hold, -1 when all are right. */
export function checkContent(
  tables: FieldTables,
  de: number,
  buffer: Buffer,
  at: number,
  bytes: number,
  length: number,
): number {
  switch (tables.content[de]) {
    case ASCII:
      return checkCharacters(latin1Classes, tables.check[de] as number, buffer, at, at + bytes)
    case EBCDIC:
      return checkCharacters(ebcdicClasses, tables.check[de] as number, buffer, at, at + bytes)
    case BCD:
    case BCD_RIGHT:
    case TRACK2:
    case TRACK2_EQUALS:
      return checkPacked(tables, de, buffer, at, bytes, length)
    case SIGNED_BCD:
      if (bytes === 0) return -1
      if (tables.check[de] === SIGNED && ((latin1Classes[buffer[at] as number] as number) & SIGN) === 0) return at
      return checkPacked(tables, de, buffer, at + 1, bytes - 1, length - 1)
    case HEX_ASCII:
      for (let i = at; i < at + bytes; i++) if ((hexValue[buffer[i] as number] as number) > 15) return i
      return -1
    default:
      return -1
  }
}

function checkCharacters(classes: Uint8Array, check: number, buffer: Buffer, from: number, to: number): number {
  if (check === 0) return -1
  let mask = check
  let i = from
  if (check === SIGNED) {
    if (i < to && ((classes[buffer[i] as number] as number) & SIGN) === 0) return i
    i++
    mask = NUMERIC
  }
  for (; i < to; i++) if (((classes[buffer[i] as number] as number) & mask) === 0) return i
  return -1
}

/** Bytes of two nibbles that a content of packed digits may hold: digits, in a track also the separator D. */
const digitBytes = Uint8Array.from(bcdValue, (value) => (value === NOT_DIGITS ? 0 : 1))
const trackBytes = Uint8Array.from({ length: 256 }, (_, byte) => (isTrack(byte >> 4) && isTrack(byte & 15) ? 1 : 0))

function isTrack(nibble: number): boolean {
  return nibble < 10 || nibble === 13
}

function checkPacked(
  tables: FieldTables,
  de: number,
  buffer: Buffer,
  at: number,
  bytes: number,
  length: number,
): number {
  const content = tables.content[de] as number
  const valid = content === TRACK2 || content === TRACK2_EQUALS ? trackBytes : digitBytes
  const end = at + bytes
  if ((length & 1) === 0) return badByte(valid, buffer, at, end)
  // An odd count: one nibble is padding, which must be what the dialect pads with, or a byte would be lost.
  const padNibble = tables.padNibble[de] as number
  if (tables.padLeft[de] === 1) {
    const first = buffer[at] as number
    if (first >> 4 !== padNibble || valid[first & 15] === 0) return at
    return badByte(valid, buffer, at + 1, end)
  }
  const bad = badByte(valid, buffer, at, end - 1)
  if (bad >= 0) return bad
  const last = buffer[end - 1] as number
  return (last & 15) !== padNibble || valid[last >> 4] === 0 ? end - 1 : -1
}

function badByte(valid: Uint8Array, buffer: Buffer, from: number, to: number): number {
  for (let i = from; i < to; i++) if (valid[buffer[i] as number] === 0) return i
  return -1
}
