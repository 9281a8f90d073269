import { test } from 'tap'
import type { WorldHousehold } from '../../src/simulator/demo-files.ts'
import { FingerprintReader } from '../../src/simulator/fingerprint-reader.ts'
import {
  answerLines,
  type BasketLine,
  basketPurchase,
  healthElements,
  transaction,
  unitDraw,
} from '../../src/simulator/messages.ts'
import { expectSoundLedger } from '../support/exchange-cases.ts'
import { entriesOf } from '../support/switch.ts'
import { raceForLastLoaves, racingHouseholds } from './last-loaves.ts'
import { cardInFile, loadHouseholds, requirementsWorld } from './requirements-world.ts'

const ROUNDS = 25
const OLD_CARD = { id: 5_001, governorate: 'PTS', members: 3 }
const nameOf = (en: string) => ({ en, ar: 'دعم' })

test('what a household gets, and how', async (t) => {
  const requirements = await requirementsWorld(t, { at: '2026-11-27T12:00:00+02:00', households: 90 })
  const { world, user, agreed, bread, balances } = requirements
  const { clock } = world
  const keys = world.world.keys
  const at = (instant: string) => {
    clock.nowMs = Date.parse(instant)
  }
  const balancesOf = ({ card, governorate }: WorldHousehold) => balances(card, governorate)
  const grocer = ({ card, governorate }: WorldHousehold) => ({ card, terminal: world.place('grocer', governorate) })
  const owned = [cardInFile(keys, 1, 'family'), cardInFile(keys, 2, 'ration')] as const
  const races = racingHouseholds(keys, 10_000, ROUNDS)
  const first = {
    household: OLD_CARD.id,
    governorate: OLD_CARD.governorate,
    oldRationCard: 'active',
    terms: [{ from: '2026-11-01', members: OLD_CARD.members, status: 'active' }],
    cards: owned.map(({ row }) => row),
    postalPiasters: 100_000,
  }
  const loaded = await loadHouseholds(world, [first, ...races.rows])
  t.match(loaded, `${ROUNDS + 1} households opened`, 'households with old cards are loaded')

  await t.test('M9: goods item by item up to the month’s caps, and the rest from the postal account', async (t) => {
    const home = world.household({ members: 5 })
    const before = await balancesOf(home)
    t.equal(before[91], 4 * 5_000 + 2_500, '50 pounds for each of the first four, 25 beyond')
    const line = (product: string, pieces: number, unitPricePiasters: number): BasketLine => ({
      product,
      quantityThousandths: pieces * 1_000,
      unitPricePiasters,
    })
    const goods = [line('OIL-800ML', 5, 3_000), line('SUGAR-1KG', 2, 1_260), line('SHAMPOO', 1, 4_500)]
    const whole = await world.pos.ask(basketPurchase(grocer(home), goods))
    t.equal(whole.answer.code, '51', 'a shop that cannot give less gets nothing')
    const split = await world.pos.ask(basketPurchase(grocer(home), goods, { coPayment: 'A' }))
    t.equal(split.answer.code, '00')
    t.same(
      answerLines(split.answer.message).map((one) => `${one.product} ${one.quantityThousandths} ${one.reason}`),
      ['OIL-800ML 4000 CP', 'SUGAR-1KG 2000 OK', 'SHAMPOO 0 NA'],
      'four bottles a card, and no shampoo',
    )
    const after = await balancesOf(home)
    t.equal(after[91], 22_500 - 4 * 3_000 - 2 * 1_260)
    t.equal(after[20], (before[20] ?? 0) - 3_000 - 4_500, 'the fifth bottle and the shampoo are the family’s own money')
    const { acceptorId } = world.place('grocer', home.governorate)
    t.equal((await user('operator').post(`/outlets/${acceptorId}`, { partialApproval: true })).status, 200)
    const part = await world.pos.ask(
      basketPurchase(grocer(home), [line('OIL-800ML', 1, 3_000), line('TEA-40G', 1, 500)]),
    )
    t.equal(part.answer.code, '10', 'a shop that can give less gives the tea')
    t.same(
      answerLines(part.answer.message).map(({ reason }) => reason),
      ['CP', 'OK'],
      'the month’s oil is used up',
    )
    t.equal((await balancesOf(home))[91], (after[91] ?? 0) - 500)
  })

  await t.test('M11: a finger opens the health cover; the family pays its share, up to the year’s cap', async (t) => {
    const home = world.household()
    const { card, governorate } = home
    const terminal = world.place('health', governorate)
    const [keyId = '', key = ''] = Object.entries(keys.biometric)[0] ?? []
    const reader = new FingerprintReader(keyId, key, terminal.terminalId, clock)
    const shown = { fingerprint: { reader, person: `household ${home.id}`, matched: true } }
    const cost = (costPiasters: number) => ({ elements: healthElements({ service: 'IN', costPiasters }) })
    const inquiry = async (costPiasters: number) => {
      const ask = transaction('eligibility', { card, terminal, from: '96' }, { ...shown, ...cost(costPiasters) })
      const { code, amounts } = (await world.pos.ask(ask)).answer
      const of = (type: string) => amounts.find(({ amountType }) => amountType === type)?.amount
      return { code, due: of('04'), capLeft: of('02') }
    }
    const visit = async (amountPiasters: number, costPiasters: number, finger: object = shown) => {
      const ask = transaction(
        'purchase',
        { card, terminal, from: '96', amountPiasters },
        { ...finger, ...cost(costPiasters) },
      )
      return (await world.pos.ask(ask)).answer.code
    }
    t.same(await inquiry(500_000), { code: '00', due: 25_000, capLeft: 48_200 }, 'five per cent')
    t.not(await visit(25_000, 500_000, {}), '00', 'no finger, no cover')
    const other = { fingerprint: { ...shown.fingerprint, matched: false } }
    t.not(await visit(25_000, 500_000, other), '00', 'nor with another’s')
    const before = (await balancesOf(home))[20] ?? 0
    t.not(await visit(24_999, 500_000), '00', 'the share is what the rule says')
    t.equal(await visit(25_000, 500_000), '00')
    t.same(await inquiry(1_000_000), { code: '00', due: 23_200, capLeft: 23_200 }, 'what is left of the year')
    t.equal(await visit(23_200, 1_000_000), '00')
    t.same(await inquiry(1_000_000), { code: '00', due: 0, capLeft: 0 })
    t.equal(await visit(0, 1_000_000), '00', 'covered whole from there on')
    t.equal((await balancesOf(home))[20], before - 48_200, 'from the postal account')
  })

  await t.test('M12: purchase, cash and a bill with its fee from the postal account', async (t) => {
    const home = world.household()
    const { card, governorate } = home
    const money = async () => (await balancesOf(home))[20] ?? 0
    const start = await money()
    const shop = { card, terminal: world.place('shop', governorate) }
    t.equal((await world.visa.ask(transaction('purchase', { ...shop, amountPiasters: 15_075 }))).answer.code, '00')
    const machine = { card, terminal: world.place('atm', governorate) }
    t.equal((await world.atm.ask(transaction('cash', { ...machine, amountPiasters: 20_000 }))).answer.code, '00')
    const bill = { card, terminal: { ...machine.terminal, mcc: '4900' }, amountPiasters: 12_345, from: '20' }
    const paid = await world.atm.ask(transaction('billPayment', bill))
    t.equal(paid.answer.code, '00')
    t.equal(entriesOf(await world.ledger(paid.sent)).filter((entry) => entry.startsWith('fee: ')).length, 2)
    const left = start - 15_075 - 20_000 - 12_345 - 500
    t.equal(await money(), left)
    t.equal((await world.visa.ask(transaction('purchase', { ...shop, amountPiasters: left + 1 }))).answer.code, '51')
    t.equal(
      (await world.atm.ask(transaction('cash', { ...machine, amountPiasters: 5_000, from: '91' }))).answer.code,
      '57',
    )
  })

  await t.test('M17: the first subsidised dispense stops the old ration card, in the same commit', async (t) => {
    const [family, old] = [owned[0].held, owned[1].held]
    const { governorate, members, id } = OLD_CARD
    t.equal((await bread(old, governorate, 4)).code, '00', 'the old card draws on the same wallets')
    const shop = world.place('shop', governorate)
    t.equal(
      (await world.pos.ask(transaction('purchase', { card: family, terminal: shop, amountPiasters: 100 }))).answer.code,
      '00',
    )
    t.equal((await bread(old, governorate, 1)).code, '00', 'a payment with the new one leaves it as it is')
    t.equal((await balances(family, governorate))[92], 5 * members - 5)
    const draw = { card: family, terminal: world.place('bakery', governorate), quantity: 1, pricePiasters: 20 }
    const { sent, answer } = await world.pos.ask(unitDraw(draw))
    t.equal(answer.code, '00')
    t.ok((await world.ledger(sent))?.trace.some(([code]) => code === 'old-card.stopped'))
    t.not((await bread(old, governorate, 1)).code, '00')
    t.match((await user('operator').get(`/households/${id}`)).body, { oldRationCard: 'stopped' })
    t.equal((await bread(family, governorate, 1)).code, '00')
    const { items } = (await user('operator').get(`/notifications?household=${id}`)).body
    const told = items.map(({ template }: { template: string }) => template)
    t.equal(told.filter((template: string) => template === 'old-card-stopped').length, 1, 'and the household is told')
  })

  await t.test('M19: a service is live where and from when two people say', async (t) => {
    const home = world.household({ governorate: 'ASN' })
    const draw = async () => (await bread(home.card, home.governorate, 1)).code
    t.equal(await draw(), '00')
    const rollout = { service: 'bread', governorate: 'ASN', liveFrom: '2026-11-28' }
    const asked = await user('operator').post('/change-requests', {
      kind: 'rollout-set',
      payload: rollout,
      reason: 'later',
    })
    const own = await user('operator').post(`/change-requests/${asked.body.changeId}/approve`, {})
    t.equal(own.status, 403, 'nobody agrees to what he asked for himself')
    t.equal(await draw(), '00')
    t.match(await agreed('rollout-set', rollout), /bread is live in ASN from 2026-11-28/)
    t.equal(await draw(), '57', 'not live today')
    const elsewhere = world.household({ governorate: 'LX' })
    t.equal((await bread(elsewhere.card, 'LX', 1)).code, '00', 'the others are as before')
    at('2026-11-28T00:00:01+02:00')
    t.equal(await draw(), '00', 'from its date on')
    at('2026-11-27T12:00:00+02:00')
    const { items } = (await user('auditor').get('/rollout/history?service=bread')).body
    t.match(items[0], { governorate: 'ASN', liveFrom: '2026-11-28', actor: /operator.*operator-2/ })
  })

  await t.test('M17, M23: two cards of a household race for its last loaves: one wins', async (t) => {
    const tally = await raceForLastLoaves(world, races.homes)
    t.same(tally, { rounds: ROUNDS, oneWinner: ROUNDS, otherwise: [] })
  })

  await t.test('M21: a kind of support that no code knows, from a file to the next message', async (t) => {
    const home = world.household({ governorate: 'SUZ', members: 4 })
    const meals = {
      code: 'school-meals',
      number: 41,
      version: 1,
      kind: 'wallet',
      name: nameOf('School meals'),
      effectiveFrom: '2026-11-27',
      cash: 'never',
      funding: { owner: 41, name: 'Ministry of Education' },
      accountCode: '97',
      unit: 'EGP',
      entitlement: { period: 'month', perHousehold: [{ membersUpTo: 3, amount: 4_000 }, { amount: 9_000 }] },
      atPeriodEnd: { action: 'expire' },
      outlets: { categories: ['grocer'] },
      partialApproval: true,
    }
    const buy = async (amountPiasters: number) => {
      const ask = { ...grocer(home), from: '97', amountPiasters }
      return (await world.pos.ask(transaction('purchase', ask))).answer.code
    }
    const operator = user('operator')
    t.not(await buy(1_000), '00', 'unknown so far')
    const wrong = await operator.post('/programmes/validate', {
      content: { ...meals, cash: 'sometimes', unit: 'GOLD' },
    })
    t.equal(wrong.body.valid, false)
    t.same(wrong.body.problems.map(({ path: where }: { path: string }) => where).sort(), ['cash', 'unit'])
    t.match((await operator.post('/programmes/validate', { content: meals })).body, { valid: true, problems: [] })
    t.equal((await operator.post('/programmes/school-meals/draft', { content: meals })).status, 200)
    const asked = await operator.post('/programmes/school-meals/versions/1/submit', { reason: 'decided' })
    t.equal(asked.status, 202)
    const approve = `/change-requests/${asked.body.changeId}/approve`
    t.equal((await operator.post(approve, {})).status, 403)
    t.match(
      await agreed('rollout-set', { service: 'school-meals', governorate: 'SUZ', liveFrom: '2026-11-27' }),
      /is live/,
    )
    t.not(await buy(1_000), '00', 'not before a second person agrees')
    t.match((await user('operator-2').post(approve, {})).body, { state: 'approved', result: /school-meals version 1/ })
    t.equal(await buy(2_500), '00', 'the very next message')
    t.equal((await balances(home.card, 'SUZ', '97'))[97], 9_000 - 2_500)
    const cash = { card: home.card, terminal: world.place('atm', 'SUZ'), from: '97', amountPiasters: 1_000 }
    t.equal((await world.atm.ask(transaction('cash', cash))).answer.code, '57', 'and never as cash')
    t.equal(await buy(6_500), '00')
    t.equal(await buy(1), '51')
  })

  await t.test('M21: a pension and the fee of a bill are data too', async (t) => {
    const home = world.household({ governorate: 'SUZ' })
    const { card, governorate } = home
    const money = async () => (await balancesOf(home))[20] ?? 0
    const start = await money()
    const pension = { householdId: home.id, programme: 'pension', month: 202_611, piasters: 150_000 }
    const people = { checker: 'settlement' }
    t.match(await agreed('benefit-credit', pension, people), /1,500.00 EGP of pension/)
    t.match(await agreed('benefit-credit', pension, people), /pension/, 'a month is paid once')
    t.equal(await money(), start + 150_000)
    const { content } = (await user('operator').get('/programmes/utility-bill')).body
    const next = {
      ...content,
      version: 2,
      effectiveFrom: '2026-11-27',
      payment: { ...content.payment, feePiasters: 700 },
    }
    t.equal((await user('operator').post('/programmes/utility-bill/draft', { content: next })).status, 200)
    const asked = await user('operator').post('/programmes/utility-bill/versions/2/submit', { reason: 'new fee' })
    await user('operator-2').post(`/change-requests/${asked.body.changeId}/approve`, {})
    const terminal = { ...world.place('atm', governorate), mcc: '4900' }
    const bill = transaction('billPayment', { card, terminal, amountPiasters: 10_000, from: '20' })
    t.equal((await world.atm.ask(bill)).answer.code, '00')
    t.equal(await money(), start + 150_000 - 10_700)
  })

  // From here on it is the next month.
  await t.test('M10: loaves of a day, points for those not drawn, and flour in place of bread', async (t) => {
    const home = world.household({ members: 4, governorate: 'PTS' })
    const baker = world.household({ members: 2, governorate: 'PTS' })
    const take = (quantity: number, days?: number) => {
      const draw = { card: home.card, terminal: world.place('bakery', 'PTS'), quantity, pricePiasters: 20 }
      return world.pos.ask(unitDraw(days === undefined ? draw : { ...draw, days }))
    }
    t.equal((await take(15)).answer.code, '00')
    t.equal((await balancesOf(home))[92], 5, 'five loaves for each of four')
    t.equal((await take(6)).answer.code, '51')
    t.equal((await take(25, 3)).answer.code, '65', 'four members draw two days ahead')
    t.equal((await take(25, 2)).answer.code, '00', 'the rest of today, and tomorrow’s')
    const flour = (card: WorldHousehold['card'], quantity: number) =>
      unitDraw({ card, terminal: world.place('bakery', 'PTS'), quantity, pricePiasters: 300, from: '93' })
    t.equal((await world.pos.ask(flour(home.card, 1))).answer.code, '51', 'bread was chosen for the month')
    t.equal((await world.pos.ask(flour(baker.card, 20))).answer.code, '00', 'ten kilograms a member')
    t.equal((await bread(baker.card, 'PTS', 1)).code, '51', 'flour was chosen for the month')

    at('2026-12-01T09:00:00+02:00')
    const points = (20 * 30 - 40) * 10
    const closed = await balancesOf(home)
    t.equal(closed[94], points, 'ten piasters for each loaf not drawn')
    t.equal(closed[92], 20)
    t.equal((await balancesOf(baker))[94] ?? 0, 0, 'flour leaves no points')
    t.equal((await bread(baker.card, 'PTS', 1)).code, '00', 'and the choice is open again')
    const machine = { card: home.card, terminal: world.place('atm', 'PTS'), amountPiasters: 5_000 }
    t.equal(
      (await world.atm.ask(transaction('cash', { ...machine, from: '94' }))).answer.code,
      '57',
      'points are no money',
    )
    const buy = (amountPiasters: number) =>
      world.pos.ask(transaction('purchase', { ...grocer(home), from: '94', amountPiasters }))
    t.equal((await buy(points)).answer.code, '00')
    t.equal((await buy(1)).answer.code, '51')
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
