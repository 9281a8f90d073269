/** Shows a PAN as first six and last four digits, the most that PCI DSS 3.4 lets a display show. */
export function maskPan(pan: string): string {
  if (pan.length < 13) return '*'.repeat(pan.length)
  return `${pan.slice(0, 6)}${'*'.repeat(pan.length - 10)}${pan.slice(-4)}`
}

/** Luhn check digit test of ISO/IEC 7812-1 annex B. */
export function isLuhnValid(pan: string): boolean {
  if (!/^\d{12,19}$/.test(pan)) return false
  let sum = 0
  for (let i = 0; i < pan.length; i++) {
    const digit = pan.charCodeAt(pan.length - 1 - i) - 48
    if (i % 2 === 0) sum += digit
    else sum += digit < 5 ? digit * 2 : digit * 2 - 9
  }
  return sum % 10 === 0
}

/** 13 to 19 digits in one piece, or in groups as cards print them: 4-4-4-4(-3) and 4-6-5. */
const CARD_NUMBER = /(?<!\d)(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5})(?!\d)/g

/**
 * Masks the card numbers of a text that came from outside, before it is kept or shown: digits that pass Luhn. References and account
 * numbers stay as they are, but for the one of ten that passes by chance.
 */
export function maskCardNumbers(text: string): string {
  if (!/\d[\d -]{11}/.test(text)) return text
  let [result, copied] = ['', 0]
  CARD_NUMBER.lastIndex = 0
  for (let found = CARD_NUMBER.exec(text); found !== null; found = CARD_NUMBER.exec(text)) {
    const digits = found[0].replaceAll(/[ -]/g, '')
    if (isLuhnValid(digits)) {
      result += text.slice(copied, found.index) + maskPan(digits)
      copied = CARD_NUMBER.lastIndex
    } else {
      // Another number may begin within: a date stands before it, in groups like its own.
      CARD_NUMBER.lastIndex = found.index + 1
    }
  }
  return result + text.slice(copied)
}

/** Appends the Luhn check digit. */
export function withCheckDigit(partialPan: string): string {
  for (let digit = 0; digit < 10; digit++) {
    const pan = `${partialPan}${digit}`
    if (isLuhnValid(pan)) return pan
  }
  return partialPan
}

/** Ids of a lane step by this: lane n has the ids that are n more than a multiple. */
export const ID_STEP = 64

const CODES = 36 ** 6
/** A lane's share of the codes, by which the lanes start apart: 34,012,224. */
const LANE_CODES = CODES / ID_STEP
/** Coprime with the number of codes, so that multiplying by it only changes their order. */
const SPREAD = 1_000_000_007n

/**
 * Authorization code of DE38: six alphanumerics, spread so that neighbours do not reveal the volume. It is made from
 * the id's place in its lane, because the ids of one lane share a factor with 36^6 and would take a 64th of the codes
 * only: a lane repeats a code after 36^6 ids of its own. Each lane starts a 64th of the codes after the lane before, so
 * two lanes share a code only where one is 36^6 / 64 ids, or a multiple, ahead of the other.
 */
export function approvalCode(id: number): string {
  const place = (Math.floor(id / ID_STEP) + (id % ID_STEP) * LANE_CODES) % CODES
  const spread = Number((BigInt(place) * SPREAD + 12_345_679n) % BigInt(CODES))
  return spread.toString(36).toUpperCase().padStart(6, '0')
}

/** Arabic-Indic digits (٠–٩) and those of Persian and Urdu keyboards (۰–۹). */
const OTHER_DIGITS = /[\u0660-\u0669\u06f0-\u06f9]/g

/** Text with its Arabic-Indic digits as 0 to 9 (subsidy-domain.md, 2.7); everything else stays as it is. */
export function asciiDigits(text: string): string {
  return text.replaceAll(OTHER_DIGITS, (digit) => String(digit.charCodeAt(0) & 0x0f))
}
