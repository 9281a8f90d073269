import { connect as dial } from 'node:net'
import { test } from 'tap'
import { formatBitmapped } from '../../src/iso8583/composites.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { Sent } from '../../src/simulator/counterparty.ts'
import { completionOf, type Intent, reversalOf, transaction } from '../../src/simulator/messages.ts'
import { expectExchange, expectSoundLedger } from '../support/exchange-cases.ts'
import { available, startTestSwitch, type TestSwitch } from '../support/switch.ts'

const visa = dialects['visa-base1']
const back = (amount: number, payee = 'payable to outlet') => [
  `moneyReversal: ${payee} ${-amount}`,
  `moneyReversal: postal account ${amount}`,
]
const bought = (amount: number, payee = 'payable to outlet') => [
  `purchase: postal account ${-amount}`,
  `purchase: ${payee} ${amount}`,
]

/** Parts of a Visa field that is made of a bitmap and parts. */
function parts(de: 62 | 63, values: Readonly<Record<string, string>>): Record<number, string> {
  const spec = visa?.subfields(de)
  if (spec?.form !== 'bitmap') throw new Error(`DE${de} has no bitmap`)
  return { [de]: formatBitmapped(de, spec, new Map(Object.entries(values))).toString('hex') }
}

function scene(world: TestSwitch) {
  const home = world.household()
  const { card, governorate } = home
  const pay = (amountPiasters: number, mti = '0200', extra: Partial<Intent> = {}): Intent => ({
    ...transaction('purchase', { mti, card, terminal: world.place('shop', governorate), amountPiasters, from: '20' }),
    ...extra,
  })
  const balance = async () => {
    const asked = await world.pos.ask(transaction('inquiry', { card, terminal: world.place('atm', governorate) }))
    return available(asked.answer, '20')
  }
  return { home, pay, balance }
}

