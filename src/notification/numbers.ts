import type { Language } from './plural.ts'

/** How digits are written: ٠١٢٣ or 0123. */
export const digitStyles = ['arab', 'latn'] as const
export type DigitStyle = (typeof digitStyles)[number]

const LEFT_TO_RIGHT_ISOLATE = '\u2066'
const POP_ISOLATE = '\u2069'
/** What a right-to-left line would tear apart: masks, Latin words. Lone numbers keep their order by themselves. */
const FLIPS = /[A-Za-z*+#/-]/
const ARABIC_LETTER = /\p{Script=Arabic}/u

/**
 * Writes the digits of a text in a style; its decimal point and thousands commas become those of the style (٫ ٬).
 * @param text digits, `.` and `,`
 */
export function inDigits(text: string, digits: DigitStyle): string {
  if (digits === 'latn') return text
  return text
    .replaceAll(/[0-9]/g, (digit) => String.fromCharCode(0x0660 + Number(digit)))
    .replaceAll('.', '\u066b')
    .replaceAll(',', '\u066c')
}

/** A whole or broken number with thousands apart: `1,234.5`; no more decimals than it has, three at most. */
export function formatNumber(value: number, digits: DigitStyle): string {
  const thousandths = Math.round(value * 1_000)
  const whole = grouped(Math.floor(thousandths / 1_000))
  const rest = String(thousandths % 1_000)
    .padStart(3, '0')
    .replace(/0+$/, '')
  return inDigits(rest === '' ? whole : `${whole}.${rest}`, digits)
}

/** An amount of money with both places: `1,234.50`. */
export function formatDecimal(piasters: number, digits: DigitStyle): string {
  const places = String(piasters % 100).padStart(2, '0')
  return inDigits(`${grouped(Math.floor(piasters / 100))}.${places}`, digits)
}

/** Keeps what reads from left to right in its order within an Arabic line. */
export function isolated(text: string, language: Language): string {
  const flips = language === 'ar' && FLIPS.test(text) && !ARABIC_LETTER.test(text.replaceAll(/[\u0660-\u0669]/g, ''))
  return flips ? `${LEFT_TO_RIGHT_ISOLATE}${text}${POP_ISOLATE}` : text
}

function grouped(whole: number): string {
  return String(whole).replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}
