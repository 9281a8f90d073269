import { test } from 'tap'
import { traceInWords } from '../../src/authorization/trace.ts'
import { formatPiasters } from '../../src/money.ts'
import { completionOf, type Intent, reversalOf, transaction } from '../../src/simulator/messages.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch } from '../support/switch.ts'

const LIMIT = 1_000_000
const FEE = 500

test('bills are a programme of their own', async (t) => {
  const world = await startTestSwitch(t, { households: 40 })
  const { pos, atm, visa } = world
  const scene = () => {
    const home = world.household()
    const bill = (amountPiasters: number, category: 'atm' | 'shop' | 'bakery' = 'shop', mti = '0200'): Intent => {
      const terminal = { ...world.place(category, home.governorate), mcc: '4900' }
      return transaction('billPayment', { mti, card: home.card, terminal, amountPiasters, from: '20' })
    }
    return { home, bill, money: home.postalAccount.balance }
  }
  const posted = (piasters: number) => [
    `billPayment: postal account ${-piasters}`,
    `billPayment: payable to outlet ${piasters}`,
  ]
  const fee = [`fee: postal account ${-FEE}`, `fee: service fees ${FEE}`]

  await t.test('the bill and its fee in one group; both come back with a reversal', async (t) => {
    const { bill, money } = scene()
    const expected = { code: '00', entries: [...posted(12_345), ...fee] }
    const { answer, sent, row } = await expectExchange(t, world, pos, bill(12_345), expected)
    t.equal(available(answer, '20'), money - 12_345 - FEE)
    const words = row?.trace.map((entry) => traceInWords(entry, formatPiasters))
    t.ok(words?.includes('fee 5.00 EGP of utility-bill'))
    await expectExchange(t, world, pos, reversalOf(sent), {
      code: '00',
      entries: [
        'moneyReversal: payable to outlet -12345',
        'moneyReversal: postal account 12345',
        `feeReversal: service fees ${-FEE}`,
        `feeReversal: postal account ${FEE}`,
      ],
    })
    const again = await expectExchange(t, world, atm, bill(100, 'atm'), {
      code: '00',
      entries: [...posted(100), ...fee],
    })
    t.equal(available(again.answer, '20'), money - 100 - FEE)
    await expectExchange(t, world, atm, reversalOf(again.sent, { replacementPiasters: 60 }), {
      code: '00',
      entries: ['moneyReversal: payable to outlet -40', 'moneyReversal: postal account 40'],
    })
  })

  await t.test('its limit, its places, and money for the fee too', async (t) => {
    const { bill } = scene()
    await expectExchange(t, world, pos, bill(LIMIT + 1), { code: '61', result: 'amount-limit' })
    await expectExchange(t, world, pos, bill(100, 'bakery'), { code: '58', result: 'not-at-this-outlet' })
    const { home } = scene()
    const spent = transaction('purchase', {
      card: home.card,
      terminal: world.place('shop', home.governorate),
      amountPiasters: home.postalAccount.balance - 1_000,
    })
    t.equal((await pos.ask(spent)).answer.code, '00')
    const last = (amountPiasters: number) => ({ ...bill(amountPiasters), card: home.card })
    await expectExchange(t, world, pos, last(501), { code: '51', result: 'insufficient' })
    await expectExchange(t, world, pos, last(500), { code: '00', entries: [...posted(500), ...fee] })
  })

  await t.test('a bill that is held, one of another category, one of the card scheme: no fee', async (t) => {
    const { bill, home } = scene()
    const held = await expectExchange(t, world, pos, bill(300, 'shop', '0100'), { code: '00', holds: 1 })
    await expectExchange(t, world, pos, completionOf(held.sent, 300), { code: '00', entries: posted(300) })
    const shop = world.place('shop', home.governorate)
    const other = transaction('billPayment', { card: home.card, terminal: shop, amountPiasters: 200, from: '20' })
    await expectExchange(t, world, pos, other, { code: '00', entries: posted(200) })
    const abroad = await visa.ask(bill(400))
    t.equal(abroad.answer.code, '00')
    t.notOk((await world.ledger(abroad.sent))?.entries.some(({ kind }) => kind === 'fee'))
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
