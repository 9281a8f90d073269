import { test } from 'tap'
import type { WorldHousehold } from '../../src/simulator/demo-files.ts'
import {
  type Ask,
  basketElements,
  basketTotalPiasters,
  type Intent,
  type TestTerminal,
  transaction,
  unitDraw,
} from '../../src/simulator/messages.ts'
import { rails } from '../../src/simulator/rails.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch, type TestSwitch } from '../support/switch.ts'

type RailName = keyof typeof rails

interface Scene {
  readonly home: WorldHousehold
  readonly rail: RailName
  ask(category: Parameters<TestSwitch['place']>[0], extra?: Partial<Ask>): Ask
}

interface Case {
  readonly name: string
  readonly intent: (scene: Scene) => Intent
  readonly entries: (scene: Scene) => string[]
  readonly holds?: number
  /** DE54 account type and what must be available there. */
  readonly left?: (scene: Scene) => [string, number]
}

const unknownShop: TestTerminal = { acceptorId: 'ELSEWHERE000001', terminalId: 'EW000001', mcc: '5999' }
const unknownMachine: TestTerminal = { acceptorId: 'ELSEWHERE000002', terminalId: 'EW000002', mcc: '6011' }
const goods = [
  { product: 'SUGAR-1KG', quantityThousandths: 1_500, unitPricePiasters: 1_260 },
  { product: 'TEA-40G', quantityThousandths: 250, unitPricePiasters: 400 },
]
const basket = basketTotalPiasters(goods)

/** Account that a purchase is payable to, by rail and whether the outlet is known. */
const payee = ({ rail }: Scene, known = true) =>
  rail === 'visa' ? 'card scheme clearing' : known ? 'payable to outlet' : 'acquirer clearing'
const move = (kind: string, from: string, to: string, amount: number) => [
  `${kind}: ${from} ${-amount}`,
  `${kind}: ${to} ${amount}`,
]
const draw = (name: string, opened: number, drawn: number) => [
  ...(opened > 0 ? move('entitlementIssue', `${name} funding`, `${name} wallet`, opened) : []),
  ...move('subsidyRedemption', `${name} wallet`, `${name} redeemed`, drawn),
]
const postal = ({ home }: Scene, change: number): [string, number] => ['20', home.postalAccount.balance + change]
const purchase = (scene: Scene, mti: string) =>
  transaction('purchase', { ...scene.ask('shop'), mti, amountPiasters: 12_345 })

const cases: Case[] = [
  {
    name: '0200 purchase',
    intent: (s) => purchase(s, '0200'),
    entries: (s) => move('purchase', 'postal account', payee(s), 12_345),
    left: (s) => postal(s, -12_345),
  },
  {
    name: '0100 purchase is held',
    intent: (s) => purchase(s, '0100'),
    entries: () => [],
    holds: 1,
    left: (s) => postal(s, -12_345),
  },
  {
    name: 'purchase with track 2 and no DE2',
    intent: (s) => ({ ...purchase(s, '0200'), swiped: true }),
    entries: (s) => move('purchase', 'postal account', payee(s), 12_345),
  },
  {
    name: 'purchase at a shop nobody registered',
    intent: (s) => transaction('purchase', { ...s.ask('shop'), terminal: unknownShop, amountPiasters: 500 }),
    entries: (s) => move('purchase', 'postal account', payee(s, false), 500),
  },
  {
    name: 'purchase at a grocer from the postal account',
    intent: (s) => transaction('purchase', { ...s.ask('grocer'), amountPiasters: 500, from: '20' }),
    entries: (s) => move('purchase', 'postal account', payee(s), 500),
  },
  ...(['20', '10', '00'] as const).map((from) => ({
    name: `cash, account ${from}`,
    intent: (s: Scene) => transaction('cash', { ...s.ask('atm'), amountPiasters: 5_000, from }),
    entries: () => move('cashWithdrawal', 'postal account', 'cash clearing', 5_000),
    left: (s: Scene) => postal(s, -5_000),
  })),
  {
    name: 'cash at a machine nobody registered',
    intent: (s) => transaction('cash', { ...s.ask('atm'), terminal: unknownMachine, amountPiasters: 5_000 }),
    entries: () => move('cashWithdrawal', 'postal account', 'cash clearing', 5_000),
  },
  {
    name: 'purchase with cashback',
    intent: (s) => transaction('cashback', { ...s.ask('shop'), amountPiasters: 9_000 }, { cashbackPiasters: 4_000 }),
    entries: (s) => [
      ...move('purchase', 'postal account', payee(s), 5_000),
      ...move('cashback', 'postal account', payee(s), 4_000),
    ],
    left: (s) => postal(s, -9_000),
  },
  {
    name: 'quasi-cash',
    intent: (s) => transaction('quasiCash', { ...s.ask('shop'), amountPiasters: 700 }),
    entries: (s) => move('quasiCash', 'postal account', payee(s), 700),
  },
  {
    name: 'bill payment',
    intent: (s) => transaction('billPayment', { ...s.ask('shop'), amountPiasters: 800 }),
    entries: (s) => move(s.rail === 'visa' ? 'purchase' : 'billPayment', 'postal account', payee(s), 800),
  },
  {
    name: 'bill payment at an ATM',
    intent: (s) => transaction('billPayment', { ...s.ask('atm'), amountPiasters: 800 }),
    entries: (s) => move(s.rail === 'visa' ? 'purchase' : 'billPayment', 'postal account', payee(s), 800),
  },
  {
    name: 'unlinked refund',
    intent: (s) => transaction('refund', { ...s.ask('shop'), amountPiasters: 900, to: '20' }),
    entries: (s) => move('refund', payee(s), 'postal account', 900),
    left: (s) => postal(s, 900),
  },
  {
    name: 'deposit',
    intent: (s) => transaction('deposit', { ...s.ask('atm'), amountPiasters: 10_000, to: '20' }),
    entries: () => move('deposit', 'cash clearing', 'postal account', 10_000),
    left: (s) => postal(s, 10_000),
  },
  {
    name: 'ration by default at a grocer',
    intent: (s) => transaction('purchase', { ...s.ask('grocer'), amountPiasters: 1_234 }),
    entries: (s) => draw('ration', s.home.wallets.ration ?? 0, 1_234),
    left: (s) => ['91', (s.home.wallets.ration ?? 0) - 1_234],
  },
  {
    name: 'ration with basket lines',
    intent: (s) =>
      transaction(
        'purchase',
        { ...s.ask('grocer'), amountPiasters: basket, from: '91' },
        { elements: basketElements(goods) },
      ),
    entries: (s) => draw('ration', s.home.wallets.ration ?? 0, basket),
  },
  {
    name: 'ration by 0100 is posted at once',
    intent: (s) => transaction('purchase', { ...s.ask('grocer'), mti: '0100', amountPiasters: 1_234 }),
    entries: (s) => draw('ration', s.home.wallets.ration ?? 0, 1_234),
  },
  {
    name: 'bread by loaves',
    intent: (s) => unitDraw({ ...s.ask('bakery'), quantity: 3, pricePiasters: 20 }),
    entries: (s) => draw('bread', 5 * s.home.members, 3),
    left: (s) => ['92', 5 * s.home.members - 3],
  },
  {
    name: 'bread by its amount alone',
    intent: (s) => transaction('purchase', { ...s.ask('bakery'), amountPiasters: 80, from: '92' }),
    entries: (s) => draw('bread', 5 * s.home.members, 4),
  },
  {
    name: 'bread with elements that nobody knows',
    intent: (s) =>
      transaction(
        'purchase',
        { ...s.ask('bakery'), amountPiasters: 40 },
        {
          elements: [
            { tag: 'ZZ', value: 'kept and ignored' },
            { tag: 'QT', value: '2' },
            { tag: 'FL', value: '17' },
          ],
        },
      ),
    entries: (s) => draw('bread', 5 * s.home.members, 2),
  },
  {
    name: 'flour by kilograms',
    intent: (s) => unitDraw({ ...s.ask('bakery'), from: '93', quantity: 10, pricePiasters: 300 }),
    entries: (s) => draw('flour', 10 * s.home.members, 10),
    left: (s) => ['93', 10 * s.home.members - 10],
  },
]

