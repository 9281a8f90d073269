/**
 * Readers that turn packed digits and bytes into text. A call of `Buffer.toString` costs about 100 ns whatever its
 * length (measured on Node 24), more than all else a short field needs; so short texts are built here from tables, and
 * only long ones are left to it. The unrolled calls are what makes this fast: each makes one flat string at once. Bytes
 * are indexed in place and not through a helper, which the engine would share between buffers and tables, and slow down
 * for both.
 */
import { bcdValue, digits1, digits2, digits3, digits4 } from './digits.ts'
import { ebcdicToLatin1 } from './ebcdic.ts'

const fromCodes = String.fromCharCode

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

/**
 * Text of an even number of packed nibbles, built eight bytes at a time.
 * @param count bytes to read from `offset` on, two characters each
 */
export function nibbleText(codes: NibbleCodes, bytes: Buffer, offset: number, count: number): string {
  const { high, low } = codes
  let text = ''
  let i = offset
  const end = offset + count
  for (; i + 8 <= end; i += 8) {
    text += fromCodes(
      high[bytes[i] as number] as number,
      low[bytes[i] as number] as number,
      high[bytes[i + 1] as number] as number,
      low[bytes[i + 1] as number] as number,
      high[bytes[i + 2] as number] as number,
      low[bytes[i + 2] as number] as number,
      high[bytes[i + 3] as number] as number,
      low[bytes[i + 3] as number] as number,
      high[bytes[i + 4] as number] as number,
      low[bytes[i + 4] as number] as number,
      high[bytes[i + 5] as number] as number,
      low[bytes[i + 5] as number] as number,
      high[bytes[i + 6] as number] as number,
      low[bytes[i + 6] as number] as number,
      high[bytes[i + 7] as number] as number,
      low[bytes[i + 7] as number] as number,
    )
  }
  for (; i < end; i++) {
    const byte = bytes[i] as number
    text += fromCodes(high[byte] as number, low[byte] as number)
  }
  return text
}

/** Text of `count` packed bytes of digits; the caller has checked the nibbles. */
export function digitText(bytes: Buffer, offset: number, count: number): string {
  switch (count) {
    case 1:
      return digits2[bcdValue[bytes[offset] as number] as number] as string
    case 2:
      return fourDigitText(bytes, offset)
    case 3:
      return fourDigitText(bytes, offset) + (digits2[bcdValue[bytes[offset + 2] as number] as number] as string)
    case 4:
      return fourDigitText(bytes, offset) + fourDigitText(bytes, offset + 2)
    case 5:
      return (
        fourDigitText(bytes, offset) +
        fourDigitText(bytes, offset + 2) +
        (digits2[bcdValue[bytes[offset + 4] as number] as number] as string)
      )
    case 6:
      return fourDigitText(bytes, offset) + fourDigitText(bytes, offset + 2) + fourDigitText(bytes, offset + 4)
    default:
      return nibbleText(nibblesWithD, bytes, offset, count)
  }
}

function fourDigitText(bytes: Buffer, i: number): string {
  const high = bcdValue[bytes[i] as number] as number
  return digits4[high * 100 + (bcdValue[bytes[i + 1] as number] as number)] as string
}

/** Text of an odd number of digits in `count` bytes of which the first nibble is padding; nibbles are checked. */
export function oddDigitText(bytes: Buffer, offset: number, count: number): string {
  const first = (bytes[offset] as number) & 15
  if (count === 2) return digits3[first * 100 + (bcdValue[bytes[offset + 1] as number] as number)] as string
  const head = digits1[first] as string
  return count === 1 ? head : head + digitText(bytes, offset + 1, count - 1)
}

/** Longest text that is cheaper to build than to leave to the engine. */
const BUILT_TEXT_MAX = 24
const scratch = Buffer.allocUnsafeSlow(65_536)

