import fc from 'fast-check'
import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import type { Message } from '../../src/iso8583/message.ts'
import { writeFrame } from '../../src/link/framing.ts'
import { MessageMac } from '../../src/link/message-mac.ts'
import { DesKey } from '../../src/security/primitives/des.ts'
import { retailMac } from '../../src/security/primitives/mac.ts'
import { converse, dialectOf, dialogue, management, purchase } from './exchange-harness.ts'
import { macOf, sealed, TestMacModule } from './mac-module.ts'

const KEY = '0123456789abcdeffedcba9876543210'
const OTHER = '1111111111111111222222222222222f'
const keyed = () => new TestMacModule({ 'mak:test': [KEY] })

/** What came of the MAC of an answer, and where it was. */
function macFieldOf(answer: Message, key = KEY): string {
  const field = answer.has(128) ? 128 : 64
  const mac = answer.bytes(field)
  if (mac === undefined) return 'none'
  const covered = answer.buffer.subarray(answer.start, answer.fieldStart(field))
  return macOf(key, covered).equals(mac) ? `right in ${field}` : `wrong in ${field}`
}

t.test('the MAC of the tests is that of the program', async (t) => {
  for (const data of [Buffer.alloc(0), Buffer.from('Now is the time for all '), Buffer.from('0800 and more')]) {
    t.equal(macOf(KEY, data).toString('hex'), retailMac(new DesKey(Buffer.from(KEY, 'hex')), data, 1).toString('hex'))
  }
})

t.test('what is covered: the bytes on the wire from the message type to the MAC, and no others', async (t) => {
  // Written by hand from ISO 8583:1987; DE7, DE11, DE39 and DE64, then the same with DE70 and DE128.
  const wires = [
    ['iso87-ascii', `0810${'0220000002000001'}${'1111100000'}${'000001'}${'00'}`, 16],
    ['iso87-ascii', `0810${'8220000002000000'}${'0400000000000001'}${'1111100000'}${'000001'}${'00'}${'301'}`, 16],
  ] as const
  for (const [name, covered, digits] of wires) {
    const mac = macOf(KEY, Buffer.from(covered, 'latin1')).toString('hex').toUpperCase()
    const frame = Buffer.from(covered + mac, 'latin1')
    const dialect = dialectOf(name)
    const message = dialect.decode(frame)
    t.equal(message.failure, undefined)
    t.equal(new MessageMac(dialect, keyed(), 'test').check(message), undefined)
    t.equal(mac.length, digits)
  }
  const packed = Buffer.from(`0810${'0220000002000001'}${'1111100000'}${'000001'}${'3030'}`, 'hex')
  const dialect = dialectOf('iso87-bcd')
  const message = dialect.decode(Buffer.concat([packed, macOf(KEY, packed)]))
  t.equal(message.failure, undefined)
  t.equal(new MessageMac(dialect, keyed(), 'test').check(message), undefined)
})

