/**
 * Lookup tables and readers that turn packed digits and bytes into text. A call of `Buffer.toString`
 * costs about 100 ns whatever its length (measured on Node 24), more than everything else a short field
 * needs; so short texts are built here from tables, and only long ones are sliced.
 */
import { ebcdicToLatin1 } from './ebcdic.ts'

const fromCodes = String.fromCharCode

/** What {@link bcdValue} holds for a byte that is not two digits. */
export const NOT_DIGITS = 255

/** Value 0 to 99 of each byte read as two packed digits, {@link NOT_DIGITS} where a nibble is over 9. */
export const bcdValue: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >> 4 < 10 && (byte & 15) < 10 ? (byte >> 4) * 10 + (byte & 15) : NOT_DIGITS,
)

/** Byte that packs the digits of each value 0 to 99. */
export const bcdByte: Uint8Array = Uint8Array.from({ length: 100 }, (_, n) => (Math.floor(n / 10) << 4) | (n % 10))

const digits1 = Array.from({ length: 10 }, (_, n) => String(n))
const digits2 = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'))
const digits3 = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'))
const digits4 = Array.from({ length: 10_000 }, (_, n) => String(n).padStart(4, '0'))

/** Four digits of a number 0 to 9999, without making a new string. */
export function fourDigits(value: number): string {
  return digits4[value] as string
}

/** Value 0 to 15 of an ASCII hex digit of either case; 255 for any other byte. */
export const hexValue: Uint8Array = new Uint8Array(256).fill(255)
/** The same for EBCDIC bytes. */
export const ebcdicHexValue: Uint8Array = new Uint8Array(256).fill(255)
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16)
  hexValue[digit.charCodeAt(0)] = value
  hexValue[digit.toUpperCase().charCodeAt(0)] = value
}
for (let byte = 0; byte < 256; byte++) ebcdicHexValue[byte] = hexValue[ebcdicToLatin1[byte] as number] as number

/** Character codes of the high and of the low nibble of a byte: digits, and one given character for nibble D. */
export interface NibbleCodes {
  readonly high: Uint8Array
  readonly low: Uint8Array
}

function nibbleCodes(separator: string): NibbleCodes {
  const code = (nibble: number): number => (nibble === 13 ? separator : nibble.toString(16).toUpperCase()).charCodeAt(0)
  return {
    high: Uint8Array.from({ length: 256 }, (_, byte) => code(byte >> 4)),
    low: Uint8Array.from({ length: 256 }, (_, byte) => code(byte & 15)),
  }
}

/** Track 2 nibbles with the separator shown as `D`; also right for plain digits. */
export const nibblesWithD = nibbleCodes('D')
/** Track 2 nibbles with the separator shown as `=`. */
export const nibblesWithEquals = nibbleCodes('=')

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] as number
}

/** Number that two packed bytes hold, 0 to 9999; the caller has checked the nibbles. */
function pair(bytes: Uint8Array, index: number): number {
  return at(bcdValue, at(bytes, index)) * 100 + at(bcdValue, at(bytes, index + 1))
}

/**
 * Text of an even number of packed nibbles, built eight bytes at a time.
 * @param bytes source
 * @param offset first byte
 * @param count bytes to read, two characters each
 */
export function nibbleText(codes: NibbleCodes, bytes: Uint8Array, offset: number, count: number): string {
  const { high, low } = codes
  let text = ''
  let i = offset
  const end = offset + count
  for (; i + 8 <= end; i += 8) {
    text += fromCodes(
      at(high, at(bytes, i)),
      at(low, at(bytes, i)),
      at(high, at(bytes, i + 1)),
      at(low, at(bytes, i + 1)),
      at(high, at(bytes, i + 2)),
      at(low, at(bytes, i + 2)),
      at(high, at(bytes, i + 3)),
      at(low, at(bytes, i + 3)),
      at(high, at(bytes, i + 4)),
      at(low, at(bytes, i + 4)),
      at(high, at(bytes, i + 5)),
      at(low, at(bytes, i + 5)),
      at(high, at(bytes, i + 6)),
      at(low, at(bytes, i + 6)),
      at(high, at(bytes, i + 7)),
      at(low, at(bytes, i + 7)),
    )
  }
  for (; i < end; i++) text += fromCodes(at(high, at(bytes, i)), at(low, at(bytes, i)))
  return text
}

