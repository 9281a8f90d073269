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
import { planSettlement } from '../../src/clearing/settlement/plan.ts'
import type { PlanInput, PlanOutlet } from '../../src/clearing/settlement/plan-parts.ts'
import { payableByStep, payableOf, settlementStepOn } from '../../src/clearing/settlement/tariff.ts'
import { moneyAccount } from '../../src/ledger/accounts.ts'

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

const SUNDAY = day(20261122)
const plain: PlanInput = {
  ...{ from: SUNDAY, to: SUNDAY, banks: [{ number: 1, code: 'BANK' }], institutions: [], cycles: [] },
  ...{ openings: new Map(), added: new Map(), released: new Map(), outlets: [], failed: [] },
}
const outlet = (id: number, more: Partial<PlanOutlet> = {}): PlanOutlet => ({
  ...{ id, name: `outlet ${id}`, category: 'grocer', governorate: 'PTS', bankCode: 'BANK', account: `A${id}` },
  ...{ isSuspended: false },
  ...more,
})

t.test('what was released from a holdback waits for the day of the payout, and is not held back again', async (t) => {
  const weekly: PayoutCycleRule = {
    ...{ category: 'grocer', governorate: '', frequency: 'weekly', day: 1 },
    ...{ holdbackPermille: 100, releaseDays: 3, wholesaler: undefined },
  }
  const account = moneyAccount('subsidyPayable', 7)
  const input = { ...plain, cycles: [weekly], outlets: [outlet(7)] }
  const sunday = planSettlement({ ...input, released: new Map([[7, 500n]]), added: new Map([[account, 1_000n]]) })
  t.match(sunday.dues, [{ account, closing: 1_500n, freed: 500n, note: 'cycle' }])
  const [left] = sunday.dues
  const openings = new Map([[account, { piasters: left?.closing ?? 0n, freed: left?.freed ?? 0n }]])
  const monday = { ...input, from: addDays(SUNDAY, 1), to: addDays(SUNDAY, 1) }
  const paid = planSettlement({ ...monday, openings, released: new Map([[7, 40n]]) })
  t.match(paid.dues, [{ account, held: 100n, instructed: 1_440n, closing: 0n, freed: 0n }])
  t.match(paid.holdbacks, [
    { outletId: 7, subsidyPiasters: 100n, purchasesPiasters: 0n, releaseOn: addDays(SUNDAY, 4) },
  ])
})

t.test('a plan loses nothing and makes nothing, whoever is paid', async () => {
  const piasters = fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n })
  const ofOutlet = fc.record({
    id: fc.integer({ min: 1, max: 6 }),
    purchases: piasters,
    subsidy: piasters,
    opening: piasters,
    released: fc.bigInt({ min: 0n, max: 10n ** 6n }),
    isSuspended: fc.boolean(),
    bankCode: fc.constantFrom('BANK', 'OTHER', undefined),
  })
  const cycles = fc.record({ day: fc.integer({ min: 0, max: 6 }), holdbackPermille: fc.integer({ min: 0, max: 500 }) })
  const institutions = fc.uniqueArray(fc.integer({ min: 1, max: 4 }))
  const clearing = fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), piasters), { maxLength: 6 })
  fc.assert(
    fc.property(
      fc.uniqueArray(ofOutlet, { selector: ({ id }) => id, maxLength: 6 }),
      cycles,
      fc.option(fc.constantFrom(1, 9), { nil: undefined }),
      institutions,
      clearing,
      (outlets, cycle, wholesaler, known, positions) => {
        const subsidyOf = (id: number) => moneyAccount('subsidyPayable', id)
        const input: PlanInput = {
          ...plain,
          cycles: [{ category: 'grocer', governorate: '', frequency: 'weekly', releaseDays: 1, wholesaler, ...cycle }],
          openings: new Map(outlets.map(({ id, opening }) => [subsidyOf(id), { piasters: opening, freed: 0n }])),
          added: new Map([
            ...outlets.map(({ id, purchases }) => [moneyAccount('outletPayable', id), purchases] as const),
            ...outlets.map(({ id, subsidy }) => [subsidyOf(id), subsidy] as const),
            ...positions.map(([owner, sum]) => [moneyAccount('acquirerClearing', owner), sum] as const),
          ]),
          released: new Map(outlets.map(({ id, released }) => [id, released])),
          outlets: outlets.map(({ id, isSuspended, bankCode }) => outlet(id, { isSuspended, bankCode })),
          institutions: [
            { kind: 'wholesaler', institution: 1, name: 'W', bank: 1, account: 'W' },
            ...known.map((institution) => ({
              ...({ kind: 'acquirer', institution, name: `A${institution}`, bank: 1, account: undefined } as const),
            })),
          ],
        }
        const { dues, holdbacks, instructions } = planSettlement(input)
        const sum = (values: Iterable<bigint>) => [...values].reduce((one, other) => one + other, 0n)
        const given =
          sum([...input.openings.values()].map(({ piasters: opening }) => opening)) +
          sum(input.added.values()) +
          sum(input.released.values())
        const instructed = sum(instructions.flatMap(({ lines }) => lines.map((line) => line.piasters)))
        const held = sum(holdbacks.map((one) => one.purchasesPiasters + one.subsidyPiasters))
        return (
          given === sum(dues.map(({ closing }) => closing)) + held + instructed &&
          instructed === sum(dues.map((due) => due.instructed)) &&
          new Set(dues.map(({ account }) => account)).size === dues.length &&
          dues.every(({ closing, note }) => (closing === 0n) === (note === undefined)) &&
          instructions.every(({ purpose, lines }) => purpose === 'net' || sum(lines.map((line) => line.piasters)) > 0n)
        )
      },
    ),
  )
})
