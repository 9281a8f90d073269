import fc from 'fast-check'
import t from 'tap'
import { type CivilDate, type CivilMonth, nextMonth } from '../../src/calendar.ts'
import {
  accountPlaces,
  cardKinds,
  cardScripts,
  cardStatuses,
  type Household,
  householdStatuses,
  oldRationCardStates,
} from '../../src/card/household.ts'
import type { AccountNumber } from '../../src/ledger/accounts.ts'
import { type TransferKind, transferKinds } from '../../src/ledger/posting-rules.ts'
import { HouseholdCache, householdKey } from '../../src/writer/household-cache.ts'
import { cardOf, household, termOf } from '../authorization/world.ts'

const MONTH = 202_611 as CivilMonth
const SLACK = 8

function indexOf(name: string): string {
  return name.padStart(16, '\u00ff')
}

function loaded(id: number, ...names: string[]): Household {
  const made = household({ id })
  const cards = names.map((name, index) => cardOf(id * 10 + index, indexOf(name), { expiry: '2912' }))
  return { ...made, cards }
}

t.test('a household is found by each of its cards', async (t) => {
  const cache = new HouseholdCache(10, SLACK)
  t.equal(cache.has(indexOf('a'), MONTH), false)
  cache.add(loaded(1, 'a', 'b'), MONTH)
  t.equal(cache.has(indexOf('a'), MONTH), true)
  const found = cache.get(indexOf('a'))
  t.ok(found)
  t.equal(found?.household, cache.get(indexOf('b'))?.household, 'one copy for a batch')
  t.equal(found?.card.id, 10)
  t.equal(cache.get(indexOf('c')), undefined)
  t.same(cache.takeCounts(), { cacheHits: 1, cacheMisses: 1 })
  t.same(cache.takeCounts(), { cacheHits: 0, cacheMisses: 0 })
})

t.test('what a batch changed is kept when it is durable, and forgotten otherwise', async (t) => {
  const cache = new HouseholdCache(10, SLACK)
  cache.add(loaded(1, 'a'), MONTH)
  cache.add(loaded(2, 'b'), MONTH)
  const change = (name: string) => {
    const copy = cache.get(indexOf(name))?.household
    if (copy === undefined) throw new Error('it was added')
    copy.oldRationCard = 'stopped'
    for (let day = 1; day <= 31; day++) {
      const account = 110_100_000_000_001 as AccountNumber
      copy.balances.push({ account, period: MONTH * 100 + day, posted: day, held: 0 })
    }
    return copy
  }
  change('a')
  cache.forget()
  t.same(cache.get(indexOf('a'))?.household, loaded(1, 'a'))
  cache.forget()
  const kept = change('b')
  change('a')
  cache.keep(new Set([kept]))
  t.same(cache.get(indexOf('b'))?.household, kept)
  t.not(cache.get(indexOf('b'))?.household, kept, 'another batch, another copy')
  t.same(cache.get(indexOf('a'))?.household, loaded(1, 'a'), 'a copy that is not named is not kept')
})

t.test('what is in memory is ahead of what was read', async (t) => {
  const cache = new HouseholdCache(10, SLACK)
  cache.add(loaded(1, 'a'), MONTH)
  cache.add({ ...loaded(1, 'a'), terms: [termOf(9)] }, MONTH)
  t.equal(cache.size, 1)
  t.equal(cache.get(indexOf('a'))?.household.terms[0]?.members, loaded(1, 'a').terms[0]?.members)
})

t.test('a household without a card is known by its number, and by its card when it has one', async (t) => {
  const cache = new HouseholdCache(10, SLACK)
  cache.add(loaded(1), MONTH)
  t.equal(cache.has(householdKey(1), MONTH), true)
  t.equal(cache.has(householdKey(2), MONTH), false)
  const household = cache.getHousehold(householdKey(1))
  if (household === undefined) throw new Error('it was added')
  household.cards.push(cardOf(10, indexOf('new')))
  t.equal(cache.get(indexOf('new')), undefined, 'nothing of a batch is known before it is kept')
  cache.keep(new Set([household]))
  t.equal(cache.get(indexOf('new'))?.household, cache.getHousehold(householdKey(1)))
  cache.drop([household])
  t.equal(cache.has(householdKey(1), MONTH), false)
  t.equal(cache.has(indexOf('new'), MONTH), false)
  t.equal(cache.size, 0)
})

