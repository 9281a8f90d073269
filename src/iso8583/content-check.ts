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

function checkPacked(
  tables: FieldTables,
  de: number,
  buffer: Buffer,
  at: number,
  bytes: number,
  length: number,
): number {
  const content = tables.content[de] as number
  const end = at + bytes
  if ((length & 1) === 0) return badPacked(content, buffer, at, end)
  // An odd count: one nibble is padding, which must be what the dialect pads with, or a byte would be lost.
  const padNibble = tables.padNibble[de] as number
  if (tables.padLeft[de] === 1) {
    const first = buffer[at] as number
    if (first >> 4 !== padNibble || badNibble(content, first & 15)) return at
    return badPacked(content, buffer, at + 1, end)
  }
  const last = buffer[end - 1] as number
  const bad = badPacked(content, buffer, at, end - 1)
  if (bad >= 0) return bad
  return (last & 15) !== padNibble || badNibble(content, last >> 4) ? end - 1 : -1
}

function badPacked(content: number, buffer: Buffer, from: number, to: number): number {
  if (content === TRACK2 || content === TRACK2_EQUALS) {
    for (let i = from; i < to; i++) {
      const byte = buffer[i] as number
      if (badNibble(content, byte >> 4) || badNibble(content, byte & 15)) return i
    }
    return -1
  }
  for (let i = from; i < to; i++) if (bcdValue[buffer[i] as number] === NOT_DIGITS) return i
  return -1
}

function badNibble(content: number, nibble: number): boolean {
  return nibble > 9 && !(nibble === 13 && (content === TRACK2 || content === TRACK2_EQUALS))
}
