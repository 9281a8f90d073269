import fc from 'fast-check'
import t from 'tap'
import type { SettlementStep } from '../../src/benefit/programme.ts'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { addDays, type CivilDate } from '../../src/calendar.ts'
import { endToEndIdOf, messageIdOf } from '../../src/clearing/settlement/identifiers.ts'
import {
  cycleOf,
  holdbackOf,
  type PayoutCycleRule,
  paysWithin,
  weekdayOf,
} from '../../src/clearing/settlement/payout-cycle.ts'
import { payableByStep, payableOf, settlementStepOn } from '../../src/clearing/settlement/tariff.ts'

const day = (value: number) => value as CivilDate
const step = (from: number, fuel: string | undefined, piastersPerUnit: number): SettlementStep => ({
  from: day(from),
  outletCategory: 'bakery',
  fuel,
  piastersPerUnit,
  permilleOfValue: undefined,
})

t.test('a tariff is that of the date, and of the outlet’s fuel before that of every fuel', async (t) => {
  const settlement = [
    step(20240601, undefined, 105),
    step(20250101, 'diesel', 110),
    step(20250601, undefined, 115),
    step(20260101, 'diesel', 120),
  ]
  const at = (date: number, fuel: string | undefined) =>
    settlementStepOn({ settlement }, { category: 'bakery', fuel }, day(date))?.piastersPerUnit
  t.same([at(20240531, 'diesel'), at(20240601, 'diesel'), at(20250101, 'diesel')], [undefined, 105, 110])
  t.same([at(20250601, 'diesel'), at(20251231, 'diesel'), at(20260101, 'diesel')], [110, 110, 120])
  t.same([at(20250601, 'gas'), at(20260101, undefined)], [115, 115])
  t.equal(settlementStepOn({ settlement }, { category: 'grocer', fuel: 'gas' }, day(20260101)), undefined)
})

t.test('payables of the shipped programmes name their version', async (t) => {
  const catalogue = programmeCatalogue(shippedProgrammes)
  const bakery = { category: 'bakery', fuel: 'gas' } as const
  const bread = payableOf(catalogue, bakery, { programme: 1, entitlementDate: day(20261118), quantity: 8_700n })
  t.match(bread, { code: 'bread', version: 1, payablePiasters: 913_500n, coPaymentPiasters: 174_000n })
  const before = payableOf(catalogue, bakery, { programme: 1, entitlementDate: day(20240531), quantity: 10n })
  t.match(before, { step: undefined, payablePiasters: 0n, coPaymentPiasters: 50n }, 'no tariff: nothing is payable')
  t.equal(payableOf(catalogue, bakery, { programme: 98, entitlementDate: day(20261118), quantity: 1n }), undefined)
})

t.test('units are paid exactly, value to the nearest piaster and the same both ways', async (t) => {
  const quantities = fc.bigInt({ min: -(10n ** 14n), max: 10n ** 14n })
  fc.assert(
    fc.property(quantities, quantities, fc.integer({ min: 0, max: 10_000 }), (a, b, rate) => {
      const unit = { piastersPerUnit: rate, permilleOfValue: undefined }
      const value = { piastersPerUnit: undefined, permilleOfValue: rate }
      // By unit, payables of parts add up to the payable of the whole.
      if (payableByStep(unit, a) + payableByStep(unit, b) !== payableByStep(unit, a + b)) return false
      const paid = payableByStep(value, a)
      const off = paid * 1_000n - a * BigInt(rate)
      return off <= 500n && off >= -500n && payableByStep(value, -a) === -paid
    }),
  )
  t.equal(payableByStep({ piastersPerUnit: undefined, permilleOfValue: 1_000 }, 12_345n), 12_345n)
  t.same(
    [1n, 3n, -1n].map((quantity) => payableByStep({ piastersPerUnit: undefined, permilleOfValue: 500 }, quantity)),
    [1n, 2n, -1n],
  )
})

t.test('cycles pay on their days, also when a run covers several dates', async (t) => {
  t.same(
    [20261121, 20261122, 20261127].map((date) => weekdayOf(day(date))),
    [6, 0, 5],
  )
  const weekly = { frequency: 'weekly', day: 4 } as const
  t.same(
    [20261118, 20261119, 20261120].map((date) => paysWithin(weekly, day(date), day(date))),
    [false, true, false],
  )
  t.ok(paysWithin(weekly, day(20261117), day(20261121)))
  const monthly = { frequency: 'monthly', day: 31 } as const
  t.ok(paysWithin(monthly, day(20270228), day(20270228)), 'the last day of a shorter month')
  t.notOk(paysWithin(monthly, day(20280228), day(20280228)), 'a leap year')
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 1, max: 31 }), (offset, dayOfMonth) => {
      const from = addDays(day(20250101), offset)
      let paid = 0
      for (let n = 0; n < 366; n++) {
        const date = addDays(from, n)
        if (paysWithin({ frequency: 'monthly', day: dayOfMonth }, date, date)) paid++
      }
      return paid === 12 || paid === 13
    }),
    { numRuns: 20 },
  )
})

t.test('the rule of a governorate goes before that of all, and the default pays each day', async (t) => {
  const rule = { category: 'grocer', frequency: 'weekly', day: 0, holdbackPermille: 50, releaseDays: 30 } as const
  const rules: PayoutCycleRule[] = [
    { ...rule, governorate: '', wholesaler: 1 },
    { ...rule, governorate: 'PTS', wholesaler: 2 },
  ]
  t.equal(cycleOf(rules, { category: 'grocer', governorate: 'PTS' }).wholesaler, 2)
  t.equal(cycleOf(rules, { category: 'grocer', governorate: 'LX' }).wholesaler, 1)
  t.same(cycleOf(rules, { category: 'bakery', governorate: 'LX' }).frequency, 'daily')
})

t.test('what is held back is never more than its share, nor than there is', async () => {
  const sums = fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n })
  fc.assert(
    fc.property(
      sums,
      sums,
      fc.integer({ min: 0, max: 500 }),
      (purchasesPiasters, subsidyPiasters, holdbackPermille) => {
        const held = holdbackOf({ holdbackPermille }, { purchasesPiasters, subsidyPiasters })
        const gross = purchasesPiasters + subsidyPiasters
        const sum = held.purchasesPiasters + held.subsidyPiasters
        if (held.purchasesPiasters < 0n || held.subsidyPiasters < 0n) return false
        if (gross <= 0n) return sum === 0n
        return (
          sum === (gross * BigInt(holdbackPermille)) / 1_000n &&
          held.subsidyPiasters <= (subsidyPiasters > 0n ? subsidyPiasters : 0n)
        )
      },
    ),
  )
})

t.test('ids fit their messages and tell instructions apart', async (t) => {
  const run = { businessDate: day(20261121), cycle: 99 }
  const id = endToEndIdOf(run, 'repayment', { kind: 'outlet', number: 99_999_999_999 }, 99)
  t.equal(id, 'UC-20261121-99-RO-99999999999-99')
  t.ok(id.length <= 35)
  t.equal(messageIdOf(run, 'PAY', 'ABCDEFGHIJK'), 'UC-PAY-ABCDEFGHIJK-20261121-99')
})
