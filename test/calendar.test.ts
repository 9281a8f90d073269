import fc from 'fast-check'
import t from 'tap'
import {
  addDays,
  businessDate,
  type CivilDate,
  type CivilMonth,
  cairoOffsetMs,
  civilDate,
  civilTime,
  daysBetween,
  formatDate,
  isCivilDate,
  monthOf,
  nextMonth,
  parseDate,
  transmissionInstant,
} from '../src/calendar.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const CUTOVER = 1_350

t.test('Cairo is two hours ahead in winter and three in summer', async (t) => {
  t.equal(cairoOffsetMs(Date.UTC(2026, 0, 15)), 2 * HOUR_MS)
  t.equal(cairoOffsetMs(Date.UTC(2026, 6, 15)), 3 * HOUR_MS)
  t.equal(civilDate(Date.UTC(2026, 0, 15, 22)), 20_260_116)
  t.equal(civilDate(Date.UTC(2026, 0, 15, 21, 59, 59, 999)), 20_260_115)
  t.equal(civilDate(Date.UTC(2026, 6, 15, 21)), 20_260_716)
})

/** Daylight time: from the last Friday of April, 00:00, to the last Thursday of October, 24:00. */
t.test('days of 23 and 25 hours', async (t) => {
  const hoursOf = (date: CivilDate) => {
    const noonMs = Date.UTC(Math.floor(date / 10_000), (Math.floor(date / 100) % 100) - 1, date % 100, 10)
    let hours = 0
    for (let hour = -24; hour <= 24; hour++) if (civilDate(noonMs + hour * HOUR_MS) === date) hours++
    return hours
  }
  t.equal(hoursOf(parseDate('2026-04-24')), 23)
  t.equal(hoursOf(parseDate('2026-10-29')), 25)
  t.equal(hoursOf(parseDate('2026-11-18')), 24)
  t.same(
    civilTime(Date.UTC(2026, 3, 23, 22)),
    { date: 20_260_424, time: '010000' },
    'the hour from 0 to 1 does not exist',
  )
  t.equal(civilTime(Date.UTC(2026, 3, 23, 21, 59, 59)).time, '235959')
})

t.test('the business date turns at the cutover', async (t) => {
  const cutoverMs = Date.UTC(2026, 10, 18, 20, 30)
  t.equal(businessDate(cutoverMs - 1, CUTOVER), 20_261_118)
  t.equal(businessDate(cutoverMs, CUTOVER), 20_261_119)
  t.equal(businessDate(cutoverMs + 2 * HOUR_MS, CUTOVER), 20_261_119, 'midnight changes nothing')
  t.equal(businessDate(Date.UTC(2026, 11, 31, 20, 30), CUTOVER), 20_270_101)
  t.equal(businessDate(Date.UTC(2026, 6, 15, 19, 30), CUTOVER), 20_260_716, 'by the clock on the wall in summer too')
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2030, 0, 1) }), (instantMs) => {
      const lead = daysBetween(civilDate(instantMs), businessDate(instantMs, CUTOVER))
      const later = businessDate(instantMs + MINUTE_MS, CUTOVER)
      return (lead === 0 || lead === 1) && later >= businessDate(instantMs, CUTOVER)
    }),
  )
})

t.test('dates add, subtract and print', async (t) => {
  t.equal(addDays(parseDate('2026-12-31'), 1), 20_270_101)
  t.equal(addDays(parseDate('2028-03-01'), -1), 20_280_229)
  t.equal(monthOf(parseDate('2026-11-18')), 202_611)
  t.equal(nextMonth(202_612 as CivilMonth), 202_701)
  t.equal(nextMonth(202_611 as CivilMonth), 202_612)
  t.equal(isCivilDate(20_260_229), false)
  t.equal(isCivilDate(20_260_431), false)
  t.equal(isCivilDate(20_280_229), true)
  for (const text of ['2026-2-1', '20260201', '2026-02-30', '']) {
    t.throws(() => parseDate(text), { code: 'ASSERTION_FAILED' }, JSON.stringify(text))
  }
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: -5_000, max: 5_000 }), (start, days) => {
      const date = addDays(parseDate('1950-01-01'), start)
      const moved = addDays(date, days)
      return isCivilDate(moved) && daysBetween(date, moved) === days && parseDate(formatDate(moved)) === moved
    }),
  )
})

t.test('a DE7 is the nearest instant that its digits can mean', async (t) => {
  const newYear = Date.UTC(2027, 0, 1, 0, 0, 5)
  t.equal(transmissionInstant('1231235959', newYear), Date.UTC(2026, 11, 31, 23, 59, 59))
  t.equal(transmissionInstant('0101000001', newYear - 10_000), Date.UTC(2027, 0, 1, 0, 0, 1))
  t.equal(transmissionInstant('0229120000', Date.UTC(2027, 1, 1)), Date.UTC(2028, 1, 29, 12), 'only leap years have it')
  t.equal(transmissionInstant('0229120000', Date.UTC(2026, 1, 1)), undefined, 'and none is near')
  for (const text of [
    '1301000000',
    '0032000000',
    '0101240000',
    '0101006000',
    '0101000060',
    '0431000000',
    '',
    '01010000',
  ]) {
    t.equal(transmissionInstant(text, newYear), undefined, JSON.stringify(text))
  }
  fc.assert(
    fc.property(
      fc.integer({ min: Date.UTC(2025, 0, 1), max: Date.UTC(2029, 0, 1) }),
      fc.nat(100),
      (instantMs, days) => {
        const wholeMs = Math.floor(instantMs / 1_000) * 1_000
        const text = new Date(wholeMs).toISOString().replaceAll(/\D/g, '').slice(4, 14)
        return transmissionInstant(text, wholeMs + days * 24 * HOUR_MS) === wholeMs
      },
    ),
  )
})
