import { test } from 'tap'
import { reversalOf, transaction, unitDraw } from '../../src/simulator/messages.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch, type TestSwitch } from '../support/switch.ts'

const HOUR_MS = 3_600_000
const WAIT_MS = 30_000

/** Waits for the sweep of the month that is over: what follows is then the only thing that the journal grows by. */
async function untilClosed({ client }: TestSwitch): Promise<void> {
  const open = 'select count(*)::int as open from household where closed_month < 202611'
  for (const deadline = Date.now() + WAIT_MS; ; ) {
    const { rows } = await client.query<{ open: number }>(open)
    if (rows[0]?.open === 0) return
    if (Date.now() > deadline) throw new Error(`${rows[0]?.open} household(s) are not closed`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('reversals across midnight and the end of the month', async (t) => {
  // Ten to midnight in Cairo on the last day of a month.
  const world = await startTestSwitch(t, {
    at: '2026-11-30T23:50:00+02:00',
    households: 60,
    config: { limits: { withdrawalDailyPiasters: 5_000 } },
  })
  const { card, governorate, wallets, id, members } = world.household({ members: 3 })
  const [grocer, bakery, machine] = (['grocer', 'bakery', 'atm'] as const).map((category) =>
    world.place(category, governorate),
  )
  if (grocer === undefined || bakery === undefined || machine === undefined) throw new Error('the world has no places')
  const inquiry = transaction('inquiry', { card, terminal: machine })
  const draw = unitDraw({ card, terminal: bakery, quantity: 6, pricePiasters: 20, days: 1 })
  const bread = await world.pos.ask(draw)
  const ration = await world.pos.ask(transaction('purchase', { card, terminal: grocer, amountPiasters: 1_000 }))
  const more = await world.pos.ask(transaction('purchase', { card, terminal: grocer, amountPiasters: 2_000 }))
  const cash = await world.atm.ask(transaction('cash', { card, terminal: machine, amountPiasters: 5_000, from: '20' }))
  t.same(
    [bread, ration, more, cash].map(({ answer }) => answer.code),
    ['00', '00', '00', '00'],
  )

  await t.test('no draw reaches into the next month', async (t) => {
    const ahead = {
      ...draw,
      elements: [
        { tag: 'QT', value: '6' },
        { tag: 'DY', value: '2' },
      ],
    }
    await expectExchange(t, world, world.pos, ahead, { code: '65', result: 'count-limit' })
  })

  await t.test('the day’s cash is drawn', async (t) => {
    const more = transaction('cash', { card, terminal: machine, amountPiasters: 100, from: '20' })
    await expectExchange(t, world, world.atm, more, { code: '61', result: 'amount-limit' })
  })

  world.clock.advance(HOUR_MS)
  await world.restart()
  await untilClosed(world)

  await t.test('the new month has its own quota', async (t) => {
    const { answer } = await world.atm.ask(inquiry)
    t.same([available(answer, '92'), available(answer, '91')], [5 * members, wallets.ration])
  })

  await t.test('yesterday’s cash comes back and does not count against today', async (t) => {
    const entries = ['moneyReversal: cash clearing -5000', 'moneyReversal: postal account 5000']
    await expectExchange(t, world, world.atm, reversalOf(cash.sent), { code: '00', entries })
    const today = { card, terminal: machine, amountPiasters: 5_000, from: '20' }
    const paid = ['cashWithdrawal: postal account -5000', 'cashWithdrawal: cash clearing 5000']
    await expectExchange(t, world, world.atm, transaction('cash', today), { code: '00', entries: paid })
    await expectExchange(t, world, world.atm, transaction('cash', { ...today, amountPiasters: 1 }), { code: '61' })
  })

  await t.test('what goes back to a closed month lapses, and nothing of it is left', async (t) => {
    const lapsed = (name: string, amount: number) => [
      `subsidyRestoration: ${name} redeemed ${-amount}`,
      `subsidyRestoration: ${name} wallet ${amount}`,
      `entitlementExpiry: ${name} wallet ${-amount}`,
      `entitlementExpiry: ${name} expired ${amount}`,
    ]
    await expectExchange(t, world, world.pos, reversalOf(ration.sent), { code: '00', entries: lapsed('ration', 1_000) })
    await expectExchange(t, world, world.pos, reversalOf(bread.sent), { code: '00', entries: lapsed('bread', 6) })
    const { rows } = await world.client.query(
      `select b.period, b.posted::int as posted,
              (select sum(e.amount)::int from entries e where e.account = b.account and e.period = b.period) as fold
       from balances b where b.owner = $1 and b.account_name in ('ration wallet', 'bread wallet') order by b.period`,
      [id],
    )
    t.same(rows, [
      { period: 202611, posted: 0, fold: 0 },
      { period: 20261130, posted: 0, fold: 0 },
    ])
    const { answer } = await world.atm.ask(inquiry)
    t.same([available(answer, '92'), available(answer, '91')], [5 * members, wallets.ration])
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
