import { type Test, test } from 'tap'
import type { WorldHousehold } from '../../src/simulator/demo-files.ts'
import { basketPurchase, type Intent, reversalOf, transaction, unitDraw } from '../../src/simulator/messages.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch } from '../support/switch.ts'

const DAY_MS = 86_400_000
const notThisCard = { code: '57', result: 'not-for-this-card' }
const ROUNDS = 12

test('several cards of one household', async (t) => {
  /** Each household has its own card, and two that the test takes from others for it. */
  const families: { home: WorldHousehold; device: WorldHousehold['card']; old: WorldHousehold['card'] }[] = []
  const world = await startTestSwitch(t, {
    households: 120,
    arrange: async (client, { households }) => {
      const ordinary = households.filter((one) => one.case === undefined)
      for (let index = 0; index + 2 < ordinary.length && families.length < ROUNDS + 8; index += 3) {
        const [home, device, old] = ordinary.slice(index, index + 3) as [WorldHousehold, WorldHousehold, WorldHousehold]
        families.push({ home, device: device.card, old: old.card })
        const give = 'update card set household_id = $1, kind = $2 where household_id = $3'
        await client.query(give, [home.id, 'device', device.id])
        await client.query(give, [home.id, 'ration', old.id])
      }
    },
  })
  const { pos, atm, visa, clock } = world
  const scene = () => {
    const family = families.pop()
    if (family === undefined) throw new Error('no family is left')
    const { home, device, old } = family
    const place = (category: Parameters<typeof world.place>[0]) => world.place(category, home.governorate)
    const bread = (card: WorldHousehold['card'], quantity: number, extra: object = {}): Intent =>
      unitDraw({ card, terminal: place('bakery'), quantity, pricePiasters: 20, ...extra })
    const pay = (card: WorldHousehold['card']) =>
      transaction('purchase', { card, terminal: place('shop'), amountPiasters: 1_000, from: '20' })
    return { home, family: home.card, device, old, bread, pay, place, quota: 5 * home.members }
  }
  const stateOf = async ({ id }: WorldHousehold) => {
    const { rows } = await world.client.query<{ state: string }>(
      'select old_ration_card as state from household where id = $1',
      [id],
    )
    return rows[0]?.state
  }

  await t.test('the old card draws goods and bread, and no money', async (t) => {
    const { home, old, bread, pay, place } = scene()
    t.equal((await pos.ask(bread(old, 1))).answer.code, '00')
    const goods = { card: old, terminal: place('grocer') }
    t.equal((await pos.ask(transaction('purchase', { ...goods, amountPiasters: 500 }))).answer.code, '00')
    t.equal(await stateOf(home), 'active', 'it stops nothing')
    const tea = { product: 'TEA-40G', quantityThousandths: 1_000, unitPricePiasters: 500 }
    const shampoo = { ...tea, product: 'SHAMPOO' }
    const refused: [string, Intent][] = [
      ['a payment', pay(old)],
      ['cash', transaction('cash', { card: old, terminal: place('atm'), amountPiasters: 5_000, from: '20' })],
      ['a co-payment', bread(old, 1, { coPayment: 'A' })],
      ['the rest of a basket', basketPurchase(goods, [tea, shampoo], { coPayment: 'A' })],
      ['health cover', transaction('purchase', { card: old, terminal: place('health'), amountPiasters: 500 })],
    ]
    for (const [what, intent] of refused) {
      t.comment(what)
      await expectExchange(t, world, pos, intent, notThisCard)
    }
    const inquiry = await atm.ask(transaction('inquiry', { card: old, terminal: place('atm') }))
    t.equal(inquiry.answer.code, '00')
    t.equal(available(inquiry.answer, '20'), undefined, 'nor does it see the postal account')
    t.ok((available(inquiry.answer, '91') ?? 0) > 0)
  })

  for (const by of ['family', 'device'] as const) {
    await t.test(`the first subsidised draw with the ${by} card stops the old one`, async (t) => {
      const { home, old, bread, pay, quota, ...cards } = scene()
      t.equal((await pos.ask(bread(old, 1))).answer.code, '00')
      t.equal((await pos.ask(pay(cards[by]))).answer.code, '00')
      t.equal(await stateOf(home), 'active', 'a payment is no dispense')
      const { sent } = await pos.ask(bread(cards[by], 1))
      t.equal(await stateOf(home), 'stopped')
      await expectExchange(t, world, pos, bread(old, 1), { code: '62', result: 'restricted-card' })
      t.equal((await pos.ask(reversalOf(sent))).answer.code, '00')
      await expectExchange(t, world, pos, bread(old, 1), { code: '62', result: 'restricted-card' })
      const rest = await pos.ask(bread(cards.device, quota - 1))
      t.same([rest.answer.code, available(rest.answer, '92')], ['00', 0], 'one quota for all its cards')
      t.equal((await pos.ask(bread(cards.family, 1))).answer.code, '51')
    })
  }

  await t.test('a telephone pays from the same account, and its card can be lost alone', async (t) => {
    const { device, family, pay, home } = scene()
    const { answer } = await pos.ask(pay(device))
    t.equal(available(answer, '20'), home.postalAccount.balance - 1_000)
    const { answer: own } = await visa.ask({ ...pay(family), mti: '0100' })
    t.equal(available(own, '20'), home.postalAccount.balance - 2_000)
  })

  const race = async (t: Test, second: 'device' | 'old') => {
    let wins = 0
    for (let round = 0; round < ROUNDS / 2; round++) {
      const cards = scene()
      const draws = [
        [pos, cards.bread(cards.family, cards.quota)],
        [atm, cards.bread(cards[second], cards.quota)],
      ] as const
      const ordered = round % 2 === 0 ? draws : [...draws].reverse()
      const answers = await Promise.all(ordered.map(async ([link, intent]) => (await link.ask(intent)).answer.code))
      const codes = answers.sort().join(' ')
      if (codes === '00 51' || (second === 'old' && codes === '00 62')) wins++
      else t.fail(`answered ${codes}`)
    }
    t.equal(wins, ROUNDS / 2, 'exactly one wins, every time')
  }
  await t.test('two cards race for the last loaves', (t) => race(t, 'device'))
  await t.test('a card and the old one race for the last loaves', (t) => race(t, 'old'))

  await t.test('bread given offline counts on its day; what was too much is recovered', async (t) => {
    const { family, bread, quota } = scene()
    const offline = (quantity: number, hoursAgo: number, sequence: number): Intent => {
      const drawn = new Date(clock.nowMs - hoursAgo * 3_600_000 + 2 * 3_600_000).toISOString().replaceAll(/\D/g, '')
      const draw = bread(family, quantity)
      const elements = [...(draw.elements ?? []), { tag: 'FL', value: String(sequence) }]
      return { ...draw, mti: '0220', elements, override: { 12: drawn.slice(8, 14), 13: drawn.slice(4, 8) } }
    }
    t.equal((await pos.ask(bread(family, quota))).answer.code, '00')
    clock.advance(DAY_MS)
    const late = await pos.ask(offline(3, 12, 1))
    t.equal(late.answer.code, '00', 'given yesterday, when nothing was left')
    const row = await world.ledger(late.sent)
    t.ok(
      row?.entries.every(({ period }) => period === 20261112),
      'taken from today',
    )
    t.equal((await pos.ask(bread(family, quota))).answer.code, '51')
    t.equal((await pos.ask(offline(1, 25, 2))).answer.code, '61', 'after more than a day it is too late')
    t.equal((await pos.ask(offline(13, 12, 3))).answer.code, '61', 'and there is a limit to a day')
    t.equal((await pos.ask(reversalOf(late.sent))).answer.code, '00')
    t.equal((await pos.ask(offline(13, 12, 4))).answer.code, '00', 'which a reversal frees')
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
