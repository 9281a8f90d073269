import { timingSafeEqual } from 'node:crypto'

/**
 * Compares two byte strings in a time that does not depend on where they differ. Lengths are not secret: other lengths
 * give false at once.
 */
export function equalSecret(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Compares two texts, such as check values of a card, as {@link equalSecret} does bytes. */
export function equalDigits(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at)
  return difference === 0
}

const ZERO = 0x30

/**
 * Compares the first digit values (0 to 9) of an array with a text of digits, as {@link equalSecret} does bytes,
 * without making a text of the secret.
 * @param count how many digits of `values` count; a text of another length is not equal
 */
export function equalDigitValues(values: Uint8Array, count: number, text: string): boolean {
  if (text.length !== count || values.length < count) return false
  let difference = 0
  for (let at = 0; at < count; at++) difference |= ((values[at] as number) + ZERO) ^ text.charCodeAt(at)
  return difference === 0
}

/** Overwrites arrays that held a key, a PIN or what was computed from one. */
export function wipe(...arrays: Uint8Array[]): void {
  for (const array of arrays) array.fill(0)
}
