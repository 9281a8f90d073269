import { addDays, type CivilDate, daysBetween } from '../../calendar.ts'
import type { BreakType } from './breaks.ts'

/** Age buckets: the first day and the last of each, in days since it was opened. */
export const ageBuckets = ['0-1', '2-3', '4-7', '8-30', '>30'] as const
export type AgeBucket = (typeof ageBuckets)[number]

const FIRST_DAYS = [0, 2, 4, 8, 31] as const
/** Behind so many days the calendar is not asked any more: all of it is older than a month of banking days. */
const LOOK_BACK_MAX = 120

/** Which days banks work on. */
export interface BankingDays {
  isBankingDay(date: CivilDate): boolean
}

/** The bucket of an age in days. */
export function ageBucketOf(days: number): AgeBucket {
  const index = FIRST_DAYS.findLastIndex((first) => days >= first)
  return ageBuckets[Math.max(index, 0)] ?? '0-1'
}

/** Banking days after `from` up to and including `to`; 0 when `to` is not later. */
function bankingDaysBetween(from: CivilDate, to: CivilDate, days: BankingDays): number {
  let count = 0
  for (let date = addDays(from, 1); date <= to && count <= LOOK_BACK_MAX; date = addDays(date, 1)) {
    if (days.isBankingDay(date)) count++
  }
  return count
}

/** Age of an exception on a date, in the days that its break counts in. */
export function ageOf(
  openedOn: CivilDate,
  today: CivilDate,
  { count }: Pick<BreakType, 'count'>,
  days: BankingDays,
): number {
  if (today <= openedOn) return 0
  return count === 'banking' ? bankingDaysBetween(openedOn, today, days) : daysBetween(openedOn, today)
}

/** Dates of opening that lie in a bucket, for a search: from the first to the last; undefined = without bound. */
export interface OpenedRange {
  readonly from: CivilDate | undefined
  readonly to: CivilDate | undefined
}

/** The dates on which what is in a bucket today was opened, by banking days or by days of the calendar. */
export function openedWithin(
  bucket: AgeBucket,
  today: CivilDate,
  count: BreakType['count'],
  days: BankingDays,
): OpenedRange {
  const index = ageBuckets.indexOf(bucket)
  const next = FIRST_DAYS[index + 1]
  const to = index === 0 ? undefined : lastWithAge(FIRST_DAYS[index] ?? 0, today, count, days)
  const before = next === undefined ? undefined : lastWithAge(next, today, count, days)
  return { from: before === undefined ? undefined : addDays(before, 1), to }
}

/** The last date whose age is at least `age`. */
function lastWithAge(age: number, today: CivilDate, count: BreakType['count'], days: BankingDays): CivilDate {
  if (count === 'calendar') return addDays(today, -age)
  let date = today
  for (let left = age, looked = 0; left > 0 && looked < LOOK_BACK_MAX; looked++) {
    if (days.isBankingDay(date)) left--
    date = addDays(date, -1)
  }
  return date
}
