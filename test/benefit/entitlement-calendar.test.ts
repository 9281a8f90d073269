import fc from 'fast-check'
import t from 'tap'
import {
  addDays,
  type CivilDate,
  type CivilMonth,
  civilDate,
  firstDay,
  monthOf,
  nextMonth,
} from '../../src/calendar.ts'
import { CalendarWorld, LOAVES_A_DAY, walletFlows } from './calendar-model.ts'

const HOUR_MS = 3_600_000
const PIASTERS_A_LOAF = 10
const RATION = { first: 5_000, more: 2_500, upTo: 4 }

/** Days of 23 and 25 hours, a leap day, a year's end, and a month that ends on the day of 23 hours. */
const starts = [
  '2026-04-20T09:00:00Z',
  '2026-10-25T09:00:00Z',
  '2028-02-24T09:00:00Z',
  '2026-12-28T09:00:00Z',
  '2027-04-27T09:00:00Z',
  '2026-11-10T09:00:00Z',
].map((text) => Date.parse(text))

const stepOf = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant('bread' as const),
      amount: fc.integer({ min: 1, max: 45 }),
      days: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('flour' as const), amount: fc.integer({ min: 1, max: 50 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant('ration' as const), amount: fc.integer({ min: 1, max: 30_000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constantFrom('reverse' as const, 'repeat' as const), back: fc.nat(6) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      does: fc.constant('wait' as const),
      hours: fc.constantFrom(1, 1, 6, 12, 23, 24, 25, 24 * 9, 24 * 31),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant('members' as const),
      members: fc.integer({ min: 1, max: 7 }),
      suspended: fc.nat(4).map((chance) => chance === 0),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constantFrom('close' as const, 'evict' as const) }) },
)
type Step = typeof stepOf extends fc.Arbitrary<infer T> ? T : never

/** What the rules say, told by a second person: only dates, members and what the household took. */
class Auditor {
  readonly #terms: { from: number; members: number; active: boolean }[]
  /** What a day was worth when it was first drawn on. */
  readonly #dayQuota = new Map<number, number>()

  constructor(start: CivilDate, members: number, isNew: boolean) {
    this.#terms = [{ from: isNew ? start : Math.floor(start / 100) * 100 + 1, members, active: true }]
  }

  change(today: CivilDate, members: number, active: boolean): void {
    this.#terms.push({ from: addDays(today, 1), members, active })
  }

  #on(date: number) {
    return this.#terms.findLast((term) => term.from <= date) ?? this.#terms[0]
  }

  quota(day: number): number {
    const known = this.#dayQuota.get(day)
    return known ?? (this.#on(day)?.members ?? 0) * LOAVES_A_DAY
  }

  firstDraw(day: number): void {
    if (!this.#dayQuota.has(day)) this.#dayQuota.set(day, this.quota(day))
  }

  isActive(day: number): boolean {
    return day >= (this.#terms[0]?.from ?? 0) && this.#on(day)?.active === true
  }

  ration(month: CivilMonth): number {
    const members = this.#on(month * 100 + 1)?.members ?? 0
    return Math.min(members, RATION.upTo) * RATION.first + Math.max(0, members - RATION.upTo) * RATION.more
  }
}

function daysOf(month: CivilMonth): CivilDate[] {
  const days: CivilDate[] = []
  for (let day = firstDay(month); monthOf(day) === month; day = addDays(day, 1)) days.push(day)
  return days
}

function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`not so: ${what}`)
}

interface Life {
  readonly start: number
  readonly isNew: boolean
  readonly members: number
  readonly steps: readonly Step[]
}

function play({ start, isNew, members, steps }: Life): void {
  const world = new CalendarWorld(start, members, isNew)
  const auditor = new Auditor(world.today, members, isNew)
  const touched = new Set<CivilMonth>()
  for (const step of steps) {
    const before = world.journal.length
    perform(world, auditor, step)
    for (const { kind, period } of world.journal.slice(before)) {
      if (kind !== 'subsidyRedemption' || period < 1_000_000) continue
      must(auditor.isActive(period), `day ${period} is not drawn when the household is suspended on it`)
      auditor.firstDraw(period)
    }
    touched.add(monthOf(world.today))
    for (const balance of world.household.balances) must(balance.posted >= 0, 'no wallet falls below zero')
  }
  // Two months on, everything of the months played is over.
  const last = monthOf(world.today)
  world.advance(62 * 24 * HOUR_MS)
  world.close()
  for (let month = monthOf(civilDate(start)); month <= last; month = nextMonth(month)) auditMonth(world, auditor, month)
  for (const [number, unit] of [
    [1, 'LOAF'],
    [2, 'KG'],
    [3, 'EGP'],
    [4, 'EGP'],
  ] as const) {
    for (const [period, flow] of walletFlows(world, number, unit)) {
      const remaining = flow.issued - flow.redeemed - flow.expired - flow.converted
      must(remaining >= 0 && flow.redeemed >= 0, 'nothing is drawn that was not issued')
      const month = period > 999_999 ? Math.floor(period / 100) : period
      if (month < monthOf(world.today)) must(remaining === 0, `nothing remains of period ${period}`)
    }
  }
  const months = world.closings.map(({ month }) => month)
  must(new Set(months).size === months.length, 'a month is closed once')
}

