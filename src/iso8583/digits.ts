/** Lookup tables of digits: packed, as text, and hexadecimal. */
import { ebcdicToLatin1 } from './ebcdic.ts'

/** What {@link bcdValue} holds for a byte that is not two digits. */
export const NOT_DIGITS = 255

/** Value 0 to 99 of each byte read as two packed digits, {@link NOT_DIGITS} where a nibble is over 9. */
export const bcdValue: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >> 4 < 10 && (byte & 15) < 10 ? (byte >> 4) * 10 + (byte & 15) : NOT_DIGITS,
)

/** Texts of the numbers of one to four digits, filled with zeros. */
export const digits1 = Array.from({ length: 10 }, (_, n) => String(n))
export const digits2 = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'))
export const digits3 = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'))
export const digits4 = Array.from({ length: 10_000 }, (_, n) => String(n).padStart(4, '0'))

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
