import { type Test, test } from 'tap'
import type { Answer } from '../../src/simulator/counterparty.ts'
import {
  answerLines,
  type BasketLine,
  basketElements,
  basketPurchase,
  basketTotalPiasters,
  type Intent,
  reversalOf,
  transaction,
} from '../../src/simulator/messages.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch } from '../support/switch.ts'

const line = (product: string, pieces: number, unitPricePiasters: number): BasketLine => ({
  product,
  quantityThousandths: pieces * 1_000,
  unitPricePiasters,
})
const tea = (pieces: number) => line('TEA-40G', pieces, 500)
const oil = (pieces: number) => line('OIL-800ML', pieces, 3_000)
const shampoo = line('SHAMPOO', 1, 4_500)
/** Lines of an answer in short. */
const said = ({ message }: Answer) =>
  answerLines(message).map(({ product, quantityThousandths, reason }) => `${product} ${quantityThousandths} ${reason}`)
const drawn = (piasters: number) => [
  `subsidyRedemption: ration wallet ${-piasters}`,
  `subsidyRedemption: ration redeemed ${piasters}`,
]
const bought = (piasters: number) => [
  `purchase: postal account ${-piasters}`,
  `purchase: payable to outlet ${piasters}`,
]
const opened = (piasters: number) => [
  `entitlementIssue: ration funding ${-piasters}`,
  `entitlementIssue: ration wallet ${piasters}`,
]