/** Text of `count` packed bytes of digits; the caller has checked the nibbles. */
export function digitText(bytes: Uint8Array, offset: number, count: number): string {
  switch (count) {
    case 1:
      return digits2[at(bcdValue, at(bytes, offset))] as string
    case 2:
      return digits4[pair(bytes, offset)] as string
    case 3:
      return (digits4[pair(bytes, offset)] as string) + (digits2[at(bcdValue, at(bytes, offset + 2))] as string)
    case 4:
      return (digits4[pair(bytes, offset)] as string) + (digits4[pair(bytes, offset + 2)] as string)
    case 5:
      return digitText(bytes, offset, 4) + (digits2[at(bcdValue, at(bytes, offset + 4))] as string)
    case 6:
      return (
        (digits4[pair(bytes, offset)] as string) +
        (digits4[pair(bytes, offset + 2)] as string) +
        (digits4[pair(bytes, offset + 4)] as string)
      )
    default:
      return nibbleText(nibblesWithD, bytes, offset, count)
  }
}

/** Text of an odd number of digits in `count` bytes of which the first nibble is padding; nibbles are checked. */
export function oddDigitText(bytes: Uint8Array, offset: number, count: number): string {
  const first = at(bytes, offset) & 15
  if (count === 2) return digits3[first * 100 + at(bcdValue, at(bytes, offset + 1))] as string
  const head = digits1[first] as string
  return count === 1 ? head : head + digitText(bytes, offset + 1, count - 1)
}

/** Longest text that is cheaper to build from tables than to slice. */
const TABLE_TEXT_MAX = 24
const scratch = Buffer.allocUnsafeSlow(65_536)
const latin1Codes = Uint8Array.from({ length: 256 }, (_, byte) => byte)

/** Text of bytes of ASCII (or any Latin-1). */
export function latin1Text(bytes: Buffer, offset: number, count: number): string {
  return count > TABLE_TEXT_MAX
    ? bytes.toString('latin1', offset, offset + count)
    : tableText(latin1Codes, bytes, offset, count)
}

/** Text of bytes of EBCDIC. */
export function ebcdicText(bytes: Buffer, offset: number, count: number): string {
  if (count <= TABLE_TEXT_MAX) return tableText(ebcdicToLatin1, bytes, offset, count)
  for (let i = 0; i < count; i++) scratch[i] = at(ebcdicToLatin1, at(bytes, offset + i))
  return scratch.toString('latin1', 0, count)
}

/** Takes the largest piece that fits first; the sizes are those of DE42, 37, 41 and 49. */
function tableText(codes: Uint8Array, bytes: Buffer, offset: number, count: number): string {
  let text = ''
  let i = offset
  const end = offset + count
  for (; i + 15 <= end; i += 15)
    text += fromCodes(
      at(codes, at(bytes, i)),
      at(codes, at(bytes, i + 1)),
      at(codes, at(bytes, i + 2)),
      at(codes, at(bytes, i + 3)),
      at(codes, at(bytes, i + 4)),
      at(codes, at(bytes, i + 5)),
      at(codes, at(bytes, i + 6)),
      at(codes, at(bytes, i + 7)),
      at(codes, at(bytes, i + 8)),
      at(codes, at(bytes, i + 9)),
      at(codes, at(bytes, i + 10)),
      at(codes, at(bytes, i + 11)),
      at(codes, at(bytes, i + 12)),
      at(codes, at(bytes, i + 13)),
      at(codes, at(bytes, i + 14)),
    )
  for (; i + 12 <= end; i += 12)
    text += fromCodes(
      at(codes, at(bytes, i)),
      at(codes, at(bytes, i + 1)),
      at(codes, at(bytes, i + 2)),
      at(codes, at(bytes, i + 3)),
      at(codes, at(bytes, i + 4)),
      at(codes, at(bytes, i + 5)),
      at(codes, at(bytes, i + 6)),
      at(codes, at(bytes, i + 7)),
      at(codes, at(bytes, i + 8)),
      at(codes, at(bytes, i + 9)),
      at(codes, at(bytes, i + 10)),
      at(codes, at(bytes, i + 11)),
    )
  for (; i + 8 <= end; i += 8)
    text += fromCodes(
      at(codes, at(bytes, i)),
      at(codes, at(bytes, i + 1)),
      at(codes, at(bytes, i + 2)),
      at(codes, at(bytes, i + 3)),
      at(codes, at(bytes, i + 4)),
      at(codes, at(bytes, i + 5)),
      at(codes, at(bytes, i + 6)),
      at(codes, at(bytes, i + 7)),
    )
  for (; i + 4 <= end; i += 4)
    text += fromCodes(
      at(codes, at(bytes, i)),
      at(codes, at(bytes, i + 1)),
      at(codes, at(bytes, i + 2)),
      at(codes, at(bytes, i + 3)),
    )
  for (; i < end; i++) text += fromCodes(at(codes, at(bytes, i)))
  return text
}
