import { addDays, type CivilDate } from '../../calendar.ts'
import { addWorkingDays, type Holiday, type WorkingCalendar, workingCalendar } from '../../card/working-days.ts'

/** Days: a calendar without a banking day for so long is wrong. */
const LOOK_BACK_MAX = 366

/** Which days banks move money on. */
export interface BankingCalendar {
  isBankingDay(date: CivilDate): boolean
}

/**
 * The banking days as they were known on a day: Sunday to Thursday, less public and bank-only holidays that were
 * announced until then (subsidy-domain.md, section 3). What was computed on a date comes out the same ever after.
 * @param holidays public ones and those of banks only
 */
export function bankingCalendar(holidays: readonly Holiday[], asOf: CivilDate): BankingCalendar {
  const { isWorkingDay } = workingCalendar(holidays, asOf)
  return { isBankingDay: isWorkingDay }
}

/**
 * The first banking day after a date.
 * @throws RangeError when there is none for a year
 */
export function nextBankingDay(date: CivilDate, calendar: BankingCalendar): CivilDate {
  return addWorkingDays(date, 1, asWorking(calendar))
}

/**
 * The date from which on money of a business date can be moved: the first banking day after the day's cutover, for
 * banks are closed in the evening.
 * @throws RangeError when there is no banking day for a year
 */
export function valueDateOf(businessDate: CivilDate, calendar: BankingCalendar): CivilDate {
  return nextBankingDay(businessDate, calendar)
}

/**
 * The last banking day before a date.
 * @throws RangeError when there is none for a year
 */
export function previousBankingDay(date: CivilDate, { isBankingDay }: BankingCalendar): CivilDate {
  for (let back = 1; back <= LOOK_BACK_MAX; back++) {
    const before = addDays(date, -back)
    if (isBankingDay(before)) return before
  }
  throw new RangeError('no banking day in a year')
}

function asWorking({ isBankingDay }: BankingCalendar): WorkingCalendar {
  return { isWorkingDay: isBankingDay }
}