/** Sends a message over a link of its own that is gone before it can be answered; resolves when it is in the journal. */
async function sendAndVanish(world: TestSwitch, sent: Sent): Promise<void> {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(sent.frame.length)
  const socket = dial(world.ports.ascii, '127.0.0.1')
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write(Buffer.concat([head, sent.frame]), () => socket.resetAndDestroy())
  for (const deadline = Date.now() + 60_000; (await world.ledger(sent)) === undefined; ) {
    if (Date.now() > deadline) throw new Error('the message never came to the journal')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function undelivered(world: TestSwitch): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${world.ports.http}/metrics`)).text()
  return Number(/^mizan_undelivered_answers_total\{link="ascii"\} (\d+)/m.exec(page)?.[1] ?? 0)
}

test('the life of a message', async (t) => {
  const world = await startTestSwitch(t, { config: { log: { level: 'silent' } } })

  await t.test('an answer that nobody was there for is kept, and found by the repeat', async (t) => {
    const { pay, home, balance } = scene(world)
    const sent = world.pos.compose(pay(1_300))
    await sendAndVanish(world, sent)
    const row = await world.ledger(sent)
    t.match(row, { result: 'approved', responseCode: '00' })
    const repeated = { code: '00', commands: 1, moves: false }
    const first = await expectExchange(t, world, world.pos, world.pos.repeatOf(sent), repeated)
    const again = await expectExchange(t, world, world.pos, world.pos.repeatOf(sent), repeated)
    t.same(again.answer.frame, first.answer.frame, 'byte for byte')
    t.equal(await balance(), home.postalAccount.balance - 1_300, 'and it was posted once')
    t.ok((await undelivered(world)) >= 1, 'it is counted')
  })

  await t.test('and by the reversal', async (t) => {
    const { pay, home, balance } = scene(world)
    const sent = world.pos.compose(pay(1_700))
    await sendAndVanish(world, sent)
    await expectExchange(t, world, world.pos, reversalOf(sent, { mti: '0420' }), { code: '00', entries: back(1_700) })
    const repeated = { code: '00', commands: 1, moves: false }
    await expectExchange(t, world, world.pos, world.pos.repeatOf(sent), repeated)
    t.equal(await balance(), home.postalAccount.balance)
  })

  for (const rail of ['pos', 'visa'] as const) {
    const link = world[rail]
    const payee = rail === 'visa' ? 'card scheme clearing' : 'payable to outlet'
    const transactionId = '412345678901234'
    const capture = (sequence: string, count: string): Partial<Intent> =>
      rail === 'visa'
        ? { override: parts(62, { 2: transactionId, 11: sequence, 12: count }) }
        : { elements: [{ tag: 'MC', value: `${sequence}${count}` }] }

    await t.test(`${rail}: a hold is captured three times, and the rest is free`, async (t) => {
      const { pay, home, balance } = scene(world)
      const { sent } = await link.ask(pay(9_000, '0100'))
      for (const sequence of ['01', '02']) {
        const message = { ...completionOf(sent, 2_000), ...capture(sequence, '03') }
        await expectExchange(t, world, link, message, { code: '00', entries: bought(2_000, payee) })
        t.equal(await balance(), home.postalAccount.balance - 9_000, 'what is left stays held')
      }
      const last = { ...completionOf(sent, 2_000), ...capture('03', '03') }
      const third = await expectExchange(t, world, link, last, { code: '00', entries: bought(2_000, payee) })
      t.equal(await balance(), home.postalAccount.balance - 6_000)
      await expectExchange(t, world, link, reversalOf(third.sent), { code: '00', entries: back(2_000, payee) })
      const rest = [...back(2_000, payee), ...back(2_000, payee)]
      await expectExchange(t, world, link, reversalOf(sent), { code: '00', entries: rest })
      t.equal(await balance(), home.postalAccount.balance)
      const odd = { ...completionOf(sent, 2_000), ...capture('04', '03') }
      await expectExchange(t, world, link, odd, { code: '30', result: 'format-error' })
    })

    await t.test(`${rail}: a reversal without DE90 before its original`, async (t) => {
      const { pay, home, balance } = scene(world)
      const { balance: before } = home.postalAccount
      const late = link.compose({ ...pay(4_100), transactionId: '498765432109876' })
      const early = { ...reversalOf(late, { namesOriginal: false }), rrn: late.stamps.rrn }
      await expectExchange(t, world, link, early, { code: '25', result: 'original-not-found' })
      // Both at once: the original waits until the reversal is in the journal.
      const other = link.compose(pay(4_200))
      const reversal = link.compose({ ...reversalOf(other, { namesOriginal: false }), rrn: other.stamps.rrn })
      const answers = await Promise.all([link.send(reversal), link.send(other)])
      t.same(
        answers.map(({ code }) => code),
        ['25', '94'],
      )
      await world.restart()
      await expectExchange(t, world, world[rail], late, { code: '94', result: 'duplicate-other-content' })
      await expectExchange(t, world, world[rail], pay(4_100), { code: '00', entries: bought(4_100, payee) })
      t.equal(await balance(), before - 4_100, 'another purchase of that amount is another purchase')
    })
  }

  await t.test(
    'visa: completions and reversals without DE90 mean the hold, and the capture of their amount',
    async (t) => {
      const { visa: link } = world
      const payee = 'card scheme clearing'
      const { pay, home, balance } = scene(world)
      const { balance: before } = home.postalAccount
      const transactionId = '423456789012345'
      const identified = (intent: Intent, sequence?: string): Intent => {
        const { original: _original, ...unnamed } = intent
        const values = { 2: transactionId, ...(sequence === undefined ? {} : { 11: sequence, 12: '02' }) }
        return { ...unnamed, override: parts(62, values) }
      }
      const { sent } = await link.ask(identified(pay(9_000, '0100')))
      const first = await expectExchange(t, world, link, identified(completionOf(sent, 2_000), '01'), {
        code: '00',
        entries: bought(2_000, payee),
      })
      t.equal(await balance(), before - 9_000, 'what is left stays held')
      await expectExchange(t, world, link, identified(completionOf(sent, 4_000), '02'), {
        code: '00',
        entries: bought(4_000, payee),
      })
      t.equal(await balance(), before - 6_000, 'the second is of the hold too')
      await expectExchange(t, world, link, identified(completionOf(sent, 4_000)), {
        code: '21',
        result: 'already-reversed',
      })
      await expectExchange(t, world, link, identified(reversalOf(first.sent)), {
        code: '00',
        entries: back(2_000, payee),
      })
      t.equal(await balance(), before - 4_000, 'a reversal gives back the capture of its amount')
      await expectExchange(t, world, link, identified(reversalOf(sent)), { code: '00', entries: back(4_000, payee) })
      t.equal(await balance(), before, 'and that of the hold what is left')
    },
  )

  await t.test('an advice says what was decided elsewhere', async (t) => {
    const { pay, home, balance } = scene(world)
    const refused = { ...pay(500, '0220'), override: { 39: '51' } }
    await expectExchange(t, world, world.pos, refused, { code: '00', moves: false })
    const { balance: before } = home.postalAccount
    const told = { ...pay(before + 700, '0120'), override: { 39: '00' } }
    const entries = ['overdraftAdvance: advanced to household -700', 'overdraftAdvance: postal account 700']
    const stood = await expectExchange(t, world, world.visa, told, { code: '00', holds: 1, entries })
    t.equal(await balance(), 0)
    const { rows } = await world.client.query('select owed::int from household_debt where household_id = $1', [home.id])
    t.same(rows, [{ owed: 700 }])
    const recovery = ['overdraftRecovery: postal account -700', 'overdraftRecovery: advanced to household 700']
    const reason = { ...reversalOf(stood.sent), override: parts(63, { 1: '0002', 3: '2501' }) }
    const { row } = await expectExchange(t, world, world.visa, reason, { code: '00', entries: recovery })
    const trace = await world.client.query('select trace from authorization_journal where id = $1', [row?.id])
    t.match(trace.rows, [{ trace: /"reversal.reason","2501"/ }], 'and why it was reversed')
    t.equal(await balance(), before)
  })

  await t.test('totals of an acquirer: asked for, agreed, denied, repeated', async (t) => {
    const { pay } = scene(world)
    world.clock.advance(86_400_000)
    const { sent } = await world.pos.ask(pay(3_000))
    await world.pos.ask(pay(1_000))
    await world.pos.ask(reversalOf(sent))
    const terminal = { acceptorId: '', terminalId: '', mcc: '' }
    const { card } = world.household()
    const about = (mti: string, said: Readonly<Record<number, string>>) =>
      world.pos.compose({
        mti,
        card,
        processingCode: '000000',
        terminal,
        override: {
          2: undefined,
          3: undefined,
          4: undefined,
          14: undefined,
          35: undefined,
          41: undefined,
          42: undefined,
          ...said,
        },
      })
    const asked = await world.pos.send(about('0500', {}))
    const number = (de: number) => Number(asked.text(de)?.replace(/^[CD]/, ''))
    t.match(asked, { mti: '0510', code: '00' })
    t.same([asked.text(66), asked.text(50), asked.text(15)], [undefined, '818', '1112'])
    t.same([74, 75, 76, 77].map(number), [0, 0, 2, 1])
    t.same([86, 87, 88, 89, 97].map(number), [0, 0, 4_000, 3_000, 1_000])
    t.equal(asked.text(97)?.[0], 'C', 'due to the acquirer')
    const own = Object.fromEntries([74, 75, 76, 77, 86, 87, 88, 89, 97].map((de) => [de, asked.text(de) ?? '']))
    t.equal((await world.pos.send(about('0520', own))).text(66), '1')
    const otherwise = about('0520', { ...own, 76: '0000000003' })
    const denied = await world.pos.send(otherwise)
    t.same([denied.mti, denied.code, denied.text(66), denied.text(76)], ['0530', '00', '2', '0000000002'])
    await world.pos.ask(pay(900))
    const again = await world.pos.send(world.pos.repeatOf(otherwise))
    t.same(again.frame, denied.frame, 'a repeat gets the first answer')
    const yesterday = await world.pos.send(about('0500', { 15: '1111' }))
    t.ok(Number(yesterday.text(76)) > 2, 'the day before')
    t.equal((await world.pos.send(about('0500', { 15: '1341' }))).code, '30')
    const { rows } = await world.client.query('select agrees from acquirer_reconciliations order by id')
    t.same(
      rows.map(({ agrees }) => agrees),
      [null, true, false, null],
    )
  })

  await t.test('a reversal after the business day was closed is posted in the new one', async (t) => {
    const { pay } = scene(world)
    const { sent } = await world.pos.ask(pay(2_100))
    world.clock.advance(12 * 3_600_000)
    const { row } = await expectExchange(t, world, world.pos, reversalOf(sent), { code: '00', entries: back(2_100) })
    const original = await world.ledger(sent)
    const { rows } = await world.client.query<{ days: number }>(
      `select (max(business_date) - min(business_date)) as days from transfer where group_id = any ($1::bigint[])`,
      [[row?.id, original?.id]],
    )
    t.same(rows, [{ days: 1 }])
  })

  await t.test('the ledger is sound', (t) => expectSoundLedger(t, world))
})
