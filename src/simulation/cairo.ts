/**
 * The calendar of Egypt as the auditor reckons it: by the rule of the law, and without the time zone tables that the
 * program goes by. Daylight time runs from the last Friday of April, 00:00, to the last Thursday of October, 24:00,
 * since 2023. Dates are yyyymmdd and months yyyymm.
 */

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const FRIDAY = 5
const THURSDAY = 4

/** Days since 1970 of a date, by Howard Hinnant's algorithm for the Gregorian calendar. */
export function dayNumber(date: number): number {
  const month = Math.floor(date / 100) % 100
  const year = Math.floor(date / 10_000) - (month <= 2 ? 1 : 0)
  const era = Math.floor(year / 400)
  const yearOfEra = year - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + (date % 100) - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

/** The date of a day number. */
function dateOfDay(day: number): number {
  const shifted = day + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const dayOfMonth = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return year * 10_000 + month * 100 + dayOfMonth
}

/** The last weekday of its kind in a month, as a day number. */
function lastOf(year: number, month: number, weekday: number): number {
  const next = month === 12 ? (year + 1) * 10_000 + 101 : year * 10_000 + (month + 1) * 100 + 1
  const last = dayNumber(next) - 1
  // Day 0 was a Thursday.
  const lastWeekday = (last + THURSDAY) % 7
  return last - ((lastWeekday - weekday + 7) % 7)
}

/** Cairo's offset from UTC at an instant. */
function offsetMs(instantMs: number): number {
  const year = Math.floor(dateOfDay(Math.floor(instantMs / DAY_MS)) / 10_000)
  const begins = lastOf(year, 4, FRIDAY) * DAY_MS - 2 * HOUR_MS
  const ends = (lastOf(year, 10, THURSDAY) + 1) * DAY_MS - 3 * HOUR_MS
  return begins <= instantMs && instantMs < ends ? 3 * HOUR_MS : 2 * HOUR_MS
}

/** Calendar day in Cairo of an instant. */
export function cairoDate(instantMs: number): number {
  return dateOfDay(Math.floor((instantMs + offsetMs(instantMs)) / DAY_MS))
}

/** Time of day in Cairo, hhmmss. */
export function cairoTime(instantMs: number): string {
  const seconds = Math.floor((((instantMs + offsetMs(instantMs)) % DAY_MS) + DAY_MS) / 1_000) % 86_400
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60]
  return parts.map((part) => String(part).padStart(2, '0')).join('')
}

/** The business day of an instant, which ends some minutes after midnight began. */
export function cairoBusinessDate(instantMs: number, cutoverMinutes: number): number {
  const localMs = instantMs + offsetMs(instantMs)
  return dateOfDay(Math.floor((localMs + DAY_MS - cutoverMinutes * 60_000) / DAY_MS))
}

/** The date so many days after. */
export function daysAfter(date: number, days: number): number {
  return dateOfDay(dayNumber(date) + days)
}

/** The days of a month. */
export function datesOf(month: number): number[] {
  const dates: number[] = []
  for (let date = month * 100 + 1; Math.floor(date / 100) === month; date = daysAfter(date, 1)) dates.push(date)
  return dates
}

/** The month after. */
export function monthAfter(month: number): number {
  return month % 100 === 12 ? month + 89 : month + 1
}

/** Midnight in Cairo of a date, as an instant. */
export function midnightOf(date: number): number {
  const utc = dayNumber(date) * DAY_MS
  const early = utc - 3 * HOUR_MS
  return early + offsetMs(early) === utc ? early : utc - 2 * HOUR_MS
}

/** DE7 of an instant: MMDDhhmmss, UTC. */
export function utcStamp(instantMs: number): string {
  const date = dateOfDay(Math.floor(instantMs / DAY_MS))
  const seconds = Math.floor((((instantMs % DAY_MS) + DAY_MS) % DAY_MS) / 1_000)
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60]
  return String(date).slice(4) + parts.map((part) => String(part).padStart(2, '0')).join('')
}
