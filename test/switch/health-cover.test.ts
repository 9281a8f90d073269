import { test } from 'tap'
import { FingerprintReader } from '../../src/simulator/fingerprint-reader.ts'
import { completionOf, healthElements, type Intent, reversalOf, transaction } from '../../src/simulator/messages.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch } from '../support/switch.ts'

const CAP = 48_200

test('health cover', async (t) => {
  const exempt: number[] = []
  const world = await startTestSwitch(t, {
    households: 60,
    arrange: async (client) => {
      const { rows } = await client.query<{ id: string }>(
        "update household set classes = '{exempt-from-co-payment}' where id = 30 returning id",
      )
      exempt.push(...rows.map(({ id }) => Number(id)))
    },
  })
  const { pos, clock } = world
  const [keyId = '', key = ''] = Object.entries(world.world.keys.biometric)[0] ?? []
  const scene = (home = world.household()) => {
    const terminal = world.place('health', home.governorate)
    const reader = new FingerprintReader(keyId, key, terminal.terminalId, clock)
    const fingerprint = { reader, person: `household ${home.id}`, matched: true }
    const ask = { card: home.card, terminal, from: '96' }
    const visit = (amountPiasters: number, cost: Parameters<typeof healthElements>[0], cash = false): Intent => {
      const elements = [...healthElements(cost), ...(cash ? [{ tag: 'CP', value: 'C' }] : [])]
      return transaction('purchase', { ...ask, amountPiasters }, { fingerprint, elements })
    }
    const capLeft = async (service = 'IN') => {
      const inquiry = transaction('eligibility', ask, { fingerprint, elements: healthElements({ service }) })
      const { answer } = await pos.ask(inquiry)
      return answer.code === '00' ? available(answer, '96') : answer.code
    }
    return { home, ask, fingerprint, visit, capLeft, money: home.postalAccount.balance }
  }
  const paid = (piasters: number) => [
    `coPayment: postal account ${-piasters}`,
    `coPayment: payable to outlet ${piasters}`,
  ]

  await t.test('eligibility says what a cost would come to', async (t) => {
    const { ask, fingerprint } = scene()
    const elements = healthElements({ service: 'LB', costPiasters: 12_345 })
    const asked = transaction('eligibility', ask, { fingerprint, elements })
    const { answer } = await expectExchange(t, world, pos, asked, { code: '00' })
    t.equal(available(answer, '96', '04'), 1_235, '10 per cent, rounded half up')
    t.equal(available(answer, '96'), 120_400, 'of a year’s cap')
    const unknown = transaction('eligibility', ask, { fingerprint, elements: healthElements({ service: 'XX' }) })
    await expectExchange(t, world, pos, unknown, { code: '12', result: 'invalid-transaction' })
    const { code } = (await pos.ask(transaction('eligibility', ask, { elements }))).answer
    t.equal(code, '1A', 'no finger, no word')
  })

  await t.test('the share of the cost, to the piaster, up to the cap of the year', async (t) => {
    const { home, visit, capLeft, money, fingerprint } = scene()
    await expectExchange(t, world, pos, visit(2_499, { service: 'IN', costPiasters: 50_000 }), {
      code: '13',
      result: 'bad-amount',
    })
    const first = visit(2_500, { service: 'IN', costPiasters: 50_000 })
    const { answer, sent } = await expectExchange(t, world, pos, first, { code: '00', entries: paid(2_500) })
    t.equal(available(answer, '20'), money - 2_500)
    const told = 'select template, detail from notification where household_id = $1'
    const { rows } = await world.client.query(told, [home.id])
    t.same(rows, [{ template: 'account-debited', detail: { amount: 2_500, balance: money - 2_500 } }])
    t.equal(await capLeft(), CAP - 2_500)
    t.equal(await capLeft('RX'), 160_600, 'each service has its own')
    const most = visit(CAP - 2_500, { service: 'IN', costPiasters: 9_000_000 })
    await expectExchange(t, world, pos, most, { code: '00', entries: paid(CAP - 2_500) })
    await expectExchange(t, world, pos, visit(1, { service: 'IN' }), { code: '61', result: 'amount-limit' })
    await expectExchange(t, world, pos, visit(0, { service: 'IN', costPiasters: 70_000 }), { code: '00', moves: false })
    await expectExchange(t, world, pos, reversalOf(sent), {
      code: '00',
      entries: [`moneyReversal: payable to outlet -2500`, `moneyReversal: postal account 2500`],
    })
    t.equal(await capLeft(), 2_500, 'a reversal gives the cap back')
    const elsewhere = completionOf((await pos.ask(visit(1_000, { service: 'IN' }))).sent, 400, '0200')
    const refund = { ...elsewhere, processingCode: '209600', fingerprint }
    t.equal((await pos.ask(refund)).answer.code, '00')
    t.equal(await capLeft(), 1_900, 'and so does a refund, in part')
  })

  await t.test('paid in cash at the desk: counted, and nothing posted', async (t) => {
    const { visit, capLeft } = scene()
    const { sent } = await expectExchange(t, world, pos, visit(2_500, { costPiasters: 50_000 }, true), {
      code: '00',
      moves: false,
    })
    t.equal(await capLeft(), CAP - 2_500, 'a hospital’s category means inpatient care')
    await expectExchange(t, world, pos, reversalOf(sent), { code: '00', moves: false })
    t.equal(await capLeft(), CAP)
  })

  await t.test('who is exempt and what is free', async (t) => {
    const free = scene()
    const nothing = { code: '00', moves: false }
    await expectExchange(t, world, pos, free.visit(0, { service: 'ON', costPiasters: 9_000_000 }), nothing)
    await expectExchange(t, world, pos, free.visit(500, { service: 'CH' }), { code: '61' })
    const home = world.world.households.find(({ id }) => id === exempt[0])
    if (home === undefined) throw new Error('there is an exempt household')
    await expectExchange(t, world, pos, scene(home).visit(0, { service: 'IN', costPiasters: 50_000 }), nothing)
  })

  await t.test('a new year has its cap whole', async (t) => {
    const { visit, capLeft } = scene()
    t.equal((await pos.ask(visit(2_500, { costPiasters: 50_000 }))).answer.code, '00')
    clock.advance(Date.parse('2027-01-01T10:00:00+02:00') - clock.nowMs)
    t.equal(await capLeft(), CAP)
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