for (const name of ['iso87-ascii', 'iso87-bcd']) {
  t.test(`${name}: a message with a right MAC is decided, and its answer carries one`, async (t) => {
    const link = await converse(t, dialogue(name, keyed()))
    link.send(sealed(link.dialect, '0100', purchase(), KEY))
    const answer = await link.next()
    t.equal(answer.text(39), '00')
    t.equal(macFieldOf(answer), 'right in 64')
    t.equal(link.approver.requests.length, 1)
    t.equal(link.approver.requests[0]?.stan, '000123')

    // DE90 is echoed: request and answer have a second bitmap, and their MAC in DE128.
    const original = purchase({ 90: `0200${'000122'}${'1111095959'}${'00000818001'}${'00000000000'}` })
    link.send(sealed(link.dialect, '0400', original, KEY, 128))
    const reversed = await link.next()
    t.equal(reversed.text(39), '00')
    t.equal(macFieldOf(reversed), 'right in 128')
    t.equal(link.approver.requests.length, 2)

    link.send(sealed(link.dialect, '0800', management('301'), KEY, 128))
    t.equal(macFieldOf(await link.next()), 'right in 128')
    t.strictSame(link.told.unauthentic, [])
  })

  t.test(`${name}: a MAC that is missing, wrong or misplaced is answered 63 and goes no further`, async (t) => {
    const link = await converse(t, dialogue(name, keyed()))
    const { dialect } = link
    const good = sealed(dialect, '0100', purchase(), KEY)
    const mac = dialect.decode(good).text(64) ?? ''
    const swapped = purchase({ 11: '120000', 12: '000123', 64: mac })
    const cases: [string, Buffer, string][] = [
      ['no MAC', dialect.encode('0100', purchase()), 'mac-missing'],
      ['another key', sealed(dialect, '0100', purchase(), OTHER), 'mac-wrong'],
      ['two fields swapped', dialect.encode('0100', swapped), 'mac-wrong'],
      ['another amount', dialect.encode('0100', purchase({ 4: '000000000101', 64: mac })), 'mac-wrong'],
      ['another message type', dialect.encode('0200', purchase({ 64: mac })), 'mac-wrong'],
      ['a field taken out', dialect.encode('0100', purchase({ 64: mac }).toSpliced(12, 1, undefined)), 'mac-wrong'],
      ['a MAC of zeros', dialect.encode('0100', purchase({ 64: '00'.repeat(8) })), 'mac-wrong'],
      ['in DE64 before other fields', dialect.encode('0100', purchase({ 64: mac, 102: '1' })), 'mac-missing'],
      ['in DE128 of another message', dialect.encode('0100', purchase({ 128: mac })), 'mac-wrong'],
      ['its last byte cut off', good.subarray(0, -1), 'mac-malformed'],
      ['half of it cut off', good.subarray(0, name === 'iso87-ascii' ? -8 : -4), 'mac-malformed'],
      ['all of it cut off', good.subarray(0, name === 'iso87-ascii' ? -16 : -8), 'mac-malformed'],
    ]
    for (const [what, body, reason] of cases) {
      link.send(body)
      const answer = await link.next()
      t.equal(answer.text(39), '63', what)
      t.equal(macFieldOf(answer), 'none', `${what}: nobody gets a refusal signed`)
      t.equal(link.told.unauthentic.at(-1), `test ${dialect.decode(body).mti} ${reason}`, what)
    }
    t.equal(link.approver.requests.length, 0)
    link.send(good)
    t.equal((await link.next()).text(39), '00', 'the true message comes after the forged ones')
    t.equal(link.approver.requests.length, 1)
  })

  t.test(`${name}: no single changed byte is let in`, async (t) => {
    const { dialect, exchange, approver } = dialogue(name, keyed())
    const good = sealed(dialect, '0100', purchase({ 52: '1122334455667788' }), KEY)
    const state = { id: 1, crowded: false, state: 'signed-on', setState: () => undefined } as const
    fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const frame = Buffer.from(good)
        frame[at] = (frame[at] as number) ^ change
        // Hex digits of the MAC mean the same in either case.
        fc.pre(name !== 'iso87-ascii' || at < good.length - 16 || change !== 0x20)
        exchange.handle({ frame, receivedAtMs: 0, link: state, reply: () => true, drop: () => undefined })
        return approver.requests.length === 0
      }),
      { numRuns: 2_000 },
    )
    const reply = () => true
    exchange.handle({ frame: good, receivedAtMs: 0, link: state, reply, drop: () => undefined })
    t.equal(approver.requests.length, 1, 'unchanged it is')
  })

  t.test(`${name}: frames in pieces and frames in one piece`, async (t) => {
    const link = await converse(t, dialogue(name, keyed()))
    const body = sealed(link.dialect, '0100', purchase(), KEY)
    const bad = Buffer.from(body)
    bad[bad.length - 1] = (bad.at(-1) as number) ^ 1
    const prefix = name === 'iso87-bcd' ? Buffer.from('6000010002', 'hex') : Buffer.alloc(0)
    const stream = Buffer.concat([body, bad].map((one) => writeFrame('len2', Buffer.concat([prefix, one]))))
    for (const byte of stream) {
      link.peer.socket.write(Buffer.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.strictSame([(await link.next()).text(39), (await link.next()).text(39)], ['00', '63'])
    link.send(body, bad, body, bad)
    const codes: (string | undefined)[] = []
    while (codes.length < 4) codes.push((await link.next()).text(39))
    t.strictSame(codes, ['00', '63', '00', '63'])
    t.equal(link.approver.requests.length, 3)
  })
}

t.test('digits of a MAC that are not hexadecimal', async (t) => {
  const link = await converse(t, dialogue('iso87-ascii', keyed()))
  const body = sealed(link.dialect, '0100', purchase(), KEY)
  body.write('G', body.length - 3, 'latin1')
  link.send(body)
  t.equal((await link.next()).text(39), '63')
  t.strictSame(link.told.unauthentic, ['test 0100 mac-malformed'])
})

t.test('a message that cannot be read is answered 30, unsigned', async (t) => {
  const link = await converse(t, dialogue('iso87-ascii', keyed()))
  link.send(link.dialect.encode('0100', purchase()).subarray(0, -20))
  const answer = await link.next()
  t.equal(answer.text(39), '30')
  t.equal(macFieldOf(answer), 'none')
  t.equal(link.approver.requests.length, 0)
})

t.test('every version of the key is accepted; the newest makes the answer', async (t) => {
  const module = new TestMacModule({ 'mak:test': [OTHER, KEY] })
  const link = await converse(t, dialogue('iso87-ascii', module))
  for (const key of [KEY, OTHER]) {
    link.send(sealed(link.dialect, '0100', purchase(), key))
    const answer = await link.next()
    t.equal(answer.text(39), '00')
    t.equal(macFieldOf(answer, OTHER), 'right in 64')
  }
})

t.test('a module that answers later', async (t) => {
  const module = keyed()
  module.isLate = true
  const link = await converse(t, dialogue('iso87-bcd', module))
  const good = (stan: string) => sealed(link.dialect, '0100', purchase({ 11: stan }), KEY)
  link.send(good('000001'), good('000002'), link.dialect.encode('0100', purchase({ 11: '000003' })), good('000004'))
  const answers = [await link.next(), await link.next(), await link.next(), await link.next()]
  // The buffer that answers are built in serves all of them: each must still be its own.
  const seen = answers.map((answer) => `${answer.text(11)} ${answer.text(39)} ${macFieldOf(answer)}`).sort()
  t.strictSame(seen, ['000001 00 right in 64', '000002 00 right in 64', '000003 63 none', '000004 00 right in 64'])
  t.equal(link.listener.links()[0]?.inFlight, 0)
})

t.test('a module that fails lets nothing in, and an answer that cannot be signed is not sent', async (t) => {
  for (const isLate of [false, true]) {
    const module = keyed()
    module.isLate = isLate
    const link = await converse(t, dialogue('iso87-ascii', module))
    const good = sealed(link.dialect, '0100', purchase(), KEY)
    module.failing = 'verify'
    link.send(good)
    const refused = await link.next()
    t.equal(refused.text(39), '96')
    t.equal(macFieldOf(refused), 'none')
    t.strictSame(link.told.unauthentic, ['test 0100 mac-failed'])
    t.equal(link.approver.requests.length, 0)

    module.failing = 'generate'
    link.send(good, link.dialect.encode('0100', purchase()))
    t.equal((await link.next()).text(39), '63', 'the answer to the second message')
    while (link.told.undecodable.length === 0) await new Promise((resolve) => setImmediate(resolve))
    t.match(link.told.undecodable, [/its answer cannot be made: the security module is away/])
    t.equal(link.approver.requests.length, 1)
    t.equal(link.listener.links()[0]?.inFlight, 0, 'nothing stays in flight')
  }
})

t.test('where the module answers at once the message is decided and answered in the same turn', async (t) => {
  const { dialect, exchange, approver } = dialogue('iso87-ascii', keyed())
  const replies: Buffer[] = []
  exchange.handle({
    frame: sealed(dialect, '0100', purchase(), KEY),
    receivedAtMs: 0,
    link: { id: 1, crowded: false, state: 'signed-on', setState: () => undefined },
    reply: (body) => replies.push(Buffer.from(body)) > 0,
    drop: () => undefined,
  })
  t.equal(approver.requests.length, 1)
  t.equal(replies.length, 1)
})

t.test('a link without a MAC key takes what brings one about, and nothing else', async (t) => {
  const module = new TestMacModule()
  const link = await converse(t, dialogue('iso87-ascii', module))
  for (const code of ['001', '301']) {
    const answer = await link.ask('0800', management(code))
    t.equal(answer.text(39), '00', code)
    t.equal(macFieldOf(answer), 'none')
  }
  t.equal((await link.ask('0800', management('101'))).text(39), '12', 'let in, but nobody takes keys here')
  t.equal((await link.ask('0800', management('002'))).text(39), '63')
  t.equal((await link.ask('0800', management('201'))).text(39), '63')
  t.equal((await link.ask('0100', purchase())).text(39), '63')
  link.send(sealed(link.dialect, '0100', purchase(), KEY))
  t.equal((await link.next()).text(39), '63')
  t.strictSame(link.told.unauthentic, [
    'test 0800 mac-missing',
    'test 0800 mac-missing',
    'test 0100 mac-missing',
    'test 0100 mac-no-key',
  ])

  module.keys.set('mak:test', [KEY])
  t.equal((await link.ask('0800', management('001'))).text(39), '63', 'with a key, a sign-on needs a MAC too')
  link.send(sealed(link.dialect, '0800', management('001'), KEY, 128))
  t.equal((await link.next()).text(39), '00')
  t.equal(link.approver.requests.length, 0)
})

t.test('an answer that nobody awaits is dropped, not refused', async (t) => {
  const link = await converse(t, dialogue('iso87-ascii', keyed()))
  link.send(link.dialect.encode('0110', purchase()), sealed(link.dialect, '0100', purchase(), KEY))
  t.equal((await link.next()).text(39), '00')
  t.strictSame(link.told.unauthentic, [])
})

t.test('where no MAC is required DE64 and DE128 are not looked at', async (t) => {
  const link = await converse(t, dialogue('iso87-ascii'))
  for (const more of [{}, { 64: '00'.repeat(8) }, { 128: 'ff'.repeat(8) }]) {
    const answer = await link.ask('0100', purchase(more))
    t.equal(answer.text(39), '00')
    t.equal(macFieldOf(answer), 'none')
  }
})

t.test('a dialect without DE64 cannot carry a MAC', async (t) => {
  t.throws(() => new MessageMac(dialectOf('visa-base1'), keyed(), 'visa'), MizanError)
})