test('approvals', async (t) => {
  const world = await startTestSwitch(t)
  for (const rail of Object.keys(rails) as RailName[]) {
    for (const { name, intent, entries, holds = 0, left } of cases) {
      await t.test(`${rail}: ${name}`, async (t) => {
        const home = world.household()
        const scene: Scene = {
          home,
          rail,
          ask: (category, extra = {}) => ({
            card: home.card,
            terminal: world.place(category, home.governorate),
            ...extra,
          }),
        }
        const expected = { code: '00', result: 'approved', entries: entries(scene), holds }
        const { answer } = await expectExchange(t, world, world[rail], intent(scene), expected)
        if (left === undefined) return
        const [account, amount] = left(scene)
        t.equal(available(answer, account), amount, 'DE54 says what is left')
      })
    }

    for (const kind of ['inquiry', 'inquiryOther'] as const) {
      await t.test(`${rail}: ${kind} opens and posts nothing`, async (t) => {
        const home = world.household()
        const terminal = world.place('atm', home.governorate)
        const asked = transaction(kind, { card: home.card, terminal })
        const { answer } = await expectExchange(t, world, world[rail], asked, { code: '00', moves: false })
        const figures = Object.fromEntries(answer.amounts.map((group) => [group.accountType, group.amount]))
        const { bread, ration, flour, points, grants } = home.wallets
        t.same(figures, { 92: bread, 93: flour, 94: points, 91: ration, 95: grants, 20: home.postalAccount.balance })
        const currencies = Object.fromEntries(answer.amounts.map((group) => [group.accountType, group.currency]))
        t.same(currencies, { 92: '999', 93: '999', 94: '818', 91: '818', 95: '818', 20: '818' })
      })
    }
  }

  await t.test('points and grants are drawn where there are any', async (t) => {
    for (const [wallet, from] of [
      ['points', '94'],
      ['grants', '95'],
    ] as const) {
      const home = world.world.households.find((one) => one.case === undefined && (one.wallets[wallet] ?? 0) > 0)
      if (home === undefined) throw new Error(`no household of the world has ${wallet}`)
      const terminal = world.place('grocer', home.governorate)
      const asked = transaction('purchase', { card: home.card, terminal, amountPiasters: 10, from })
      const expected = { code: '00', entries: draw(wallet, 0, 10) }
      const { answer } = await expectExchange(t, world, world.pos, asked, expected)
      t.equal(available(answer, from), (home.wallets[wallet] ?? 0) - 10)
    }
  })

  await t.test('the suspended household still pays', async (t) => {
    const home = world.household({ case: 'suspended' })
    const asked = transaction('purchase', {
      card: home.card,
      terminal: world.place('shop', 'PTS'),
      amountPiasters: 100,
    })
    const entries = move('purchase', 'postal account', 'payable to outlet', 100)
    await expectExchange(t, world, world.pos, asked, { code: '00', entries })
    const inquiry = transaction('inquiry', { card: home.card, terminal: world.place('atm', 'PTS') })
    const { answer } = await expectExchange(t, world, world.atm, inquiry, { code: '00', moves: false })
    t.same([available(answer, '92'), available(answer, '91')], [0, 0], 'its subsidies show nothing')
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
