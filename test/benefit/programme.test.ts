import t from 'tap'
import {
  drawAheadDays,
  entitlementOf,
  isPeriodOpen,
  type Programme,
  type ProgrammeFile,
  periodOf,
  priceOn,
  programmeBook,
  shippedProgrammes,
} from '../../src/benefit/programme.ts'
import { parseDate } from '../../src/calendar.ts'

const book = programmeBook(shippedProgrammes)

function programme(code: string): Programme {
  const found = book.byCode(code)
  if (found === undefined) throw new RangeError(code)
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
  t.equal(entitlementOf(programme('points'), 9), 0, 'points come from grants')
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

t.test('a book says everything that is wrong with it', async (t) => {
  const [bread, flour] = shippedProgrammes as [ProgrammeFile, ProgrammeFile]
  const faults: [string, Partial<ProgrammeFile>, RegExp][] = [
    ['number', { number: 100 }, /number must be 1 to 99/],
    ['unit', { unit: 'LITRE' }, /unit must be EGP, LOAF or KG/],
    ['period', { period: 'week' }, /period must be day or month/],
    ['account code', { accountCode: '9' }, /accountCode must be two digits/],
    ['no tariff', { tariff: [] }, /a counted unit needs a tariff/],
    ['a price of nothing', { tariff: [{ from: '2024-01-01', piasters: 0 }] }, /a price must be positive/],
    ['exclusive with nobody', { exclusiveWith: 'cake' }, /exclusiveWith names no programme/],
  ]
  for (const [what, change, message] of faults) {
    t.throws(() => programmeBook([{ ...bread, ...change }, flour]), { code: 'CONFIG_INVALID', message }, what)
  }
  const twice = () => programmeBook([bread, flour, { ...bread, exclusiveWith: 'flour' }])
  t.throws(twice, { message: /code bread is used twice.*number 1 is used twice.*accountCode 92 is used twice/ })
  t.equal(book.byAccountCode('92'), book.byCode('bread'))
  t.equal(book.byCode('cake'), undefined)
})
