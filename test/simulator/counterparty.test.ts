import { test } from 'tap'
import { answerMti } from '../../src/authorization/mti.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import { startListener } from '../../src/link/server.ts'
import { Counterparty } from '../../src/simulator/counterparty.ts'
import { demoKeys } from '../../src/simulator/demo-keys.ts'
import { FingerprintReader } from '../../src/simulator/fingerprint-reader.ts'
import { MessageMac } from '../../src/simulator/message-mac.ts'
import { transaction } from '../../src/simulator/messages.ts'
import { ZonePinPad } from '../../src/simulator/pin-pad.ts'
import { rails } from '../../src/simulator/rails.ts'
import { listenerOptions } from '../link/harness.ts'

const card = { pan: '4000000000000002', expiry: '3012', track2: '4000000000000002=30122010000000000' }
const terminal = { acceptorId: 'MZS000000000001', terminalId: 'S0001001', mcc: '5311' }
const purchase = transaction('purchase', { card, terminal, amountPiasters: 100 })
const host = '127.0.0.1'

/** A listener that answers each message with the DE39 that `codeOf` names for its type; undefined = never. */
async function standIn(t: { teardown(work: () => unknown): unknown }, codeOf: (mti: string) => string | undefined) {
  const dialect = dialects['iso87-ascii']
  if (dialect === undefined) throw new Error('no dialect')
  const listener = await startListener(listenerOptions(), (request) => {
    const message = dialect.decode(request.frame)
    const code = codeOf(message.mti)
    if (code === undefined) {
      request.drop()
      return
    }
    const fields: (string | undefined)[] = []
    for (const de of [7, 11, 41]) fields[de] = message.text(de)
    fields[39] = code
    request.reply(dialect.encode(answerMti(message.mti), fields))
  })
  t.teardown(() => listener.close())
  return listener.port
}

const clock = { now: () => Date.parse('2026-11-11T10:00:00Z') }
const pos = (port: number, more: Partial<Parameters<typeof Counterparty.connect>[0]> = {}) =>
  Counterparty.connect({ rail: rails.pos, host, port, clock, firstStan: 999_997, ...more })

test('a counterparty counts its own STAN, RRN and DE7', async (t) => {
  const port = await standIn(t, () => '00')
  const link = await pos(port)
  t.teardown(() => link.close())
  t.equal(link.signedOn?.code, '00')
  const stamps = [1, 2].map(() => link.compose(purchase).stamps)
  t.same(
    stamps.map((one) => [one.stan, one.rrn, one.transmission, one.localDate, one.localTime]),
    [
      ['999999', '631510999999', '1111100000', '1111', '120000'],
      ['000001', '631510000001', '1111100000', '1111', '120000'],
    ],
    'the sign-on took one; after 999999 comes 1',
  )
  const { sent, answer } = await link.ask(purchase)
  t.same([answer.mti, answer.code, answer.text(11)], ['0210', '00', sent.stamps.stan])
  t.ok(answer.tookMs >= 0)
})

test('answers find their requests, whatever comes first', async (t) => {
  const port = await standIn(t, () => '00')
  const link = await pos(port)
  t.teardown(() => link.close())
  const sent = Array.from({ length: 20 }, () => link.compose(purchase))
  const answers = await Promise.all(sent.map((one) => link.send(one)))
  t.same(
    answers.map((answer) => answer.text(11)),
    sent.map((one) => one.stamps.stan),
  )
})

test('failures say what happened', async (t) => {
  await t.test('nobody listens', async (t) => {
    const port = await standIn({ teardown: (work) => work() }, () => '00')
    await t.rejects(pos(port), {
      code: 'LINK_CLOSED',
      message: /pos at 127.0.0.1:\d+: connect-failed .* is a switch running/,
    })
  })
  await t.test('the sign-on is refused', async (t) => {
    const port = await standIn(t, (mti) => (mti === '0800' ? '91' : '00'))
    await t.rejects(pos(port), { code: 'LINK_CLOSED', message: /sign-on was answered 91/ })
  })
  await t.test('no answer comes', async (t) => {
    const port = await standIn(t, (mti) => (mti === '0800' ? '00' : undefined))
    const link = await pos(port, { timeoutMs: 50 })
    t.teardown(() => link.close())
    await t.rejects(link.ask(purchase), { code: 'LINK_TIMEOUT' })
  })
  await t.test('the link goes down', async (t) => {
    const port = await standIn(t, () => '00')
    const link = await pos(port)
    link.close()
    await t.rejects(link.ask(purchase), { code: 'LINK_CLOSED' })
    t.notOk(link.fire(link.compose(purchase)))
  })
})

test('a repeat is the same message, field by field', async (t) => {
  const port = await standIn(t, () => '00')
  const link = await pos(port)
  t.teardown(() => link.close())
  const keys = demoKeys(1)
  const reader = new FingerprintReader('00000001', keys.biometric['00000001'] ?? '', 'S0001001', clock)
  const pin = new ZonePinPad(keys.zpk, 3).enter('1234', card.pan)
  const fingerprint = { reader, person: 'household 1', matched: true }
  const first = link.compose({ ...purchase, pin, fingerprint })
  const again = link.repeatOf(first)
  t.equal(again.mti, '0201')
  t.same(again.frame.subarray(4), first.frame.subarray(4), 'all but the message type')
  const anew = link.withStampsOf(first, { ...purchase, pin, fingerprint })
  t.notSame(anew.frame, first.frame, 'another reading of the finger has another nonce')
})

test('a link with a MAC key', async (t) => {
  const dialect = dialects['iso87-ascii']
  const keys = demoKeys(1)
  const mac = new MessageMac(keys.mak)
  const verdicts: string[] = []
  let seal = true
  const listener = await startListener(listenerOptions(), (request) => {
    if (dialect === undefined) throw new Error('no dialect')
    const message = dialect.decode(request.frame)
    verdicts.push(`${message.mti} ${mac.check(message, request.frame)}`)
    const fields: (string | undefined)[] = []
    for (const de of [7, 11, 41]) fields[de] = message.text(de)
    fields[39] = '00'
    const answer = answerMti(message.mti)
    request.reply(seal ? mac.encode(dialect, answer, fields) : dialect.encode(answer, fields))
  })
  t.teardown(() => listener.close())
  const link = await pos(listener.port, { mak: keys.mak })
  t.teardown(() => link.close())
  t.equal((await link.ask(purchase)).answer.mac, 'right')
  seal = false
  t.equal((await link.ask(purchase)).answer.mac, 'absent')
  t.same(verdicts, ['0800 right', '0200 right', '0200 right'], 'the sign-on too')
  const other = await pos(listener.port, { mak: keys.zpk })
  t.teardown(() => other.close())
  seal = true
  t.equal((await other.ask(purchase)).answer.mac, 'wrong')
  t.equal(verdicts.at(-1), '0200 wrong')
  await t.rejects(Counterparty.connect({ rail: rails.visa, host, port: listener.port, mak: keys.mak }), {
    code: 'ASSERTION_FAILED',
  })
})