test('baskets item by item', async (t) => {
  const world = await startTestSwitch(t, {
    households: 120,
    arrange: (client) => client.query("update outlet set partial_approval = true where governorate = 'LX'"),
  })
  const { pos } = world
  const scene = (wanted: { members?: number; governorate?: string } = {}) => {
    const home = world.household(wanted)
    const ask = { card: home.card, terminal: world.place('grocer', home.governorate) }
    const ration = home.wallets.ration ?? 0
    const money = home.postalAccount.balance
    const balances = async () => {
      const inquiry = transaction('inquiry', { card: home.card, terminal: world.place('atm', home.governorate) })
      const { answer } = await world.atm.ask(inquiry)
      return { ration: available(answer, '91'), money: available(answer, '20') }
    }
    return { home, ask, ration, money, balances }
  }
  const rowsOf = async (t: Test, id: number | undefined, expected: unknown[]) => {
    const { rows } = await world.client.query(
      'select line, product, granted::integer, granted_piasters::integer, reason from basket_line where authorization_id = $1 order by line',
      [id],
    )
    t.same(rows.map(Object.values), expected, 'its lines are in the ledger')
  }

  for (const rail of ['pos', 'atm', 'visa'] as const) {
    await t.test(`${rail}: every line granted`, async (t) => {
      const { ask, ration, home } = scene()
      const link = world[rail]
      const goods = [tea(2), line('CHEESE-125G', 3, 450)]
      const value = 2 * 500 + 3 * 450
      const expected = { code: '00', entries: [...opened(ration), ...drawn(value)] }
      const { sent, answer, row } = await expectExchange(t, world, link, basketPurchase(ask, goods), expected)
      t.same(said(answer), ['TEA-40G 2000 OK', 'CHEESE-125G 3000 OK'])
      const [own, other] = rail === 'visa' ? [104, 48] : [48, 104]
      t.ok(answer.message.has(own) && !answer.message.has(other))
      if (rail !== 'visa') t.equal(answer.text(48)?.length, 2 * (5 + 34), 'the lines and nothing else')
      await rowsOf(t, row?.id, [
        [1, 'TEA-40G', 2_000, 1_000, 'OK'],
        [2, 'CHEESE-125G', 3_000, 1_350, 'OK'],
      ])
      const repeated = await expectExchange(t, world, link, link.repeatOf(sent), {
        code: '00',
        commands: 1,
        moves: false,
      })
      t.same(repeated.answer.frame, answer.frame, 'a repeat gets the same bytes')
      const { rows } = await world.client.query(
        'select template, detail from notification where household_id = $1 order by id',
        [home.id],
      )
      const left = { amount: ration - value, unit: 'EGP' }
      const detail = { amount: { amount: value, unit: 'EGP' }, leftMonth: left }
      const told = [{ template: 'dispense', detail }, { template: 'old-card-stopped' }]
      t.match(rows, told, 'and the head of the household is told once')
      t.equal(rows.length, 2)
    })
  }

  await t.test('capped and unlisted goods: declined with the lines, and nothing is posted', async (t) => {
    const { ask, ration } = scene({ members: 2 })
    const goods = basketPurchase(ask, [oil(3), line('TEA-40G', 1, 501), shampoo])
    const { answer } = await expectExchange(t, world, pos, goods, { code: '51', result: 'insufficient' })
    t.same(said(answer), ['OIL-800ML 2000 CP', 'TEA-40G 0 NA', 'SHAMPOO 0 NA'])
    t.equal(available(answer, '91'), ration)
    await expectExchange(t, world, pos, basketPurchase(ask, [oil(1), oil(1)]), {
      code: '00',
      entries: [...opened(ration), ...drawn(6_000)],
    })
    const more = await expectExchange(t, world, pos, basketPurchase(ask, [oil(1)]), { code: '51' })
    t.same(said(more.answer), ['OIL-800ML 0 CP'], 'two a month for two')
  })

  await t.test('the rest comes from the postal account when the message asks for it', async (t) => {
    const { ask, ration, money, balances } = scene({ members: 1 })
    const goods = [oil(2), shampoo]
    const split = basketPurchase(ask, goods, { coPayment: 'A' })
    const entries = [...opened(ration), ...drawn(3_000), ...bought(7_500)]
    const { answer, sent, row } = await expectExchange(t, world, pos, split, { code: '00', entries })
    t.same(said(answer), ['OIL-800ML 1000 CP', 'SHAMPOO 0 NA'])
    t.same([available(answer, '91'), available(answer, '20')], [ration - 3_000, money - 7_500])
    t.equal(row?.approvedPiasters, basketTotalPiasters(goods))
    const back = await pos.ask(reversalOf(sent))
    t.equal(back.answer.code, '00')
    t.same(await balances(), { ration, money }, 'a reversal gives back goods and money')
    t.equal((await pos.ask(basketPurchase(ask, [oil(1)]))).answer.code, '00', 'and the cap')
  })

  await t.test('a split that the postal account cannot pay posts nothing', async (t) => {
    const { ask, money } = scene({ members: 1 })
    const dear = line('WASHER', 1, money + 1)
    const { answer } = await expectExchange(t, world, pos, basketPurchase(ask, [tea(1), dear], { coPayment: 'A' }), {
      code: '51',
      result: 'insufficient',
    })
    t.equal(available(answer, '20'), money)
    t.same(said(answer), ['TEA-40G 1000 OK', 'WASHER 0 NA'])
  })

  await t.test('a sum is split as well, and the wallet is used up first', async (t) => {
    const { ask, ration, money } = scene()
    const elements = [{ tag: 'CP', value: 'A' }]
    const sum = transaction('purchase', { ...ask, amountPiasters: ration + 700 }, { elements })
    const entries = [...opened(ration), ...drawn(ration), ...bought(700)]
    const { answer } = await expectExchange(t, world, pos, sum, { code: '00', entries })
    t.notOk(answer.message.has(48), 'no lines asked, no lines answered')
    t.same([available(answer, '91'), available(answer, '20')], [0, money - 700])
  })

  await t.test('an outlet that takes partial approvals gets what can be granted', async (t) => {
    const { ask, ration } = scene({ members: 1, governorate: 'LX' })
    const goods = [line('MILK-125G', 1, 2_550), tea(5)]
    const { answer } = await expectExchange(t, world, pos, basketPurchase(ask, goods), {
      code: '10',
      result: 'partially-approved',
      entries: [...opened(ration), ...drawn(2_550 + 4 * 500)],
    })
    t.same(said(answer), ['MILK-125G 1000 OK', 'TEA-40G 4000 WB'], 'whole pieces only')
    t.equal(answer.text(4), String(4_550).padStart(12, '0'))
    t.equal(available(answer, '91', '57'), 5_050)
  })

  await t.test('goods come back line by line: money to money, subsidy to the wallet, caps with it', async (t) => {
    const { ask, balances } = scene({ members: 1 })
    const { sent } = await pos.ask(basketPurchase(ask, [oil(2), tea(3), shampoo], { coPayment: 'A' }))
    const before = await balances()
    const refund = (...lines: BasketLine[]): Intent => {
      const asked = basketPurchase({ ...ask, from: '91', to: '91' }, lines, { kind: 'refund' })
      const { stan, transmission, acquirer } = sent.stamps
      return { ...asked, original: { mti: '0200', stan, transmission, acquirer } }
    }
    const first = await pos.ask(refund(oil(1)))
    t.equal(first.answer.code, '00')
    t.same(await balances(), { ration: before.ration, money: (before.money ?? 0) + 3_000 }, 'first what money paid')
    t.equal((await pos.ask(basketPurchase(ask, [oil(1)]))).answer.code, '51', 'the cap is still used')
    const second = await pos.ask(refund(oil(1), tea(1)))
    t.equal(second.answer.code, '00')
    t.same(await balances(), { ration: (before.ration ?? 0) + 3_500, money: (before.money ?? 0) + 3_000 })
    t.equal((await pos.ask(refund(oil(1)))).answer.code, '61', 'no bottle comes back twice')
    t.equal((await pos.ask(refund(line('JAM-350G', 1, 1_600)))).answer.code, '61', 'nor what was not bought')
    t.equal((await pos.ask({ ...refund(shampoo), processingCode: '202020' })).answer.code, '57', 'nor as money alone')
    t.equal((await pos.ask(basketPurchase(ask, [oil(1)]))).answer.code, '00', 'the cap is free again')
    const undone = await pos.ask(reversalOf(second.sent))
    t.equal(undone.answer.code, '51', 'so that the refund cannot be undone')
  })

  await t.test('a partial reversal gives the money back first', async (t) => {
    const { ask, balances, ration, money } = scene({ members: 1 })
    const { sent } = await pos.ask(basketPurchase(ask, [tea(2), shampoo], { coPayment: 'A' }))
    t.equal((await pos.ask(reversalOf(sent, { replacementPiasters: 400 }))).answer.code, '00')
    t.same(await balances(), { ration: ration - 400, money })
  })

  await t.test('what is wrong with the lines', async (t) => {
    const { ask } = scene()
    const cases: [string, Intent, string][] = [
      [
        'lines that do not come to DE4',
        transaction('purchase', { ...ask, amountPiasters: 501 }, { elements: basketElements([tea(1)]) }),
        '13',
      ],
      [
        'a line that is no line',
        transaction('purchase', { ...ask, amountPiasters: 500 }, { elements: [{ tag: 'IT', value: 'TEA' }] }),
        '30',
      ],
      [
        'more lines than an answer holds',
        basketPurchase(
          ask,
          Array.from({ length: 26 }, () => tea(1)),
        ),
        '30',
      ],
      [
        'an unknown tender',
        transaction('purchase', { ...ask, amountPiasters: 500 }, { elements: [{ tag: 'CP', value: 'B' }] }),
        '30',
      ],
    ]
    for (const [what, intent, code] of cases) {
      t.comment(what)
      const { answer } = await expectExchange(t, world, pos, intent, { code })
      t.notOk(answer.message.has(48))
    }
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
