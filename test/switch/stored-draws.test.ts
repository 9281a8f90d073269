import { test } from 'tap'
import { type Intent, reversalOf, transaction, unitDraw } from '../../src/simulator/messages.ts'
import { expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch } from '../support/switch.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

test('what a terminal stored is taken once, under however many STANs it comes', async (t) => {
  const world = await startTestSwitch(t, { households: 40 })
  const { clock } = world
  const scene = () => {
    const home = world.household({ members: 4 })
    const terminal = world.place('bakery', home.governorate)
    const stored = (intent: Intent, sequence: number, drawnMs: number): Intent => {
      const drawn = new Date(drawnMs + 2 * HOUR_MS).toISOString().replaceAll(/\D/g, '')
      const elements = [...(intent.elements ?? []), { tag: 'FL', value: String(sequence) }]
      return { ...intent, mti: '0220', elements, override: { 12: drawn.slice(8, 14), 13: drawn.slice(4, 8) } }
    }
    const bread = (quantity: number, sequence: number, drawnMs = clock.nowMs - HOUR_MS, where = terminal) =>
      stored(unitDraw({ card: home.card, terminal: where, quantity, pricePiasters: 20 }), sequence, drawnMs)
    const ask = async (intent: Intent) => {
      const { sent, answer } = await world.pos.ask(intent)
      return { sent, code: answer.code, approval: answer.text(38) }
    }
    const left = async (account: '92' | '20') => {
      const inquiry = transaction('inquiry', { card: home.card, terminal: world.place('atm', home.governorate) })
      return available((await world.atm.ask(inquiry)).answer, account) ?? Number.NaN
    }
    return { home, terminal, bread, stored, ask, left }
  }

  await t.test('again, several at once, and after a restart', async (t) => {
    const { bread, ask, left } = scene()
    const before = await left('92')
    const draw = bread(4, 17)
    const [first, ...others] = await Promise.all([ask(draw), ask(draw), ask(draw)])
    for (const again of [...others, await ask(draw)]) {
      t.same([again.code, again.approval], ['00', first?.approval], 'the answer of the first')
    }
    await world.restart()
    t.equal((await ask(draw)).approval, first?.approval)
    t.equal(await left('92'), before - 4)
    t.not((await ask(bread(4, 18))).approval, first?.approval, 'another sequence is another draw')
    t.not((await ask(bread(2, 17))).approval, first?.approval, 'and so is another quantity')
    t.equal(await left('92'), before - 10)
  })

  await t.test('a terminal of another outlet has a sequence of its own', async (t) => {
    const { home, terminal, bread, ask } = scene()
    const outlets = world.world.outlets.filter(
      (one) => one.category === 'bakery' && one.governorate === home.governorate,
    )
    const elsewhere = outlets.find((one) => one.acceptorId !== terminal.acceptorId)
    const there = { ...terminal, acceptorId: elsewhere?.acceptorId ?? '', terminalId: elsewhere?.terminals[0] ?? '' }
    const first = await ask(bread(3, 5))
    const other = await ask(bread(3, 5, undefined, there))
    t.same([first.code, other.code], ['00', '00'])
    t.not(first.approval, other.approval)
  })

  await t.test('a payment that was stored', async (t) => {
    const { home, stored, ask, left } = scene()
    const shop = world.place('shop', home.governorate)
    const intent = transaction('purchase', { card: home.card, terminal: shop, amountPiasters: 700, from: '20' })
    const before = await left('20')
    for (let round = 0; round < 2; round++) t.equal((await ask(stored(intent, 3, clock.nowMs - HOUR_MS))).code, '00')
    t.equal(await left('20'), before - 700)
  })

  await t.test('a reversal ends it for good; what was refused may be asked for again', async (t) => {
    const { bread, ask, left } = scene()
    const before = await left('92')
    const first = await ask(bread(13, 1))
    const over = bread(8, 2)
    t.same([first.code, (await ask(over)).code], ['00', '61'], 'beyond the day’s limit')
    t.equal((await ask(reversalOf(first.sent))).code, '00')
    t.equal((await ask(bread(13, 1))).approval, first.approval, 'told before, and nothing is drawn')
    t.equal(await left('92'), before)
    t.equal((await ask(over)).code, '00')
    t.equal(await left('92'), before - 8)
  })

  await t.test('days later, and a sequence that begins anew', async (t) => {
    const { bread, ask } = scene()
    const drawnMs = clock.nowMs - HOUR_MS
    const first = await ask(bread(2, 1, drawnMs))
    clock.advance(2 * DAY_MS)
    t.equal((await ask(bread(2, 1, drawnMs))).approval, first.approval, 'too late for what was never sent')
    clock.advance(4 * DAY_MS)
    const anew = await ask(bread(2, 1))
    t.equal(anew.code, '00')
    t.not(anew.approval, first.approval)
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