/** Text of bytes of ASCII (or any Latin-1). Takes the largest piece that fits; 15 is the size of DE42. */
export function latin1Text(bytes: Buffer, offset: number, count: number): string {
  const end = offset + count
  if (count > BUILT_TEXT_MAX) return bytes.toString('latin1', offset, end)
  let text = ''
  let i = offset
  for (; i + 15 <= end; i += 15) {
    text += fromCodes(
      bytes[i] as number,
      bytes[i + 1] as number,
      bytes[i + 2] as number,
      bytes[i + 3] as number,
      bytes[i + 4] as number,
      bytes[i + 5] as number,
      bytes[i + 6] as number,
      bytes[i + 7] as number,
      bytes[i + 8] as number,
      bytes[i + 9] as number,
      bytes[i + 10] as number,
      bytes[i + 11] as number,
      bytes[i + 12] as number,
      bytes[i + 13] as number,
      bytes[i + 14] as number,
    )
  }
  for (; i + 8 <= end; i += 8) {
    text += fromCodes(
      bytes[i] as number,
      bytes[i + 1] as number,
      bytes[i + 2] as number,
      bytes[i + 3] as number,
      bytes[i + 4] as number,
      bytes[i + 5] as number,
      bytes[i + 6] as number,
      bytes[i + 7] as number,
    )
  }
  for (; i + 4 <= end; i += 4) {
    text += fromCodes(bytes[i] as number, bytes[i + 1] as number, bytes[i + 2] as number, bytes[i + 3] as number)
  }
  for (; i < end; i++) text += fromCodes(bytes[i] as number)
  return text
}

/** Text of bytes of EBCDIC, in the same way. */
export function ebcdicText(bytes: Buffer, offset: number, count: number): string {
  const end = offset + count
  let i = offset
  if (count > BUILT_TEXT_MAX) {
    for (; i < end; i++) scratch[i - offset] = ebcdicToLatin1[bytes[i] as number] as number
    return scratch.toString('latin1', 0, count)
  }
  let text = ''
  for (; i + 15 <= end; i += 15) {
    text += fromCodes(
      ebcdicToLatin1[bytes[i] as number] as number,
      ebcdicToLatin1[bytes[i + 1] as number] as number,
      ebcdicToLatin1[bytes[i + 2] as number] as number,
      ebcdicToLatin1[bytes[i + 3] as number] as number,
      ebcdicToLatin1[bytes[i + 4] as number] as number,
      ebcdicToLatin1[bytes[i + 5] as number] as number,
      ebcdicToLatin1[bytes[i + 6] as number] as number,
      ebcdicToLatin1[bytes[i + 7] as number] as number,
      ebcdicToLatin1[bytes[i + 8] as number] as number,
      ebcdicToLatin1[bytes[i + 9] as number] as number,
      ebcdicToLatin1[bytes[i + 10] as number] as number,
      ebcdicToLatin1[bytes[i + 11] as number] as number,
      ebcdicToLatin1[bytes[i + 12] as number] as number,
      ebcdicToLatin1[bytes[i + 13] as number] as number,
      ebcdicToLatin1[bytes[i + 14] as number] as number,
    )
  }
  for (; i + 8 <= end; i += 8) {
    text += fromCodes(
      ebcdicToLatin1[bytes[i] as number] as number,
      ebcdicToLatin1[bytes[i + 1] as number] as number,
      ebcdicToLatin1[bytes[i + 2] as number] as number,
      ebcdicToLatin1[bytes[i + 3] as number] as number,
      ebcdicToLatin1[bytes[i + 4] as number] as number,
      ebcdicToLatin1[bytes[i + 5] as number] as number,
      ebcdicToLatin1[bytes[i + 6] as number] as number,
      ebcdicToLatin1[bytes[i + 7] as number] as number,
    )
  }
  for (; i + 4 <= end; i += 4) {
    text += fromCodes(
      ebcdicToLatin1[bytes[i] as number] as number,
      ebcdicToLatin1[bytes[i + 1] as number] as number,
      ebcdicToLatin1[bytes[i + 2] as number] as number,
      ebcdicToLatin1[bytes[i + 3] as number] as number,
    )
  }
  for (; i < end; i++) text += fromCodes(ebcdicToLatin1[bytes[i] as number] as number)
  return text
}
