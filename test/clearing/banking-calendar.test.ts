import fc from 'fast-check'
import { test } from 'tap'
import { addDays, businessDate, businessDayEnd, type CivilDate, openBusinessDate } from '../../src/calendar.ts'
import type { Holiday } from '../../src/card/working-days.ts'
import {
  bankingCalendar,
  nextBankingDay,
  previousBankingDay,
  valueDateOf,
} from '../../src/clearing/day/banking-calendar.ts'

const CUTOVER_MINUTES = 1_350
const HOUR_MS = 3_600_000
const day = (value: number) => value as CivilDate
const holiday = (date: number, announcedOn: number, withdrawnOn?: number): Holiday => ({
  date: day(date),
  name: 'holiday',
  announcedOn: day(announcedOn),
  ...(withdrawnOn === undefined ? {} : { withdrawnOn: day(withdrawnOn) }),
})

test('business dates end at the cutover, also where the clocks change and months end', (t) => {
  const ends: readonly (readonly [number, string, number])[] = [
    [20260423, '2026-04-23T20:30:00Z', 24],
    // The last Friday of April has 23 hours.
    [20260424, '2026-04-24T19:30:00Z', 23],
    // The last Thursday of October ends at midnight, an hour late: after its cutover.
    [20261029, '2026-10-29T19:30:00Z', 24],
    [20261030, '2026-10-30T20:30:00Z', 25],
    [20260228, '2026-02-28T20:30:00Z', 24],
    [20261231, '2026-12-31T20:30:00Z', 24],
  ]
  for (const [date, end, hours] of ends) {
    const endMs = businessDayEnd(day(date), CUTOVER_MINUTES)
    t.equal(new Date(endMs).toISOString(), new Date(end).toISOString(), `${date}`)
    t.equal((endMs - businessDayEnd(addDays(day(date), -1), CUTOVER_MINUTES)) / HOUR_MS, hours, `hours of ${date}`)
  }
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3_650 }), fc.integer({ min: 60, max: 1_379 }), (offset, cutover) => {
      const date = addDays(day(20240101), offset)
      const endMs = businessDayEnd(date, cutover)
      return businessDate(endMs - 1, cutover) === date && businessDate(endMs, cutover) === addDays(date, 1)
    }),
  )
  t.end()
})

test('a day that was closed early goes on as the next, and no clock reopens one', (t) => {
  const nowMs = Date.parse('2026-11-22T19:00:00Z')
  t.equal(openBusinessDate(nowMs, CUTOVER_MINUTES, day(20000101)), 20261122)
  t.equal(openBusinessDate(nowMs, CUTOVER_MINUTES, day(20261123)), 20261123)
  t.equal(openBusinessDate(nowMs + 2 * HOUR_MS, CUTOVER_MINUTES, day(20261123)), 20261123)
  t.equal(openBusinessDate(nowMs + 48 * HOUR_MS, CUTOVER_MINUTES, day(20261123)), 20261124)
  t.end()
})

test('Thursday to Saturday after the cutover of the day before move on Sunday', (t) => {
  const calendar = bankingCalendar([], day(20261122))
  // Business dates Thursday 19 to Monday 23 November 2026.
  t.strictSame(
    [20261119, 20261120, 20261121, 20261122, 20261123].map((date) => valueDateOf(day(date), calendar)),
    [20261122, 20261122, 20261122, 20261123, 20261124],
  )
  t.end()
})

test('a chain of holidays from Thursday to Sunday, bank holidays, and days announced or withdrawn later', (t) => {
  // Thursday 19 and Sunday 22 November are holidays: Wednesday's money moves on Monday.
  const chain = [holiday(20261119, 20261101), holiday(20261122, 20261115)]
  const calendar = bankingCalendar(chain, day(20261118))
  t.equal(nextBankingDay(day(20261118), calendar), 20261123)
  t.equal(nextBankingDay(day(20261118), bankingCalendar(chain, day(20261110))), 20261122, 'before Sunday was announced')
  const withdrawn = [...chain.slice(0, 1), holiday(20261122, 20261115, 20261118)]
  t.equal(nextBankingDay(day(20261118), bankingCalendar(withdrawn, day(20261118))), 20261122)
  t.equal(nextBankingDay(day(20261118), bankingCalendar(withdrawn, day(20261117))), 20261123)
  // Across the end of a year and of a month.
  const newYear = bankingCalendar([holiday(20270101, 20261201), holiday(20270103, 20261201)], day(20261231))
  t.equal(nextBankingDay(day(20261231), newYear), 20270104)
  t.equal(previousBankingDay(day(20261123), calendar), 20261118)
  t.equal(previousBankingDay(day(20261118), calendar), 20261117)
  for (const find of [nextBankingDay, previousBankingDay]) {
    t.throws(() => find(day(20261101), { isBankingDay: () => false }), RangeError)
  }
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 800 }), (offset) => {
      const date = addDays(day(20260101), offset)
      const next = nextBankingDay(date, calendar)
      return next > date && calendar.isBankingDay(next)
    }),
  )
  t.end()
})
