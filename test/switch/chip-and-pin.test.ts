import t from 'tap'
import { DukptPinPad, type PinPad, ZonePinPad } from '../../src/simulator/pin-pad.ts'
import { isAuthentic } from '../../src/simulator/presentment.ts'
import { Cardholder } from '../support/cardholder.ts'
import { startTestSwitch, type TestSwitch } from '../support/switch.ts'

const WAIT_MS = 60_000

t.test('chip and PIN on every dialect: the issuer knows the card, and the card its issuer', async (t) => {
  const on = await startTestSwitch(t)
  for (const rail of ['pos', 'atm', 'visa'] as const) {
    const versions = new Set<string>()
    for (let n = 0; n < 6; n++) {
      const holder = new Cardholder(on)
      const { sent, answer } = await holder.ask(rail)
      t.equal(answer.code, '00', `${rail}, ${holder.chip.version}`)
      t.ok(isAuthentic(holder.chip.receive(answer.chip), answer), 'the card takes the answer for its issuer’s')
      versions.add(String(holder.chip.version))
      const trace = JSON.stringify((await on.ledger(sent))?.trace)
      t.match(trace, /chip\.matched/, 'the trace says so')
      t.match(trace, /pin\.matched/)
      if (rail === 'visa') t.equal(answer.text(44), '5   1   2', 'the scheme learns the results')
    }
    t.equal(versions.size, 3, 'CVN 10, 18 and hex 22')
  }

  t.test('PIN blocks of format 3 and of DUKPT terminals', async (t) => {
    const { bdk, zpk } = on.world.keys
    const pads: Record<string, PinPad> = {
      'format 3': new ZonePinPad(zpk, 3),
      'TDES DUKPT': new DukptPinPad(bdk, 'FFFF9876543210E00000'),
    }
    for (const [what, pad] of Object.entries(pads)) {
      const holder = new Cardholder(on)
      holder.use(pad)
      t.equal((await holder.ask('pos')).answer.code, '00', what)
      t.equal((await holder.ask('pos', holder.wrongPin)).answer.code, '55', `${what}, wrong PIN`)
    }
  })

  t.test('a wrong PIN: 55, 55, 75; then the right one does not help, until it is reset', async (t) => {
    for (const rail of ['pos', 'visa'] as const) {
      const holder = new Cardholder(on)
      const codes: string[] = []
      for (let n = 0; n < 3; n++) codes.push((await holder.ask(rail, holder.wrongPin)).answer.code)
      codes.push((await holder.ask(rail)).answer.code)
      t.strictSame(codes, ['55', '55', '75', '75'], rail)
      for (let n = 0; n < 3; n++) holder.chip.checkPin(holder.wrongPin)
      t.equal(holder.chip.pinTriesLeft, 0, 'the chip has locked its own PIN too')
      await resetPin(on, holder)
      const { answer } = await holder.ask(rail)
      t.equal(answer.code, '00', 'reset')
      const taken = holder.chip.receive(answer.chip)
      t.equal(taken.authentication, 'right')
      t.strictSame(taken.script, [{ instruction: 0x24, done: true }], 'with a script for the chip')
      t.equal(holder.chip.pinTriesLeft, 3, 'which has its tries back')
      const next = await holder.ask(rail)
      t.strictSame(holder.chip.receive(next.answer.chip).script, [], 'once')
    }
  })

  t.test('DE53 says what the PIN block is, and is believed', async (t) => {
    const holder = new Cardholder(on)
    const said = async (control: string, rail: 'pos' | 'visa' = 'pos') => {
      const intent = holder.intent(rail)
      return (await on[rail].ask({ ...intent, override: { ...intent.override, 53: control } })).answer.code
    }
    for (const rail of ['pos', 'visa'] as const) {
      t.equal(await said('2001010100000000', rail), '00', `${rail}: zone key 1, ISO format 0`)
      t.equal(await said('0'.repeat(16), rail), '00', `${rail}: nothing`)
      for (const unknown of ['1001010100000000', '2002010100000000', '2001020100000000', '2001990100000000']) {
        t.equal(await said(unknown, rail), '30', `${rail}: ${unknown}`)
      }
    }
    t.equal(await said('2001030100000000'), '86', 'another format than the block has')
    t.equal(await said('2001040100000000'), '86', 'a format that the block is too short for')
    for (const index of ['00', '02', '03', '99']) t.equal(await said(`200101${index}00000000`), '86', `key ${index}`)
    t.equal(await said('2001010100000000'), '00', 'none of these was a wrong try')
    holder.use(new DukptPinPad(on.world.keys.bdk, 'FFFF9876543210E00000'))
    t.equal(await said('1001990900000000'), '00', 'a terminal with its own key says it in KS')
  })

  t.test('a right PIN forgives the wrong ones before it', async (t) => {
    const holder = new Cardholder(on)
    const codes: string[] = []
    for (const pin of [holder.wrongPin, holder.wrongPin, undefined, holder.wrongPin, holder.wrongPin]) {
      codes.push((await holder.ask('pos', pin)).answer.code)
    }
    t.strictSame(codes, ['55', '55', '00', '55', '55'])
  })

  t.test('tries and counters outlive the switch', async (t) => {
    const holder = new Cardholder(on)
    await holder.ask('pos', holder.wrongPin)
    await holder.ask('pos', holder.wrongPin)
    const used = holder.intent('pos')
    t.equal((await on.pos.ask(used)).answer.code, '00')
    await holder.ask('pos', holder.wrongPin)
    await holder.ask('pos', holder.wrongPin)
    await on.restart()
    t.equal((await holder.ask('pos', holder.wrongPin)).answer.code, '75', 'the third, counted over the restart')
    t.equal((await on.pos.ask(used)).answer.code, '82', 'a cryptogram that was used before it')
  })

  t.test('two messages of a card at once cannot share its last try', async (t) => {
    const holder = new Cardholder(on)
    await holder.ask('pos', holder.wrongPin)
    await holder.ask('pos', holder.wrongPin)
    const answers = await Promise.all(Array.from({ length: 8 }, () => holder.ask('pos', holder.wrongPin)))
    t.strictSame(new Set(answers.map(({ answer }) => answer.code)), new Set(['75']))
  })
})

async function resetPin(on: TestSwitch, holder: Cardholder): Promise<void> {
  const { rows } = await on.client.query<{ id: string }>(
    `insert into command_inbox (lane, kind, card_id, detail, requested_by)
     select lane, 'pin-reset', id, '{}', 'test' from card where id = $1 returning id`,
    [holder.household.id],
  )
  for (const deadlineMs = performance.now() + WAIT_MS; performance.now() < deadlineMs; ) {
    const { rows: done } = await on.client.query('select from command_inbox where id = $1 and done_id is not null', [
      rows[0]?.id,
    ])
    if (done.length === 1) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('the command was not carried out')
}
