import { assert } from './errors.ts'
import { DAY_MS, HOUR_MS } from './time-units.ts'

/**
 * Dates of a transaction (subsidy-domain.md, section 3). An instant is milliseconds since 1970 UTC. A civil date is the
 * calendar day in Africa/Cairo as the integer yyyymmdd; a civil month is yyyymm. The business date is the civil date
 * moved by the cutover. Cairo keeps daylight time, so days of 23 and 25 hours exist.
 */
export type CivilDate = number & { readonly __unit: 'yyyymmdd' }
export type CivilMonth = number & { readonly __unit: 'yyyymm' }

/** The one source of time; injected, so that a simulation or a test can own it. */
export interface Clock {
  /** Milliseconds since 1970 UTC. */
  now(): number
}

const cairoFormat = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
  timeZone: 'Africa/Cairo',
  hourCycle: 'h23',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
})

/** Offsets by UTC hour: Cairo's changes fall on whole hours, so one look-up per hour is enough. Bounded. */
const offsetByHour = new Map<number, number>()
const OFFSET_CACHE_MAX = 4_096

/** Cairo's offset from UTC at an instant, in milliseconds (2 or 3 hours). */
export function cairoOffsetMs(instantMs: number): number {
  const hour = Math.floor(instantMs / HOUR_MS)
  const cached = offsetByHour.get(hour)
  if (cached !== undefined) return cached
  const parts: Record<string, string> = {}
  for (const part of cairoFormat.formatToParts(hour * HOUR_MS)) parts[part.type] = part.value
  const local = Date.UTC(Number(parts.year), Number(parts.month) - 1, Number(parts.day), Number(parts.hour))
  const offset = local - hour * HOUR_MS
  if (offsetByHour.size >= OFFSET_CACHE_MAX) offsetByHour.clear()
  offsetByHour.set(hour, offset)
  return offset
}

/** Civil date in Cairo of an instant. */
export function civilDate(instantMs: number): CivilDate {
  return dateOfDays(Math.floor((instantMs + cairoOffsetMs(instantMs)) / DAY_MS))
}

/**
 * Business date of an instant: transactions from the cutover on belong to the next day.
 * @param cutoverMinutes minutes after Cairo midnight at which the business day ends (22:30 = 1350)
 */
export function businessDate(instantMs: number, cutoverMinutes: number): CivilDate {
  const localMs = instantMs + cairoOffsetMs(instantMs)
  return dateOfDays(Math.floor((localMs + DAY_MS - cutoverMinutes * 60_000) / DAY_MS))
}

/**
 * The instant at which a business date ends by the clock, in milliseconds since 1970 UTC.
 * @param cutoverMinutes not within an hour that a change of the clocks leaves out or repeats
 */
export function businessDayEnd(date: CivilDate, cutoverMinutes: number): number {
  const local = daysOfDate(date) * DAY_MS + cutoverMinutes * 60_000
  return local - cairoOffsetMs(local - 2 * HOUR_MS)
}

/**
 * Business date of what happens at an instant where days before `openDate` are closed: a day that was closed early goes
 * on as the next, whatever the clock says, and a clock that is behind reopens none.
 */
export function openBusinessDate(instantMs: number, cutoverMinutes: number, openDate: CivilDate): CivilDate {
  const byClock = businessDate(instantMs, cutoverMinutes)
  return byClock < openDate ? openDate : byClock
}

/** Cairo wall clock of an instant as `{ date: yyyymmdd, time: 'hhmmss' }` (DE12/DE13, programme hours). */
export function civilTime(instantMs: number): { date: CivilDate; time: string } {
  const local = new Date(instantMs + cairoOffsetMs(instantMs))
  const two = (value: number) => String(value).padStart(2, '0')
  return {
    date: civilDate(instantMs),
    time: `${two(local.getUTCHours())}${two(local.getUTCMinutes())}${two(local.getUTCSeconds())}`,
  }
}

/** `22:30` as minutes after midnight. */
export function minutesOfTime(text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
}

/** Minute of the Cairo day at an instant, 0 to 1,439. */
export function civilMinute(instantMs: number): number {
  return Math.floor(((instantMs + cairoOffsetMs(instantMs)) % DAY_MS) / 60_000)
}

/**
 * The instant at which a clock in Cairo shows MMDDhhmmss (DE13 and DE12), nearest to a reference instant. Of the hour
 * that comes twice in October it is the later one.
 * @returns milliseconds since 1970 UTC, or undefined when the digits are not a date and time
 */
export function civilInstant(text: string, nearMs: number): number | undefined {
  const local = readTransmission(text, nearMs + cairoOffsetMs(nearMs))
  if (local === undefined) return undefined
  const winter = local - 2 * HOUR_MS
  return cairoOffsetMs(winter) === 2 * HOUR_MS ? winter : local - 3 * HOUR_MS
}

