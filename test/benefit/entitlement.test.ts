import t from 'tap'
import {
  drawAheadDays,
  entitlementOf,
  firstDateOf,
  isEntitled,
  isPeriodOpen,
  lastOpenDate,
  monthOfPeriod,
  periodOf,
  priceOn,
  servesOwnOnly,
} from '../../src/benefit/entitlement.ts'
import type { WalletProgramme } from '../../src/benefit/programme.ts'
import { compileProgramme } from '../../src/benefit/programme-compile.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { parseDate } from '../../src/calendar.ts'

function programme(code: string): WalletProgramme {
  const found = shippedProgrammes.map(compileProgramme).find((one) => one.code === code)
  if (found?.kind !== 'wallet') throw new RangeError(code)
  return found
}

t.test('ration goods: 50 EGP for each of the first four members, 25 beyond', async (t) => {
  const ration = programme('ration')
  const expected = new Map([
    [1, 5_000],
    [3, 15_000],
    [4, 20_000],
    [5, 22_500],
    [7, 27_500],
    [60, 160_000],
  ])
  for (const [members, piasters] of expected) t.equal(entitlementOf(ration, members), piasters, `${members} members`)
  t.equal(periodOf(ration, parseDate('2026-11-18')), 202_611)
})

t.test('bread: 5 loaves a member a day, drawn ahead by household size', async (t) => {
  const bread = programme('bread')
  t.equal(entitlementOf(bread, 4), 20)
  t.equal(periodOf(bread, parseDate('2026-11-30')), 20_261_130)
  t.same(
    [1, 3, 4, 9].map((members) => drawAheadDays(bread, members)),
    [3, 3, 2, 2],
  )
  t.equal(entitlementOf(programme('flour'), 3), 30)
  t.equal(entitlementOf(programme('points'), 9), 0, 'points come from conversion')
})

t.test('the Ramadan grant: by household and for a span that is one period', async (t) => {
  const grant = programme('ramadan-2027')
  t.same(
    [1, 2, 9].map((members) => entitlementOf(grant, members)),
    [12_500, 25_000, 25_000],
  )
  const period = periodOf(grant, parseDate('2027-03-31'))
  t.equal(period, 9_202_702)
  t.equal(periodOf(grant, parseDate('2027-02-01')), period, 'the same in all its months')
  t.equal(monthOfPeriod(period), 202_702)
  t.equal(firstDateOf(period), 20_270_201)
  t.equal(lastOpenDate(grant, period), 20_270_331)
})

t.test('a period knows its first and its last date', async (t) => {
  const ration = programme('ration')
  t.equal(firstDateOf(202_612), 20_261_201)
  t.equal(lastOpenDate(ration, 202_612), 20_261_231)
  t.equal(lastOpenDate(ration, 202_802), 20_280_229, 'a leap month')
  t.equal(firstDateOf(20_261_130), 20_261_130)
  t.equal(lastOpenDate(programme('bread'), 20_261_105), 20_261_130, 'a day stays open to the end of its month')
})

t.test('an entitlement may be for classes alone', async (t) => {
  const ration = programme('ration')
  t.equal(isEntitled(ration, []), true)
  t.equal(isEntitled({ classes: ['takaful'] }, []), false)
  t.equal(isEntitled({ classes: ['takaful'] }, ['karama', 'takaful']), true)
})

t.test('the price is that of the date', async (t) => {
  const bread = programme('bread')
  t.equal(priceOn(bread, parseDate('2024-05-31')), 5)
  t.equal(priceOn(bread, parseDate('2024-06-01')), 20)
  t.equal(priceOn(bread, parseDate('2021-12-31')), undefined, 'before any tariff')
  t.equal(priceOn(programme('ration'), parseDate('2026-11-18')), undefined)
})

t.test('a period is open until its month is over', async (t) => {
  const date = parseDate('2026-11-18')
  t.equal(isPeriodOpen(20_261_101, date), true, 'a day of this month')
  t.equal(isPeriodOpen(20_261_031, date), false)
  t.equal(isPeriodOpen(202_611, date), true)
  t.equal(isPeriodOpen(202_610, date), false)
  t.equal(isPeriodOpen(202_612, date), true)
  t.equal(isPeriodOpen(20_261_231, parseDate('2027-01-01')), false)
})

t.test('outlets serve their own governorate, but for the exceptions of a season', async (t) => {
  const { outlets } = programme('bread')
  t.equal(servesOwnOnly(outlets, 'PTS', parseDate('2024-06-14')), true)
  t.equal(servesOwnOnly(outlets, 'PTS', parseDate('2024-06-15')), false)
  t.equal(servesOwnOnly(outlets, 'PTS', parseDate('2024-09-15')), false)
  t.equal(servesOwnOnly(outlets, 'PTS', parseDate('2024-09-16')), true)
  t.equal(servesOwnOnly(outlets, 'ASN', parseDate('2024-07-01')), true, 'elsewhere')
  t.equal(servesOwnOnly({ ...outlets, issuingGovernorateOnly: false }, 'ASN', parseDate('2024-07-01')), false)
})
