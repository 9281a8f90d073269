import t from 'tap'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { parseDate } from '../../src/calendar.ts'

const catalogue = programmeCatalogue(shippedProgrammes)

t.test('a book holds what decides on its date', async (t) => {
  const book = catalogue.on(parseDate('2026-11-18'))
  const codes = (programmes: readonly { code: string }[]) => programmes.map(({ code }) => code)
  t.same(codes(book.wallets), ['bread', 'flour', 'points', 'ration', 'grants'])
  t.same(codes(book.all).slice(5), ['health', 'pension', 'utility-bill'])
  t.equal(catalogue.on(parseDate('2026-11-18')), book, 'made once')
  t.equal(book.byAccountCode('92'), book.byCode('bread'))
  t.equal(book.byAccountCode('96'), book.cover())
  t.equal(book.byAccountCode('97'), undefined)
  t.equal(book.byNumber(4), book.wallet('ration'))
  t.equal(book.wallet('health'), undefined, 'a cover is no wallet')
  t.same(
    (['bakery', 'grocer', 'depot', 'health', 'shop'] as const).map((category) => book.defaultFor(category)?.code),
    ['bread', 'ration', 'flour', 'health', undefined],
  )
  t.same(codes(book.payments), ['utility-bill'])
  t.same(codes(catalogue.on(parseDate('2021-12-31')).all), [])
})

t.test('grants share an account code; those that end first come first', async (t) => {
  const codes = (date: string) =>
    catalogue
      .on(parseDate(date))
      .walletsByAccountCode('95')
      .map(({ code }) => code)
  t.same(codes('2027-01-31'), ['grants'])
  t.same(codes('2027-02-01'), ['grants', 'ramadan-2027'])
  t.same(codes('2027-03-31'), ['grants', 'ramadan-2027'])
  t.same(codes('2027-04-01'), ['grants'], 'a span ends by itself')
})

t.test('the version with the latest date that has come decides', async (t) => {
  const [bread] = shippedProgrammes
  if (bread?.kind !== 'wallet') throw new RangeError('bread ships first')
  const second = { ...bread, version: 2, effectiveFrom: '2026-12-01', tariff: [{ from: '2026-12-01', piasters: 25 }] }
  const two = programmeCatalogue([second, ...shippedProgrammes])
  t.equal(two.on(parseDate('2026-11-30')).byCode('bread')?.version, 1)
  t.equal(two.on(parseDate('2026-12-01')).byCode('bread')?.version, 2)
  const ended = programmeCatalogue([...shippedProgrammes, { ...second, effectiveTo: '2026-12-24' }])
  t.equal(ended.on(parseDate('2026-12-24')).byCode('bread')?.version, 2)
  t.equal(ended.on(parseDate('2026-12-25')).byCode('bread'), undefined, 'ended, and the first does not come back')
})
