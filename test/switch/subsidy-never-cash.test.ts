import { test } from 'tap'
import { basketElements, completionOf, type Intent, transaction, unitDraw } from '../../src/simulator/messages.ts'
import { rails } from '../../src/simulator/rails.ts'
import { expectExchange, expectRefusals, expectSoundLedger } from '../support/exchange-cases.ts'
import { startTestSwitch } from '../support/switch.ts'

/** Account codes of everything that is a subsidy (interfaces.md, "Processing code"). */
const subsidies = { ration: '91', bread: '92', flour: '93', points: '94', grants: '95', health: '96' } as const
/** Ways in which value could leave as money, and an outlet that may do them with money. */
const waysOut = {
  cash: { kind: 'cash', place: 'atm', to: '00' },
  cashback: { kind: 'cashback', place: 'grocer', to: '00' },
  'quasi-cash': { kind: 'quasiCash', place: 'shop', to: '00' },
  transfer: { kind: 'transfer', place: 'atm', to: '20' },
  'refund to the postal account': { kind: 'refund', place: 'grocer', to: '20' },
  'refund to the other postal code': { kind: 'refund', place: 'grocer', to: '10' },
  deposit: { kind: 'deposit', place: 'atm', to: '00' },
  load: { kind: 'load', place: 'grocer', to: '00' },
} as const
/** Places whose default account is a subsidy. */
const defaults = { bakery: 'bread', grocer: 'ration', health: 'health cover' } as const
const refused = { code: '57', result: 'subsidy-not-cash' }

test('a subsidy never leaves as cash', async (t) => {
  const world = await startTestSwitch(t)
  for (const rail of Object.keys(rails) as (keyof typeof rails)[]) {
    const counterparty = world[rail]
    for (const [wallet, from] of Object.entries(subsidies)) {
      await t.test(`${rail}: ${wallet} (${from})`, async (t) => {
        const { card, governorate } = world.household()
        const messages = new Map<string, Intent>()
        for (const [way, { kind, place, to }] of Object.entries(waysOut)) {
          for (const mti of ['0100', '0200', '0120', '0220']) {
            const terminal = world.place(place, governorate)
            const cashbackPiasters = kind === 'cashback' ? { cashbackPiasters: 100 } : {}
            const ask = { mti, card, terminal, amountPiasters: 100, from, to }
            messages.set(`${way} by ${mti}`, transaction(kind, ask, cashbackPiasters))
          }
        }
        t.equal(messages.size, 32)
        await expectRefusals(t, world, counterparty, messages, refused)
      })
    }
    for (const [place, what] of Object.entries(defaults) as [keyof typeof defaults, string][]) {
      await t.test(`${rail}: the default account of a ${place} is ${what}`, async (t) => {
        const { card, governorate } = world.household()
        const terminal = world.place(place, governorate)
        const kinds = ['cash', 'cashback', 'quasiCash', 'transfer'] as const
        const messages = new Map(
          kinds.map((kind) => [kind, transaction(kind, { card, terminal, amountPiasters: 100 })]),
        )
        await expectRefusals(t, world, counterparty, messages, refused)
      })
    }
  }

  await t.test('what was bought with a subsidy does not come back as money', async (t) => {
    const { card, governorate } = world.household()
    const grocer = world.place('grocer', governorate)
    const bakery = world.place('bakery', governorate)
    const ration = await world.pos.ask(transaction('purchase', { card, terminal: grocer, amountPiasters: 2_000 }))
    const bread = await world.pos.ask(unitDraw({ card, terminal: bakery, quantity: 5, pricePiasters: 20 }))
    t.same([ration.answer.code, bread.answer.code], ['00', '00'])
    const named = (original: Intent) => ({ ...original, processingCode: '200020' })
    const attempts: [string, Intent, { code: string; result: string }][] = [
      ['a refund that names the ration purchase', named(completionOf(ration.sent, 2_000, '0200')), refused],
      [
        'a refund from the postal account',
        { ...named(completionOf(ration.sent, 2_000, '0200')), processingCode: '202000' },
        refused,
      ],
      ['a refund that names the bread', named(completionOf(bread.sent, 100, '0200')), refused],
      ['cash as a completion', { ...completionOf(ration.sent, 2_000), processingCode: '010000' }, refused],
      [
        'a refund that names nothing',
        transaction('refund', { card, terminal: grocer, amountPiasters: 2_000, to: '20' }),
        { code: '25', result: 'original-not-found' },
      ],
      [
        'a bill',
        transaction('billPayment', { card, terminal: grocer, amountPiasters: 2_000, from: '91' }),
        { code: '12', result: 'invalid-transaction' },
      ],
    ]
    for (const [name, intent, expected] of attempts) {
      t.comment(name)
      await expectExchange(t, world, world.pos, intent, expected)
    }
  })

  await t.test('basket lines change nothing', async (t) => {
    const { card, governorate } = world.household()
    const elements = basketElements([{ product: 'RICE', quantityThousandths: 1_000, unitPricePiasters: 100 }])
    const terminal = world.place('grocer', governorate)
    const intent = transaction('cashback', { card, terminal, amountPiasters: 100, from: '91' }, { elements })
    await expectExchange(t, world, world.pos, intent, refused)
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
