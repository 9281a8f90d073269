import { addDays, type CivilDate, daysBetween } from '../../calendar.ts'
import { assert } from '../../errors.ts'

/** Parts of an acquirer reference number: the same in a correction of the file as in the file itself. */
export interface ReferenceParts {
  /** Six digits. */
  readonly acquirer: string
  /** Business date of the file that it stands in: the last digit of its year, and the day of the year. */
  readonly date: CivilDate
  /** Number of the item in its file, up to nine digits. */
  readonly number: number
}

const FORMAT_CODE = 2
/** Number of the file of its date in which an item goes out first. */
const FIRST_FILE = 1
const ITEM_MAX = 999_999_999

/**
 * The acquirer reference number of an item, 23 digits: format code, acquirer (6), date (YDDD), film locator (11: number
 * of the file and of the item in it), check digit by Luhn. The same item gets the same number whenever its file is
 * written, and the number leads back to the item.
 */
export function arnOf({ acquirer, date, number }: ReferenceParts): string {
  assert(/^\d{6}$/.test(acquirer), 'an acquirer has six digits in a reference number')
  assert(number >= 1 && number <= ITEM_MAX, 'an item has a place for its reference')
  const locator = FIRST_FILE * 1_000_000_000 + number
  const body = `${FORMAT_CODE}${acquirer}${yddd(date)}${String(locator).padStart(11, '0')}`
  return body + luhnDigit(body)
}

/**
 * The parts of a reference number of ours.
 * @param near a date near that of the item: the number has only the last digit of the year
 * @returns undefined when it is none of ours, or its check digit is wrong
 */
export function partsOfArn(arn: string, near: CivilDate): ReferenceParts | undefined {
  if (!/^2\d{22}$/.test(arn) || luhnDigit(arn.slice(0, 22)) !== arn[22]) return undefined
  const date = dateOfYddd(arn.slice(7, 11), near)
  const number = Number(arn.slice(13, 22))
  if (date === undefined || Number(arn.slice(11, 13)) !== FIRST_FILE || number === 0) return undefined
  return { acquirer: arn.slice(1, 7), date, number }
}

/** The Luhn check digit behind a text of digits. */
export function luhnDigit(digits: string): string {
  let sum = 0
  for (let index = digits.length - 1, double = true; index >= 0; index--, double = !double) {
    const digit = digits.charCodeAt(index) - 48
    sum += double ? (digit < 5 ? digit * 2 : digit * 2 - 9) : digit
  }
  return String((10 - (sum % 10)) % 10)
}

/** Day of the year, from 1. */
function dayOfYear(date: CivilDate): number {
  return daysBetween((Math.floor(date / 10_000) * 10_000 + 101) as CivilDate, date) + 1
}

/** Last digit of the year and day of the year: `6326`. */
export function yddd(date: CivilDate): string {
  return `${Math.floor(date / 10_000) % 10}${String(dayOfYear(date)).padStart(3, '0')}`
}

/** Last two digits of the year and day of the year: `26326`. */
export function yyddd(date: CivilDate): string {
  return `${String(Math.floor(date / 10_000) % 100).padStart(2, '0')}${String(dayOfYear(date)).padStart(3, '0')}`
}

/**
 * The date that YDDD, YYDDD or CCYYDDD names, the nearest one to `near` where the year is cut; undefined when there is
 * none.
 */
export function dateOfYddd(text: string, near: CivilDate): CivilDate | undefined {
  if (!/^(\d|\d\d|\d{4})\d{3}$/.test(text)) return undefined
  const day = Number(text.slice(-3))
  const cut = Number(text.slice(0, -3))
  const span = text.length === 7 ? 10_000 : 10 ** (text.length - 3)
  const nearYear = Math.floor(near / 10_000)
  const base = nearYear - (nearYear % span) + cut
  let best: CivilDate | undefined
  for (const year of span === 10_000 ? [cut] : [base - span, base, base + span]) {
    if (year < 1900 || year > 2999) continue
    const date = addDays((year * 10_000 + 101) as CivilDate, day - 1)
    if (day < 1 || Math.floor(date / 10_000) !== year) continue
    if (best === undefined || Math.abs(daysBetween(near, date)) < Math.abs(daysBetween(near, best))) best = date
  }
  return best
}
