import { test } from 'tap'
import { basketPurchase, completionOf, type Intent, reversalOf, transaction } from '../../src/simulator/messages.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch } from '../support/switch.ts'

/** What the state gives over two months of a Ramadan, beside the monthly grant that some households have. */
const RAMADAN = 25_000
const MONTHLY = 12_500
const SPAN = 9_202_702

test('several grants behind one account code', async (t) => {
  const world = await startTestSwitch(t, { at: '2027-02-26T12:00:00+02:00', households: 100 })
  const { pos, clock } = world
  const withGrant = world.world.households.filter(
    ({ wallets, members, case: special }) => special === undefined && members > 1 && wallets.grants === MONTHLY,
  )
  const scene = () => {
    const home = withGrant.pop()
    if (home === undefined) throw new Error('no household with a grant is left')
    const monthly = MONTHLY
    const ask = { card: home.card, terminal: world.place('grocer', home.governorate), from: '95' }
    const buy = (amountPiasters: number): Intent => transaction('purchase', { ...ask, amountPiasters })
    const left = async () => {
      const machine = world.place('atm', home.governorate)
      return available(
        (await world.atm.ask(transaction('inquiry', { card: home.card, terminal: machine }))).answer,
        '95',
      )
    }
    return { monthly, ask, buy, left }
  }
  const from = (period: number, piasters: number) => [
    [period, 'subsidyRedemption', -piasters],
    [period, 'subsidyRedemption', piasters],
  ]
  const issued = [
    [SPAN, 'entitlementIssue', -RAMADAN],
    [SPAN, 'entitlementIssue', RAMADAN],
  ]

  await t.test('the one that ends first is drawn first, and the next in the same group', async (t) => {
    const { monthly, buy, left } = scene()
    t.equal(await left(), monthly + RAMADAN, 'one figure for all')
    const { sent, answer } = await pos.ask(buy(monthly + 1_000))
    t.equal(answer.code, '00')
    t.equal(available(answer, '95'), RAMADAN - 1_000)
    const row = await world.ledger(sent)
    t.same(
      row?.entries.map(({ period, kind, amount }) => [period, kind, amount]),
      [...from(202_702, monthly), ...issued, ...from(SPAN, 1_000)],
    )
    await expectExchange(t, world, pos, buy(RAMADAN), { code: '51', result: 'insufficient' })
    const whole = await pos.ask(reversalOf(sent))
    t.equal(whole.answer.code, '00')
    t.equal(await left(), monthly + RAMADAN)
  })

  await t.test('goods line by line', async (t) => {
    const { monthly, ask, left } = scene()
    const pieces = Math.floor(monthly / 1_000) + 2
    const goods = [{ product: 'ANYTHING', quantityThousandths: pieces * 1_000, unitPricePiasters: 1_000 }]
    t.equal((await pos.ask(basketPurchase(ask, goods))).answer.code, '00')
    t.equal(await left(), monthly + RAMADAN - pieces * 1_000)
  })

  await t.test('a return goes where it still counts, the rest lapses', async (t) => {
    const { monthly, buy, left } = scene()
    const { sent } = await pos.ask(buy(monthly + 1_000))
    const back = (piasters: number) => ({ ...completionOf(sent, piasters, '0200'), processingCode: '209595' })
    t.equal((await pos.ask(back(600))).answer.code, '00')
    t.equal(await left(), RAMADAN - 400, 'what was drawn last comes back first')
    clock.advance(4 * 86_400_000)
    const { sent: late, answer } = await pos.ask(back(900))
    t.equal(answer.code, '00')
    t.same(
      (await world.ledger(late))?.entries
        .filter(({ amount }) => amount > 0)
        .map(({ period, kind, amount }) => [period, kind, amount]),
      [
        [SPAN, 'subsidyRestoration', 400],
        [202_702, 'subsidyRestoration', 500],
        [202_702, 'entitlementExpiry', 500],
      ],
      'February is over, Ramadan is not',
    )
    t.equal(await left(), RAMADAN)
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
