import { MizanError } from '../../errors.ts'

const ZERO = 0x30

/** A PAN has up to 19 digits (ISO/IEC 7812-1); algorithms that leave the check digit out and take 11 more need 12. */
export const PAN_MIN_DIGITS = 12
export const PAN_MAX_DIGITS = 19

/** Whether a text is of decimal digits only, as many as said. */
export function isDigitText(text: string, min: number, max: number): boolean {
  if (text.length < min || text.length > max) return false
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) return false
  }
  return true
}

/**
 * Refuses a text that is not digits, without repeating it.
 * @param what names the value in the message
 * @throws MizanError BAD_INPUT
 */
export function requireDigits(text: string, min: number, max: number, what: string): void {
  if (isDigitText(text, min, max)) return
  throw new MizanError('BAD_INPUT', `${what} must be ${min === max ? min : `${min} to ${max}`} digits`)
}

/** Value of the digit at a place of a text of digits. */
export function digitAt(text: string, at: number): number {
  return text.charCodeAt(at) - ZERO
}

/**
 * Puts a half byte at a place counted in half bytes, the left half of a byte first; the place must hold zero before.
 */
export function putNibble(bytes: Uint8Array, nibble: number, value: number): void {
  bytes[nibble >> 1] = (bytes[nibble >> 1] as number) | ((nibble & 1) === 0 ? value << 4 : value)
}

/** The half byte at a place counted in half bytes. */
export function nibbleAt(bytes: Uint8Array, nibble: number): number {
  const byte = bytes[nibble >> 1] as number
  return (nibble & 1) === 0 ? byte >> 4 : byte & 15
}
