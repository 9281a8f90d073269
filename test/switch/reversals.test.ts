import { test } from 'tap'
import {
  completionOf,
  type Intent,
  reversalOf,
  type Stamped,
  transaction,
  unitDraw,
} from '../../src/simulator/messages.ts'
import { rails } from '../../src/simulator/rails.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch, type TestSwitch } from '../support/switch.ts'

const back = (amount: number, payee = 'payable to outlet') => [
  `moneyReversal: ${payee} ${-amount}`,
  `moneyReversal: postal account ${amount}`,
]
const notFound = { code: '25', result: 'original-not-found' }
const already = { code: '21', result: 'already-reversed' }

/** Requests of one household, and what it has. */
function scene(world: TestSwitch, members?: number) {
  const home = world.household(members === undefined ? {} : { members })
  const { card, governorate } = home
  const at = (category: Parameters<TestSwitch['place']>[0]) => world.place(category, governorate)
  return {
    home,
    pay: (amountPiasters: number, mti = '0200') =>
      transaction('purchase', { mti, card, terminal: at('shop'), amountPiasters }),
    cash: (amountPiasters: number, mti = '0200') =>
      transaction('cash', { mti, card, terminal: at('atm'), amountPiasters, from: '20' }),
    bread: (quantity: number, extra: { days?: number; coPayment?: 'A' | 'C' } = {}) =>
      unitDraw({ card, terminal: at('bakery'), quantity, pricePiasters: 20, ...extra }),
    ration: (amountPiasters: number) => transaction('purchase', { card, terminal: at('grocer'), amountPiasters }),
    refund: (original: Stamped, amountPiasters: number, processingCode = '200000'): Intent => ({
      ...completionOf(original, amountPiasters, '0200'),
      processingCode,
    }),
    inquiry: () => transaction('inquiry', { card, terminal: at('atm') }),
  }
}