/** Month of a civil date. */
export function monthOf(date: CivilDate): CivilMonth {
  return Math.floor(date / 100) as CivilMonth
}

/** The month before. */
export function previousMonth(month: CivilMonth): CivilMonth {
  return (month % 100 === 1 ? month - 89 : month - 1) as CivilMonth
}

/** First day of a month. */
export function firstDay(month: CivilMonth): CivilDate {
  return (month * 100 + 1) as CivilDate
}

/** The month after. */
export function nextMonth(month: CivilMonth): CivilMonth {
  return (month % 100 === 12 ? month + 89 : month + 1) as CivilMonth
}

/** The date `days` after (or before, if negative). */
export function addDays(date: CivilDate, days: number): CivilDate {
  return dateOfDays(daysOfDate(date) + days)
}

/** The days of a month, in order. */
export function daysOfMonth(month: CivilMonth): CivilDate[] {
  const days: CivilDate[] = []
  for (let day = firstDay(month); monthOf(day) === month; day = addDays(day, 1)) days.push(day)
  return days
}

/** Whole days from `from` to `to`. */
export function daysBetween(from: CivilDate, to: CivilDate): number {
  return daysOfDate(to) - daysOfDate(from)
}

/** First and last date that is taken and kept anywhere; the checks of `schemas/sql/0010-master-data.sql` say the same. */
const FIRST_DATE = 19000101
const LAST_DATE = 29991231

/** How a date has to be given, in words: "must be …". */
export const DATE_FORM = 'a date that exists, written yyyy-mm-dd, from 1900-01-01 to 2999-12-31'

/** Checks an integer as a civil date that exists. */
export function isCivilDate(value: number): value is CivilDate {
  if (!Number.isInteger(value) || value < FIRST_DATE || value > LAST_DATE) return false
  return dateOfDays(daysOfDate(value as CivilDate)) === value
}

/** `20261121` → `2026-11-21`. */
export function formatDate(date: CivilDate): string {
  const text = String(date)
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}`
}

/**
 * `2026-11-21` → `20261121`, of a text that may be anything: the one rule for dates wherever they come in.
 * @returns undefined when it is not {@link DATE_FORM}
 */
export function readDate(text: string): CivilDate | undefined {
  const value = Number(text.replaceAll('-', ''))
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && isCivilDate(value) ? value : undefined
}

/** As {@link readDate}, of a text that was checked when it came in: asserts that the date exists. */
export function parseDate(text: string): CivilDate {
  const date = readDate(text)
  assert(date !== undefined, `a date must be ${DATE_FORM}`)
  return date
}

function daysOfDate(date: CivilDate): number {
  return Date.UTC(Math.floor(date / 10_000), (Math.floor(date / 100) % 100) - 1, date % 100) / DAY_MS
}

let memoDays = Number.NaN
let memoDate = 0 as CivilDate

function dateOfDays(days: number): CivilDate {
  if (days === memoDays) return memoDate
  const date = new Date(days * DAY_MS)
  memoDays = days
  memoDate = (date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate()) as CivilDate
  return memoDate
}

/**
 * The instant that a DE7 (MMDDhhmmss, UTC) names, nearest to a reference instant: DE7 carries no year.
 * @returns milliseconds since 1970 UTC, or undefined when the digits are not a date and time
 */
export function transmissionInstant(de7: string, nearMs: number): number | undefined {
  const nearDay = Math.floor(nearMs / DAY_MS)
  if (de7 !== memoDe7 || nearDay !== memoNearDay) {
    memoInstant = readTransmission(de7, nearMs)
    memoDe7 = de7
    memoNearDay = nearDay
  }
  return memoInstant
}

/** A busy switch reads the same second thousands of times. */
let memoDe7 = ''
let memoNearDay = 0
let memoInstant: number | undefined

function readTransmission(de7: string, nearMs: number): number | undefined {
  if (!/^\d{10}$/.test(de7)) return undefined
  const month = Number(de7.slice(0, 2))
  const day = Number(de7.slice(2, 4))
  const hour = Number(de7.slice(4, 6))
  const minute = Number(de7.slice(6, 8))
  const second = Number(de7.slice(8, 10))
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return undefined
  const year = new Date(nearMs).getUTCFullYear()
  let best: number | undefined
  for (const candidateYear of [year - 1, year, year + 1]) {
    const candidate = Date.UTC(candidateYear, month - 1, day, hour, minute, second)
    if (new Date(candidate).getUTCDate() !== day) continue
    if (best === undefined || Math.abs(candidate - nearMs) < Math.abs(best - nearMs)) best = candidate
  }
  return best
}