function perform(world: CalendarWorld, auditor: Auditor, step: Step): void {
  if (step.does === 'bread') world.draw('bread', step.amount, step.days)
  else if (step.does === 'flour' || step.does === 'ration') world.draw(step.does, step.amount)
  else if (step.does === 'wait') world.advance(step.hours * HOUR_MS)
  else if (step.does === 'close') world.close()
  else if (step.does === 'evict') world.evict()
  else if (step.does === 'members') {
    world.change({ members: step.members, status: step.suspended ? 'suspended' : 'active' })
    auditor.change(world.today, step.members, !step.suspended)
  } else if (step.does === 'reverse' || step.does === 'repeat') {
    const drawn = world.drawn.filter(({ request }) => request.mti === '0200').at(-1 - step.back)
    if (drawn === undefined) return
    if (step.does === 'reverse') world.reverse(drawn)
    else must(world.submit(drawn.request).decision.transfers.length === 0, 'a repeat posts nothing')
  }
}

/** What a closed month must have come to, by the rules alone. */
function auditMonth(world: CalendarWorld, auditor: Auditor, month: CivilMonth): void {
  const bread = walletFlows(world, 1, 'LOAF')
  const points = walletFlows(world, 3, 'EGP')
  const closing = world.closings.find((one) => one.month === month)
  must(closing !== undefined, `month ${month} is closed`)
  // What went back after the closing lapsed: at the closing it was drawn.
  const lateLapse = (period: number) => bread.get(period)?.expired ?? 0
  const alternative = flourChosen(world, month)
  let loaves = 0
  for (const day of daysOf(month)) {
    const cell = bread.get(day)
    const drawn = cell?.redeemed ?? 0
    must(drawn <= auditor.quota(day), `day ${day} is not drawn beyond its share`)
    // Who chose flour has no points, whatever was opened and given back before.
    if (alternative) continue
    if (cell !== undefined) loaves += auditor.quota(day) - drawn - lateLapse(day)
    else if (auditor.isActive(day)) loaves += auditor.quota(day)
  }
  const converted = [...bread]
    .filter(([period]) => period === month || Math.floor(period / 100) === month)
    .reduce((sum, [, flow]) => sum + flow.converted, 0)
  must(converted === loaves, `month ${month}: ${converted} loaves became points, ${loaves} were left`)
  must(
    (points.get(nextMonth(month))?.issued ?? 0) === loaves * PIASTERS_A_LOAF,
    'each gives ten piasters in the next month',
  )
  const ration = walletFlows(world, 4, 'EGP').get(month)
  if (ration !== undefined)
    must(ration.issued === auditor.ration(month), 'the ration goes by the members of the month’s first day')
}

/** Whether flour was what the household had drawn: a choice that is taken back after the month stands. */
function flourChosen(world: CalendarWorld, month: CivilMonth): boolean {
  const closing = world.closings.find((one) => one.month === month)
  const until =
    closing === undefined ? world.journal.length : world.journal.indexOf(closing.transfers[0] ?? ({} as never))
  let net = 0
  for (const { kind, debit, credit, amount, period } of world.journal.slice(
    0,
    until < 0 ? world.journal.length : until,
  )) {
    if (period !== month) continue
    const fromFlour = Math.floor(debit / 1e11) === 1202
    if (fromFlour && (kind === 'subsidyRedemption' || kind === 'entitlementExpiry')) net += amount
    if (kind === 'subsidyRestoration' && Math.floor(credit / 1e11) === 1202) net -= amount
  }
  return net > 0
}

t.test('whatever happens, each day and month is worth its share once, and what is left becomes points', async (t) => {
  const life = fc.record({
    start: fc.constantFrom(...starts),
    isNew: fc.boolean(),
    members: fc.integer({ min: 1, max: 7 }),
    steps: fc.array(stepOf, { minLength: 1, maxLength: 40, size: 'max' }),
  })
  fc.assert(fc.property(life, play), { numRuns: 500 })
  t.pass('no counterexample')
})