test('reversals, completions and refunds', async (t) => {
  const limits = { withdrawalDailyPiasters: 100_000, withdrawalDailyCount: 2 }
  const world = await startTestSwitch(t, { config: { limits } })

  for (const rail of Object.keys(rails) as (keyof typeof rails)[]) {
    const link = world[rail]
    const payee = rail === 'visa' ? 'card scheme clearing' : 'payable to outlet'
    for (const mti of ['0400', '0420'] as const) {
      await t.test(`${rail}: ${mti} gives a purchase back, once`, async (t) => {
        const { pay, inquiry, home } = scene(world)
        const { sent } = await link.ask(pay(3_000))
        const reversal = reversalOf(sent, { mti })
        const first = await expectExchange(t, world, link, reversal, { code: '00', entries: back(3_000, payee) })
        t.equal(first.row?.originalId, (await world.ledger(sent))?.id)
        const again = await expectExchange(t, world, link, link.repeatOf(first.sent), {
          code: '00',
          commands: 1,
          moves: false,
        })
        t.same(again.answer.frame, first.answer.frame, 'its repeat is answered byte for byte')
        await expectExchange(t, world, link, reversal, { code: '00', moves: false })
        await expectExchange(t, world, link, { ...reversal, amountPiasters: 2_000 }, already)
        const left = await link.ask(inquiry())
        t.equal(available(left.answer, '20'), home.postalAccount.balance)
      })
    }

    await t.test(`${rail}: a reversal without DE90 finds its original`, async (t) => {
      const { pay } = scene(world)
      const { sent } = await link.ask({ ...pay(3_000), transactionId: '012345678901234' })
      await expectExchange(t, world, link, reversalOf(sent, { namesOriginal: false }), {
        code: '00',
        entries: back(3_000, payee),
      })
    })

    await t.test(`${rail}: an advice of a purchase that was never held posts at once, and once`, async (t) => {
      const { pay } = scene(world)
      const hold = link.compose(pay(3_000, '0100'))
      const entries = [`purchase: postal account -3000`, `purchase: ${payee} 3000`]
      const advice = await expectExchange(t, world, link, completionOf(hold, 3_000), { code: '00', entries })
      const repeated = { code: '00', commands: 1, moves: false }
      await expectExchange(t, world, link, link.repeatOf(advice.sent), repeated)
    })

    await t.test(`${rail}: a hold is released by its reversal, or captured by its completion`, async (t) => {
      const { pay, home, inquiry } = scene(world)
      const { balance } = home.postalAccount
      const first = await expectExchange(t, world, link, pay(10_000, '0100'), { code: '00', holds: 1 })
      t.equal(available(first.answer, '20'), balance - 10_000, 'a hold counts at once')
      await expectExchange(t, world, link, reversalOf(first.sent), { code: '00' })
      await expectExchange(t, world, link, completionOf(first.sent, 10_000), already)
      const second = await expectExchange(t, world, link, pay(10_000, '0100'), { code: '00', holds: 1 })
      const over = completionOf(second.sent, 10_001, '0200')
      await expectExchange(t, world, link, over, { code: '61', result: 'amount-limit' })
      const captured = [`purchase: postal account -7000`, `purchase: ${payee} 7000`]
      await expectExchange(t, world, link, completionOf(second.sent, 7_000), { code: '00', entries: captured })
      await expectExchange(t, world, link, completionOf(second.sent, 7_000), already)
      const left = await link.ask(inquiry())
      t.equal(available(left.answer, '20'), balance - 7_000)
      await expectExchange(t, world, link, reversalOf(second.sent), { code: '00', entries: back(7_000, payee) })
      await expectExchange(t, world, link, reversalOf(second.sent), { code: '00', moves: false })
      const returned = await link.ask(inquiry())
      t.equal(available(returned.answer, '20'), balance, 'a reversal of the hold gives back what was captured')
      const { rows } = await world.client.query(
        `select e.ending, e.captured::int, e.released::int from hold h join hold_event e using (lane, id)
         where h.household_id = $1 order by h.id`,
        [home.id],
      )
      t.same(rows, [
        { ending: 'voided', captured: 0, released: 10_000 },
        { ending: 'captured', captured: 7_000, released: 3_000 },
      ])
    })

    await t.test(`${rail}: a reversal before its original`, async (t) => {
      const { pay, home, inquiry } = scene(world)
      const late = link.compose(pay(4_000))
      const early = await expectExchange(t, world, link, reversalOf(late), notFound)
      await expectExchange(t, world, link, late, { code: '94', result: 'duplicate-other-content' })
      await expectExchange(t, world, link, link.repeatOf(late), { code: '94', commands: 1 })
      await expectExchange(t, world, link, link.repeatOf(early.sent), { code: '25', commands: 1 })
      const left = await link.ask(inquiry())
      t.equal(available(left.answer, '20'), home.postalAccount.balance, 'nothing was posted')
    })
  }

  await t.test('visa: the scheme’s transaction identifier finds the original where DE90 and RRN do not', async (t) => {
    const { pay } = scene(world)
    const { sent } = await world.visa.ask({ ...pay(3_000, '0100'), transactionId: '300000000000003' })
    const reversal = { ...reversalOf(sent, { mti: '0420', namesOriginal: false }), rrn: '999999999999' }
    await expectExchange(t, world, world.visa, { ...reversal, transactionId: '300000000000004' }, notFound)
    const other = scene(world).home.card
    await expectExchange(t, world, world.visa, { ...reversal, card: other }, notFound)
    const { row } = await expectExchange(t, world, world.visa, reversal, { code: '00' })
    t.equal(row?.originalId, (await world.ledger(sent))?.id)
  })

  await t.test('repeats are answered as the first after a restart, and days later', async (t) => {
    const { pay, ration } = scene(world)
    for (const intent of [pay(1_000), ration(500), pay(0)]) {
      const first = await world.pos.ask(intent)
      await world.restart()
      const repeated = { code: first.answer.code, commands: 1, moves: false }
      const again = await expectExchange(t, world, world.pos, world.pos.repeatOf(first.sent), repeated)
      t.same(again.answer.frame, first.answer.frame)
      world.clock.advance(3 * 86_400_000)
      const later = await expectExchange(t, world, world.pos, first.sent, repeated)
      t.same(later.answer.frame, first.answer.frame)
      world.clock.advance(-3 * 86_400_000)
    }
  })

  await t.test('what cannot be reversed', async (t) => {
    const { pay } = scene(world)
    const other = scene(world)
    const unsent = world.pos.compose(pay(500))
    await expectExchange(t, world, world.pos, reversalOf(unsent), notFound)
    const { sent } = await world.pos.ask(pay(500))
    const stranger = { ...reversalOf(sent), card: other.home.card }
    await expectExchange(t, world, world.pos, stranger, notFound)
    await expectExchange(t, world, world.pos, { ...reversalOf(sent), amountPiasters: 499 }, already)
    const refused = await world.pos.ask({ ...pay(0) })
    t.equal(refused.answer.code, '13')
    await expectExchange(t, world, world.pos, reversalOf(refused.sent), { code: '00', moves: false })
    const reversal = await world.pos.ask(reversalOf(sent))
    const reversed = { ...reversalOf(reversal.sent), amountPiasters: 500 }
    await expectExchange(t, world, world.pos, reversed, { code: '12', result: 'invalid-transaction' })
  })

  await t.test('a partial reversal gives the difference back', async (t) => {
    const { cash, pay } = scene(world)
    const withdrawal = await world.atm.ask(cash(50_000))
    const partial = reversalOf(withdrawal.sent, { replacementPiasters: 20_000 })
    await expectExchange(t, world, world.atm, partial, { code: '00', entries: back(30_000, 'cash clearing') })
    await expectExchange(t, world, world.atm, partial, { code: '00', moves: false })
    await expectExchange(t, world, world.atm, reversalOf(withdrawal.sent), already)
    const bought = await world.pos.ask(pay(5_000))
    const same = reversalOf(bought.sent, { replacementPiasters: 5_000 })
    await expectExchange(t, world, world.pos, same, { code: '13', result: 'bad-amount' })
    const more = reversalOf(bought.sent, { replacementPiasters: 5_001 })
    await expectExchange(t, world, world.pos, more, { code: '13', result: 'bad-amount' })
    const unreadable = { ...reversalOf(bought.sent), override: { 95: 'A'.repeat(42) } }
    await expectExchange(t, world, world.pos, unreadable, { code: '30', result: 'format-error' })
  })

  await t.test('the day’s cash: what was given back does not count, what was paid out does', async (t) => {
    const { cash } = scene(world)
    const tooMany = { code: '65', result: 'count-limit' }
    const reversed = await world.atm.ask(cash(60_000))
    await world.atm.ask(reversalOf(reversed.sent))
    const partly = await world.atm.ask(cash(90_000))
    await world.atm.ask(reversalOf(partly.sent, { replacementPiasters: 10_000 }))
    const last = await world.atm.ask(cash(90_000))
    t.same([partly.answer.code, last.answer.code], ['00', '00'], 'the amount of a reversal may be drawn again')
    await expectExchange(t, world, world.atm, cash(1), { code: '61', result: 'amount-limit' })
    await world.atm.ask(reversalOf(last.sent, { replacementPiasters: 1_000 }))
    await expectExchange(t, world, world.atm, cash(1), tooMany)
  })

  await t.test('bread and ration go back to the wallet they came from', async (t) => {
    const { bread, ration, inquiry, home } = scene(world, 3)
    const draw = await world.pos.ask(bread(20, { days: 2, coPayment: 'A' }))
    await expectExchange(t, world, world.pos, reversalOf(draw.sent), {
      code: '00',
      entries: [
        'subsidyRestoration: bread redeemed -15',
        'subsidyRestoration: bread wallet 15',
        'subsidyRestoration: bread redeemed -5',
        'subsidyRestoration: bread wallet 5',
        ...back(400),
      ],
    })
    const goods = await world.pos.ask(ration(2_000))
    const restored = ['subsidyRestoration: ration redeemed -2000', 'subsidyRestoration: ration wallet 2000']
    await expectExchange(t, world, world.pos, reversalOf(goods.sent), { code: '00', entries: restored })
    const left = await world.pos.ask(inquiry())
    const { ration: entitled } = home.wallets
    t.same([available(left.answer, '92'), available(left.answer, '91')], [15, entitled])
    const again = await world.pos.ask(bread(15))
    t.equal(again.answer.code, '00', 'and may be drawn again')
  })

  await t.test('refunds name their purchase and never exceed it', async (t) => {
    const { pay, ration, bread, refund, home } = scene(world, 3)
    const over = { code: '61', result: 'amount-limit' }
    const refunds = (intent: Intent, entries: string[]) =>
      expectExchange(t, world, world.pos, intent, { code: '00', entries })
    const refuses = (intent: Intent, expected: { code: string; result: string }) =>
      expectExchange(t, world, world.pos, intent, expected)

    const bought = await world.pos.ask(pay(5_000))
    const part = ['refund: payable to outlet -2000', 'refund: postal account 2000']
    const paid = await refunds(refund(bought.sent, 2_000, '200020'), part)
    t.equal(available(paid.answer, '20'), home.postalAccount.balance - 3_000)
    await refuses(refund(bought.sent, 3_001, '200020'), over)
    await refuses(reversalOf(bought.sent), already)

    const goods = await world.pos.ask(ration(2_000))
    const restored = ['subsidyRestoration: ration redeemed -500', 'subsidyRestoration: ration wallet 500']
    const returned = await refunds(refund(goods.sent, 500), restored)
    t.equal(
      available(returned.answer, '91'),
      (home.wallets.ration ?? 0) - 1_500,
      'a wallet’s approval says what it has',
    )
    await refuses(refund(goods.sent, 1_501), over)

    const loaves = await world.pos.ask(bread(20, { days: 2, coPayment: 'A' }))
    await refuses(refund(loaves.sent, 20), { code: '13', result: 'bad-amount' })
    const whole = [
      ...['subsidyRestoration: bread redeemed -15', 'subsidyRestoration: bread wallet 15'],
      ...['subsidyRestoration: bread redeemed -5', 'subsidyRestoration: bread wallet 5'],
      ...['refund: payable to outlet -400', 'refund: postal account 400'],
    ]
    const back = await refunds(refund(loaves.sent, 400), whole)
    t.equal(available(back.answer, '92'), 15, 'today’s loaves')
    t.equal(available(back.answer, '20'), home.postalAccount.balance - 3_000)
    await refuses(refund(loaves.sent, 400), over)
  })

  await t.test('a capture that a reversal of its hold gave back is not refunded again', async (t) => {
    const { pay, refund, home, inquiry } = scene(world)
    const held = await world.pos.ask(pay(400, '0100'))
    const captured = await world.pos.ask(completionOf(held.sent, 200, '0200'))
    await expectExchange(t, world, world.pos, reversalOf(held.sent), { code: '00', entries: back(200) })
    await expectExchange(t, world, world.pos, refund(captured.sent, 100, '200020'), already)
    const left = await world.pos.ask(inquiry())
    t.equal(available(left.answer, '20'), home.postalAccount.balance, 'nothing was gained')
  })

  await t.test('a refund that was spent cannot be reversed', async (t) => {
    const { home, pay } = scene(world)
    const terminal = world.place('shop', home.governorate)
    const ask = { card: home.card, terminal, amountPiasters: 1_000, to: '20' }
    const refund = await world.pos.ask(transaction('refund', ask))
    await world.pos.ask(pay(home.postalAccount.balance + 500))
    await expectExchange(t, world, world.pos, reversalOf(refund.sent), { code: '51', result: 'insufficient' })
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