t.test('the least recently used goes first, and only when asked to make room', async (t) => {
  const slack = 2
  const cache = new HouseholdCache(1, slack)
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  for (const [id, name] of names.entries()) cache.add(loaded(id + 1, name), MONTH)
  t.equal(cache.size, 8)
  t.throws(() => cache.add(loaded(9, 'i'), MONTH), { code: 'ASSERTION_FAILED' }, 'room is made between batches')
  cache.get(indexOf('a'))
  cache.forget()
  cache.trim()
  t.equal(cache.size, 3 * slack, 'what three batches touch is never driven out')
  const found = names.filter((name) => cache.get(indexOf(name)) !== undefined)
  t.same(found, ['a', 'd', 'e', 'f', 'g', 'h'])
  cache.clear()
  t.equal(cache.size, 0)
  t.equal(cache.get(indexOf('a')), undefined)
})

t.test('what a batch under way works on is never driven out, however much comes after it', async (t) => {
  const slack = 2
  const cache = new HouseholdCache(1, slack)
  const change = (name: string) => {
    const household = cache.get(indexOf(name))?.household
    cache.keep(new Set(household === undefined ? [] : [household]))
  }
  for (const [id, name] of ['sent', 'behind', 'open', 'idle'].entries()) cache.add(loaded(id + 1, name), MONTH)
  change('sent')
  change('behind')
  cache.keep(new Set())
  cache.get(indexOf('open'))
  for (let id = 10; id < 100; id++) {
    cache.trim()
    cache.add(loaded(id, `n${id}`), MONTH)
  }
  t.equal(cache.has(indexOf('sent'), MONTH), true)
  t.equal(cache.has(indexOf('behind'), MONTH), true)
  t.equal(cache.has(indexOf('open'), MONTH), true)
  t.equal(cache.has(indexOf('idle'), MONTH), false)
  change('open')
  change('n99')
  for (let id = 100; id < 200; id++) {
    cache.trim()
    cache.add(loaded(id, `n${id}`), MONTH)
  }
  t.equal(cache.has(indexOf('sent'), MONTH), false, 'two batches later it may go')
})

t.test('a household whose batch failed is loaded again', async (t) => {
  const cache = new HouseholdCache(10, SLACK)
  cache.add(loaded(1, 'a', 'b'), MONTH)
  cache.add(loaded(2, 'c'), MONTH)
  const touched = cache.get(indexOf('b'))?.household
  cache.drop(touched === undefined ? [] : [touched, loaded(3, 'x')])
  t.equal(cache.has(indexOf('a'), MONTH), false)
  t.equal(cache.has(indexOf('c'), MONTH), true)
  t.equal(cache.size, 1)
})

t.test('memory goes on into the next month without what is over, and not into the one after', async (t) => {
  const cache = new HouseholdCache(10, SLACK)
  const household = loaded(1, 'a')
  const wallet = 110_100_000_000_001 as AccountNumber
  const balance = (period: number) => ({ account: wallet, period, posted: period, held: 0 })
  const NEXT = nextMonth(MONTH)
  const periods = [0, MONTH, MONTH * 100 + 30, NEXT, 9_202_611]
  household.balances.push(...periods.map(balance))
  const years = [2026, MONTH, MONTH * 100 + 30, NEXT]
  household.usages.push(...years.map((period) => ({ counter: 40_001, period, used: 1 })))
  cache.add(household, MONTH)
  t.equal(cache.has(indexOf('a'), NEXT), true)
  const next = cache.get(indexOf('a'))?.household
  t.same(
    next?.balances.map(({ period }) => period),
    [0, NEXT, 9_202_611],
  )
  t.same(
    next?.usages.map(({ period }) => period),
    [2026, NEXT],
  )
  t.equal(cache.has(indexOf('a'), nextMonth(nextMonth(NEXT))), false, 'too long ago: read anew')
  t.equal(cache.size, 0)
})

