import { assert } from '../../errors.ts'

const ZERO = 0x30

/**
 * Takes decimal digits out of cipher text by two scans, left to right (Visa PVV and CVV; EMV Book 2 A1.4.2 option B):
 * first the hex digits 0 to 9 as they are, then, if these are too few, the hex digits A to F as 0 to 5.
 * @param count digits to take, no more than `bytes` has hex digits
 * @param digits takes the digit values 0 to 9 from its beginning
 */
export function decimaliseInto(bytes: Uint8Array, count: number, digits: Uint8Array): void {
  assert(count <= bytes.length * 2 && count <= digits.length, 'cipher text has enough digits')
  let taken = 0
  for (let scan = 0; scan < 2 && taken < count; scan++) {
    for (let nibble = 0; nibble < bytes.length * 2 && taken < count; nibble++) {
      const byte = bytes[nibble >> 1] as number
      const value = (nibble & 1) === 0 ? byte >> 4 : byte & 15
      if (scan === 0 ? value < 10 : value >= 10) digits[taken++] = scan === 0 ? value : value - 10
    }
  }
}

/**
 * The same as {@link decimaliseInto}, as a text.
 * @param count digits to take, no more than `bytes` has hex digits
 */
export function decimaliseTwoScan(bytes: Uint8Array, count: number): string {
  const digits = new Uint8Array(count)
  decimaliseInto(bytes, count, digits)
  return digitsText(digits, count)
}

/** The text of the first `count` digit values 0 to 9. */
export function digitsText(digits: Uint8Array, count: number): string {
  let text = ''
  for (let at = 0; at < count; at++) text += String.fromCharCode((digits[at] as number) + ZERO)
  return text
}
