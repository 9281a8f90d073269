import { test } from 'tap'
import { reversalOf, transaction } from '../../src/simulator/messages.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { startTestSwitch } from '../support/switch.ts'

const digits = (amount: number) => String(amount).padStart(12, '0')
/** USD 10.00, billed 490.00 pounds. */
const dollars = { 4: digits(1_000), 49: '840' }
const billed = { ...dollars, 6: digits(49_000), 51: '818' }

test('a withdrawal abroad comes back as it was billed', async (t) => {
  const world = await startTestSwitch(t, { households: 40 })
  const { visa } = world
  const withdraw = async () => {
    const home = world.household()
    const ask = { card: home.card, terminal: world.place('atm', home.governorate), amountPiasters: 1_000, from: '20' }
    const { answer, sent } = await visa.ask(transaction('cash', ask, { override: billed }))
    t.equal(answer.code, '00')
    return sent
  }
  const back = (piasters: number) => [
    `moneyReversal: cash clearing ${-piasters}`,
    `moneyReversal: postal account ${piasters}`,
  ]
  const replaced = { 95: digits(600).padEnd(42, '0') }

  await t.test('partial dispense: the share of the bill', async (t) => {
    const reversal = { ...reversalOf(await withdraw(), { mti: '0420' }), override: { ...billed, ...replaced } }
    await expectExchange(t, world, visa, reversal, { code: '00', entries: back(19_600) })
  })

  await t.test('without DE6 and 51, whole and in part', async (t) => {
    for (const [more, piasters] of [
      [{}, 49_000],
      [replaced, 19_600],
    ] as const) {
      const reversal = { ...reversalOf(await withdraw(), { mti: '0420' }), override: { ...dollars, ...more } }
      await expectExchange(t, world, visa, reversal, { code: '00', entries: back(piasters) })
    }
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
