import { test } from 'tap'
import { reversalOf, transaction, unitDraw } from '../../src/simulator/messages.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch } from '../support/switch.ts'

const short = { code: '51', result: 'insufficient' }

test('partial approvals', async (t) => {
  const world = await startTestSwitch(t, {
    households: 60,
    arrange: (client) => client.query("update outlet set partial_approval = true where governorate = 'SUZ'"),
  })
  const { pos, atm, visa } = world
  const scene = (governorate: string) => {
    const home = world.household({ governorate })
    const ask = (category: 'shop' | 'grocer' | 'bakery' | 'atm', amountPiasters: number) => ({
      card: home.card,
      terminal: world.place(category, governorate),
      amountPiasters,
    })
    return { home, ask, money: home.postalAccount.balance, ration: home.wallets.ration ?? 0 }
  }

  await t.test('Visa: the requester says so in DE60.10', async (t) => {
    const { ask, money } = scene('LX')
    const asked = { ...ask('shop', money + 500), mti: '0100' }
    await expectExchange(t, world, visa, transaction('purchase', asked), short)
    const granted = { code: '10', result: 'partially-approved', holds: 1 }
    const partial = transaction('purchase', asked, { acceptsPartial: true })
    const { answer, sent } = await expectExchange(t, world, visa, partial, granted)
    t.equal(answer.text(4), String(money).padStart(12, '0'), 'DE4 is what was granted')
    t.equal(available(answer, '20'), 0)
    t.equal(available(answer, '20', '57'), money + 500, 'amount type 57 is what was asked for')
    const repeated = await expectExchange(t, world, visa, visa.repeatOf(sent), {
      code: '10',
      commands: 1,
      moves: false,
    })
    t.same(repeated.answer.frame, answer.frame)
    await expectExchange(t, world, visa, reversalOf(sent), { code: '00' })
  })

  await t.test('Visa: another digit of DE60 does not ask for it', async (t) => {
    const { ask, money } = scene('LX')
    const electronic = { override: { 60: '000000000100' } }
    await expectExchange(t, world, visa, transaction('purchase', ask('shop', money + 500), electronic), short)
  })

  for (const [rail, link] of [
    ['ascii', pos],
    ['bcd', atm],
  ] as const) {
    await t.test(`${rail}: the outlet’s profile says so`, async (t) => {
      const { ask, money, ration } = scene('SUZ')
      const purchase = transaction('purchase', ask('shop', money + 1))
      const entries = [`purchase: postal account ${-money}`, `purchase: payable to outlet ${money}`]
      const { answer, sent } = await expectExchange(t, world, link, purchase, { code: '10', entries })
      t.equal(answer.text(4), String(money).padStart(12, '0'))
      const goods = await link.ask(transaction('purchase', ask('grocer', ration + 100)))
      t.equal(goods.answer.code, '10')
      t.equal(available(goods.answer, '91', '57'), ration + 100)
      await expectExchange(t, world, link, transaction('purchase', ask('grocer', 100)), short)
      const back = [`moneyReversal: payable to outlet ${-money}`, `moneyReversal: postal account ${money}`]
      const reversal = { ...reversalOf(sent), amountPiasters: money }
      await expectExchange(t, world, link, reversal, { code: '00', entries: back })
    })

    await t.test(`${rail}: another outlet gets 51`, async (t) => {
      const { ask, money, ration } = scene('PTS')
      await expectExchange(t, world, link, transaction('purchase', ask('shop', money + 1)), short)
      await expectExchange(t, world, link, transaction('purchase', ask('grocer', ration + 1)), short)
    })
  }

  await t.test('the profile of an outlet does not speak for the card scheme', async (t) => {
    const { ask, money } = scene('SUZ')
    await expectExchange(t, world, visa, transaction('purchase', ask('shop', money + 1)), short)
  })

  await t.test('bread and cash are never granted in part', async (t) => {
    const { home, ask, money } = scene('SUZ')
    const { amountPiasters: _, ...at } = ask('bakery', 0)
    const draw = unitDraw({ ...at, quantity: 5 * home.members + 1, pricePiasters: 20 })
    await expectExchange(t, world, pos, draw, short)
    const asked = transaction('cash', ask('atm', money + 1), { acceptsPartial: true })
    await expectExchange(t, world, atm, asked, { code: '61' })
    await expectExchange(
      t,
      world,
      visa,
      transaction('quasiCash', ask('shop', money + 1), { acceptsPartial: true }),
      short,
    )
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