t.test('any household comes back as it was put in', async (t) => {
  const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { noNullPrototype: true })
  const id = fc.nat({ max: 99_999_999_999 })
  const amount = fc.maxSafeNat()
  const account = amount.map((number) => number as AccountNumber)
  const kinds = Object.keys(transferKinds) as TransferKind[]
  const digits = (count: number) =>
    fc.nat({ max: 10 ** count - 1 }).map((number) => String(number).padStart(count, '0'))
  const any: fc.Arbitrary<Household> = record({
    id,
    governorate: fc.string(),
    terms: fc.array(
      record({
        from: fc.integer({ min: 20_000_101, max: 29_991_231 }).map((date) => date as CivilDate),
        members: fc.integer({ min: 1, max: 60 }),
        status: fc.constantFrom(...householdStatuses),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    classes: fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,8}$/), { maxLength: 3 }),
    closedMonth: fc.integer({ min: 200_001, max: 299_912 }).map((month) => month as CivilMonth),
    usages: fc.array(record({ counter: fc.nat({ max: 999_999 }), period: fc.nat({ max: 99_991_231 }), used: amount })),
    oldRationCard: fc.constantFrom(...oldRationCardStates),
    accountAt: fc.constantFrom(...accountPlaces),
    cards: fc.array(
      record({
        id,
        kind: fc.constantFrom(...cardKinds),
        panIndex: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
        expiry: fc.nat({ max: 9_999 }).map((number) => String(number).padStart(4, '0')),
        status: fc.constantFrom(...cardStatuses),
        sequenceNumber: digits(2),
        serviceCode: digits(3),
        pinReference: fc.option(record({ keyIndex: fc.nat({ max: 9 }), pvv: digits(4) }), { nil: undefined }),
        counters: record({
          pinFailures: fc.nat({ max: 100 }),
          atc: fc.nat({ max: 65_535 }),
          atcSeen: fc.nat({ max: 0xffffffff }),
        }),
        scriptPending: fc.option(fc.constantFrom(...cardScripts), { nil: undefined }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    balances: fc.array(record({ account, period: fc.nat({ max: 99_991_231 }), posted: amount, held: amount })),
    holds: fc.array(
      record({
        id: amount,
        kind: fc.constantFrom(...kinds),
        debit: account,
        credit: account,
        amount,
        cashback: amount,
        openAmount: amount,
        openCashback: amount,
        expiresAtMs: amount,
      }),
    ),
    oneTimeCode: fc.option(
      record({
        factor: amount,
        expiresAtMs: amount,
        triesLeft: fc.nat({ max: 10 }),
        day: fc.integer({ min: 20_200_101, max: 20_991_231 }).map((date) => date as CivilDate),
        sent: fc.nat({ max: 50 }),
      }),
      { nil: undefined },
    ),
    exceptions: fc.array(
      record({
        id: amount,
        programme: fc.nat({ max: 99 }),
        from: fc.integer({ min: 20_200_101, max: 20_991_231 }).map((date) => date as CivilDate),
        until: fc.integer({ min: 20_200_101, max: 20_991_231 }).map((date) => date as CivilDate),
      }),
      { maxLength: 3 },
    ),
    cashUsage: fc.option(
      record({
        day: fc.integer({ min: 20_200_101, max: 20_991_231 }).map((date) => date as CivilDate),
        withdrawnPiasters: amount,
        withdrawals: fc.nat(),
      }),
      { nil: undefined },
    ),
    usedAssertions: fc.array(record({ nonce: fc.stringMatching(/^[0-9a-f]{16}$/), usedAtMs: amount }), {
      maxLength: 3,
    }),
  })
  const cache = new HouseholdCache(1, 1)
  fc.assert(
    fc.property(any, any, (first, second) => {
      const indexes = [...first.cards, ...second.cards].map((card) => card.panIndex)
      fc.pre(new Set(indexes).size === indexes.length)
      cache.clear()
      cache.add(first, MONTH)
      cache.add(second, MONTH)
      for (const made of [first, second]) {
        t.strictSame(cache.get(made.cards[0]?.panIndex ?? '')?.household, made)
      }
      cache.forget()
    }),
    { numRuns: 200 },
  )
})
