/**
 * The bounds of a whole number that somebody has to type. The greatest number there can be is not written out: it tells nobody anything,
 * and reads as a card number, which error texts mask.
 */
export function boundsInWords(min: number, max: number): string {
  return max === Number.MAX_SAFE_INTEGER ? `of ${min} or more, with up to 15 digits` : `from ${min} to ${max}`
}
