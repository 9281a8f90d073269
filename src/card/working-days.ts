import { addDays, type CivilDate } from '../calendar.ts'

/** A holiday as it was announced: the government moves them, often at short notice. */
export interface Holiday {
  readonly date: CivilDate
  readonly name: string
  /** Date from which on it was known: what was computed before did not know it. */
  readonly announcedOn: CivilDate
  /** Date from which on it was known that the day is none after all. */
  readonly withdrawnOn?: CivilDate | undefined
}

/** Which days are worked on. */
export interface WorkingCalendar {
  isWorkingDay(date: CivilDate): boolean
}

const FRIDAY = 5
const SATURDAY = 6

/**
 * The calendar as it was known on a day: Sunday to Thursday, less the holidays announced until then. So a date that was
 * promised can be computed again later and comes out the same (subsidy-domain.md, section 3).
 */
export function workingCalendar(holidays: readonly Holiday[], asOf: CivilDate): WorkingCalendar {
  const free = new Set(
    holidays
      .filter(
        ({ announcedOn, withdrawnOn }) => announcedOn <= asOf && (withdrawnOn === undefined || withdrawnOn > asOf),
      )
      .map(({ date }) => date),
  )
  return {
    isWorkingDay(date) {
      const day = weekdayOf(date)
      return day !== FRIDAY && day !== SATURDAY && !free.has(date)
    },
  }
}

/** Longest stretch without a working day that is believed; behind it the calendar is at fault. */
const GAP_MAX = 366

/**
 * The date that lies `days` working days after a date; the date itself does not count, whether it is one or not.
 * @throws RangeError when there is no working day for a year
 */
export function addWorkingDays(from: CivilDate, days: number, calendar: WorkingCalendar): CivilDate {
  let date = from
  for (let left = days, gap = 0; left > 0; ) {
    date = addDays(date, 1)
    gap++
    if (calendar.isWorkingDay(date)) {
      left--
      gap = 0
    } else if (gap > GAP_MAX) throw new RangeError('the calendar has no working day for a year')
  }
  return date
}

/** 0 is Sunday. */
function weekdayOf(date: CivilDate): number {
  return new Date(Date.UTC(Math.floor(date / 10_000), (Math.floor(date / 100) % 100) - 1, date % 100)).getUTCDay()
}
