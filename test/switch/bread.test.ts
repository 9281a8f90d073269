import { test } from 'tap'
import { type Intent, reversalOf, transaction, type UnitDraw, unitDraw } from '../../src/simulator/messages.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch } from '../support/switch.ts'

const DAY_MS = 86_400_000
const short = { code: '51', result: 'insufficient' }
const tooFar = { code: '65', result: 'count-limit' }

test('bread and flour', async (t) => {
  const world = await startTestSwitch(t, { households: 150 })
  const { clock } = world
  const family = (members?: number) => {
    const home = world.household(members === undefined ? {} : { members })
    const { card, governorate } = home
    const draw = (quantity: number, extra: Partial<UnitDraw> = {}): Intent =>
      unitDraw({ card, terminal: world.place('bakery', governorate), quantity, pricePiasters: 20, ...extra })
    const flour = (quantity: number) => draw(quantity, { from: '93', pricePiasters: 300 })
    const balances = async () => {
      const { answer } = await world.atm.ask(
        transaction('inquiry', { card, terminal: world.place('atm', governorate) }),
      )
      return { bread: available(answer, '92'), flour: available(answer, '93'), postal: available(answer, '20') }
    }
    return { home, draw, flour, balances, quota: 5 * home.members }
  }
  const cell = (period: number, opened: number, drawn: number) => [
    [period, 'bread funding', -opened],
    [period, 'bread wallet', opened],
    [period, 'bread wallet', -drawn],
    [period, 'bread redeemed', drawn],
  ]
  /** Draws and compares the entries with their periods. */
  const draws = async (t: Parameters<typeof expectExchange>[0], intent: Intent, expected: unknown[]) => {
    const { sent, answer } = await world.pos.ask(intent)
    t.equal(answer.code, '00')
    const row = await world.ledger(sent)
    t.same(
      row?.entries.map((entry) => [entry.period, entry.accountName, entry.amount]),
      expected,
    )
    return answer
  }

  await t.test('a day’s share in parts, and not a loaf more', async (t) => {
    const { draw, quota } = family(4)
    await draws(t, draw(7), cell(20261111, quota, 7))
    await expectExchange(t, world, world.pos, draw(quota - 6), short)
    const rest = [
      [20261111, 'bread wallet', -(quota - 7)],
      [20261111, 'bread redeemed', quota - 7],
    ]
    const last = await draws(t, draw(quota - 7), rest)
    t.equal(available(last, '92'), 0)
    const refused = await expectExchange(t, world, world.pos, draw(1), short)
    t.equal(available(refused.answer, '92'), 0, 'a 51 says what there is')
    clock.advance(DAY_MS)
    await draws(t, draw(quota), cell(20261112, quota, quota))
    clock.advance(-DAY_MS)
  })

  for (const [members, days] of [
    [1, 3],
    [2, 3],
    [3, 3],
    [4, 2],
    [5, 2],
    [7, 2],
  ] as const) {
    await t.test(`a household of ${members} draws up to ${days} days at once`, async (t) => {
      const { draw, quota } = family(members)
      await expectExchange(t, world, world.pos, draw(quota, { days: days + 1 }), tooFar)
      await expectExchange(t, world, world.pos, draw(days * quota + 1, { days }), short)
      const cells = Array.from({ length: days }, (_, day) => cell(20261111 + day, quota, quota)).flat()
      await draws(t, draw(days * quota, { days }), cells)
      await expectExchange(t, world, world.pos, draw(1, { days }), short)
      clock.advance(DAY_MS)
      await expectExchange(t, world, world.pos, draw(1), short)
      clock.advance(-DAY_MS)
    })
  }

  await t.test('days ahead fill in order and may be partial', async (t) => {
    const { draw, quota } = family(3)
    await draws(t, draw(quota + 4, { days: 2 }), [...cell(20261111, quota, quota), ...cell(20261112, quota, 4)])
    clock.advance(DAY_MS)
    await draws(t, draw(quota - 4), [
      [20261112, 'bread wallet', -(quota - 4)],
      [20261112, 'bread redeemed', quota - 4],
    ])
    clock.advance(-DAY_MS)
  })

  await t.test('a missed day is not drawable later', async (t) => {
    const { draw, quota } = family(2)
    clock.advance(DAY_MS)
    await expectExchange(t, world, world.pos, draw(quota + 1), short)
    await draws(t, draw(quota), cell(20261112, quota, quota))
    clock.advance(-DAY_MS)
  })

  await t.test('the co-payment from the postal account, in the same group', async (t) => {
    const { draw, quota, balances, home } = family(3)
    const paid = [
      'entitlementIssue: bread funding -15',
      'entitlementIssue: bread wallet 15',
      'subsidyRedemption: bread wallet -10',
      'subsidyRedemption: bread redeemed 10',
      'coPayment: postal account -200',
      'coPayment: payable to outlet 200',
    ]
    await expectExchange(t, world, world.pos, draw(10, { coPayment: 'A' }), { code: '00', entries: paid })
    const after = await balances()
    t.same(after, { bread: quota - 10, flour: 0, postal: home.postalAccount.balance - 200 })
    const inCash = ['subsidyRedemption: bread wallet -5', 'subsidyRedemption: bread redeemed 5']
    await expectExchange(t, world, world.pos, draw(5, { coPayment: 'C' }), { code: '00', entries: inCash })
    t.equal((await balances()).postal, home.postalAccount.balance - 200)
  })

  await t.test('a co-payment that the postal account cannot bear draws nothing', async (t) => {
    const { draw, quota, home, balances } = family(3)
    const spend = { card: home.card, terminal: world.place('shop', home.governorate) }
    await world.pos.ask(transaction('purchase', { ...spend, amountPiasters: home.postalAccount.balance }))
    const { answer } = await expectExchange(t, world, world.pos, draw(10, { coPayment: 'A' }), short)
    t.not(available(answer, '92'), quota - 10, 'the answer does not show loaves as drawn')
    t.equal((await balances()).bread, quota)
  })

  await t.test('flour excludes bread for the month', async (t) => {
    const { draw, flour, balances, home } = family(2)
    const entitled = 10 * home.members
    await expectExchange(t, world, world.pos, flour(entitled + 1), short)
    const { sent } = await expectExchange(t, world, world.pos, flour(4), {
      code: '00',
      entries: [
        `entitlementIssue: flour funding ${-entitled}`,
        `entitlementIssue: flour wallet ${entitled}`,
        'subsidyRedemption: flour wallet -4',
        'subsidyRedemption: flour redeemed 4',
      ],
    })
    await expectExchange(t, world, world.pos, draw(1), short)
    t.match(await balances(), { bread: 0, flour: entitled - 4 })
    clock.advance(DAY_MS)
    await expectExchange(t, world, world.pos, draw(1), short)
    clock.advance(-DAY_MS)
    const reversal = await world.pos.ask(reversalOf(sent))
    t.equal(reversal.answer.code, '00')
    t.equal((await world.pos.ask(draw(1))).answer.code, '00', 'given back whole, the choice is open again')
    await expectExchange(t, world, world.pos, flour(1), short)
  })

  await t.test('bread excludes flour for the month', async (t) => {
    const { draw, flour } = family(2)
    t.equal((await world.pos.ask(draw(1))).answer.code, '00')
    await expectExchange(t, world, world.pos, flour(1), short)
    clock.advance(3 * DAY_MS)
    await expectExchange(t, world, world.pos, flour(1), short)
    clock.advance(-3 * DAY_MS)
  })

  await t.test('the old ration card stops with the first subsidised dispense', async (t) => {
    const state = async (id: number) => {
      const { rows } = await world.client.query('select old_ration_card from household where id = $1', [id])
      return rows[0]?.old_ration_card
    }
    for (const kind of ['bread', 'flour', 'ration'] as const) {
      const { home, draw, flour } = family()
      const { card, governorate, id } = home
      await world.pos.ask(
        transaction('purchase', { card, terminal: world.place('shop', governorate), amountPiasters: 100 }),
      )
      t.equal((await world.pos.ask(draw(5 * home.members + 1))).answer.code, '51')
      t.equal(await state(id), 'active', 'payments and refusals leave it as it is')
      const grocer = { card, terminal: world.place('grocer', governorate), amountPiasters: 100 }
      const dispense = { bread: draw(1), flour: flour(1), ration: transaction('purchase', grocer) }[kind]
      const { sent, answer } = await world.pos.ask(dispense)
      t.equal(answer.code, '00')
      t.equal(await state(id), 'stopped', `${kind} stops it`)
      t.ok(
        (await world.ledger(sent))?.trace.some(([code]) => code === 'old-card.stopped'),
        'and the trace says so',
      )
    }
  })

  await t.test('what a restart must not forget', async (t) => {
    const { draw, quota, balances } = family(3)
    await world.pos.ask(draw(quota - 1))
    await world.restart()
    t.equal((await balances()).bread, 1)
    await expectExchange(t, world, world.pos, draw(2), short)
    t.equal((await world.pos.ask(draw(1))).answer.code, '00')
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
