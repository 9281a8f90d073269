import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MizanError } from '../../src/errors.ts'
import type { Message } from '../../src/iso8583/message.ts'
import { formatVisaHeader, newVisaHeader, VISA_HEADER_BYTES } from '../../src/iso8583/visa-header.ts'
import { checkValueIn, type KeyExchangeOutcome, neutralKeyFields } from '../../src/link/key-exchange.ts'
import { MessageMac } from '../../src/link/message-mac.ts'
import { type NetworkLink, startNetworkLink } from '../../src/link/network-link.ts'
import { type InboundRequest, startListener } from '../../src/link/server.ts'
import { converse, dialectOf, dialogue, management, purchase } from './exchange-harness.ts'
import { listenerOptions, Recorder } from './harness.ts'
import { macOf, sealed, TestMacModule } from './mac-module.ts'

const KEY = '0123456789abcdeffedcba9876543210'
const OTHER = '1111111111111111222222222222222f'
const BLOCK = `D0112P0TB00E0000${'8A'.repeat(48)}`

/** Opens a network link of our own to a port, with MACs by a module. */
function openLink(t: Test, port: number, dialectName: string, module?: TestMacModule, signOn = true) {
  const dialect = dialectOf(dialectName)
  const { exchange, approver, told } = dialogue(dialectName, module)
  const recorder = new Recorder()
  const mac = module === undefined ? undefined : new MessageMac(dialect, module, 'test')
  const link = startNetworkLink({
    client: {
      name: 'network',
      host: '127.0.0.1',
      port,
      framing: dialect.spec.header === 'visa' ? 'visa' : 'len2',
      maxFrameBytes: 2_048,
      maxOutboundBytes: 65_536,
      maxInFlight: 16,
      connectTimeoutMs: 5_000,
      backoff: { initialMs: 20, maxMs: 50, jitter: 0 },
    },
    dialect,
    exchange,
    signOn,
    timeoutMs: 5_000,
    observer: recorder.observer,
    now: () => Date.UTC(2026, 10, 11, 10),
    ...(mac === undefined ? {} : { mac }),
  })
  t.teardown(() => link.close())
  return { link, recorder, approver, told }
}

let stan = 500_000

/** Sends a key as the queue does. */
async function exchangeKey(link: NetworkLink, kind: 'zpk' | 'mak'): Promise<KeyExchangeOutcome> {
  const stamps = { 7: '1111100000', 11: String(++stan) }
  const answer = await link.ask({ mti: '0800', fields: { ...stamps, ...neutralKeyFields(kind, BLOCK) } }, 5_000)
  return { responseCode: answer.text(39) ?? '', checkValue: checkValueIn(answer) }
}

/** The network's end: keeps each 0800 and answers it as the test says. */
async function network(t: Test, dialectName: string, answerOf: (request: Message) => Buffer) {
  const dialect = dialectOf(dialectName)
  const hasHeader = dialect.spec.header === 'visa'
  const seen: Message[] = []
  const inbound: InboundRequest[] = []
  const framing = hasHeader ? 'visa' : 'len2'
  const listener = await startListener(listenerOptions({ framing, maxFrameBytes: 2_048 }), (request) => {
    inbound.push(request)
    const message = dialect.decode(request.frame, hasHeader ? VISA_HEADER_BYTES : 0)
    seen.push(message)
    if (message.mti === '0800') {
      const body = answerOf(message)
      const header = formatVisaHeader(newVisaHeader('818001', '500001'), body.length)
      request.reply(hasHeader ? Buffer.concat([header, body]) : body)
    } else request.drop()
  })
  t.teardown(() => listener.close())
  return { listener, seen, inbound, dialect }
}

function answerTo(request: Message, more: Readonly<Record<number, string>> = {}): (string | undefined)[] {
  const fields: (string | undefined)[] = []
  for (const de of [7, 11, 70]) fields[de] = request.text(de)
  fields[39] = '00'
  for (const [de, value] of Object.entries(more)) fields[Number(de)] = value
  return fields
}

function hasRightMac(message: Message): boolean {
  const mac = message.bytes(128)
  const covered = message.buffer.subarray(message.start, message.fieldStart(128))
  return mac !== undefined && macOf(KEY, covered).equals(mac)
}

for (const name of ['iso87-ascii', 'iso87-bcd']) {
  t.test(`${name}: with a key, our 0800 carries a MAC and its answer must`, async (t) => {
    const peer = await network(t, name, (request) => sealed(peer.dialect, '0810', answerTo(request), KEY, 128))
    for (const isLate of [false, true]) {
      const module = new TestMacModule({ 'mak:test': [KEY] })
      module.isLate = isLate
      const { link } = openLink(t, peer.listener.port, name, module)
      await link.whenUp()
      t.equal(peer.seen.at(-1)?.text(70), '001')
      t.ok(hasRightMac(peer.seen.at(-1) as Message))
      await link.drain(5_000)
      t.equal(peer.seen.at(-1)?.text(70), '002')
      t.ok(hasRightMac(peer.seen.at(-1) as Message))
    }
  })
}

t.test('an answer without a MAC, or with a wrong one, does not sign the link on', async (t) => {
  let key: string | undefined
  const peer = await network(t, 'iso87-ascii', (request) => {
    const fields = answerTo(request)
    return key === undefined ? peer.dialect.encode('0810', fields) : sealed(peer.dialect, '0810', fields, key, 128)
  })
  const { link, recorder } = openLink(t, peer.listener.port, 'iso87-ascii', new TestMacModule({ 'mak:test': [KEY] }))
  t.match((await recorder.next('reconnecting')).slice(3), ['sign-on-failed', /not authentic: mac-missing/])
  key = OTHER
  const failure = async () => (await recorder.next('reconnecting'))[4]
  while (!/mac-wrong/.test(await failure())) t.equal(link.state === 'up', false)
  key = KEY
  await link.whenUp()
})

t.test('before there is a key the link signs on without a MAC', async (t) => {
  const peer = await network(t, 'iso87-ascii', (request) => peer.dialect.encode('0810', answerTo(request)))
  const { link } = openLink(t, peer.listener.port, 'iso87-ascii', new TestMacModule())
  await link.whenUp()
  t.equal(peer.seen[0]?.has(128), false)
})

t.test("a network's requests on a link that requires a MAC", async (t) => {
  const peer = await network(t, 'iso87-ascii', (request) => sealed(peer.dialect, '0810', answerTo(request), KEY, 128))
  const { link, approver, told } = openLink(
    t,
    peer.listener.port,
    'iso87-ascii',
    new TestMacModule({ 'mak:test': [KEY] }),
  )
  await link.whenUp()
  const answered = async (body: Buffer) => {
    const before = peer.seen.length
    peer.inbound[0]?.link.send(body)
    while (peer.seen.length === before) await new Promise((resolve) => setImmediate(resolve))
    return peer.seen.at(-1)
  }
  t.equal((await answered(peer.dialect.encode('0100', purchase())))?.text(39), '63')
  t.equal(approver.requests.length, 0)
  t.strictSame(told.unauthentic, ['test 0100 mac-missing'])
  const approved = await answered(sealed(peer.dialect, '0100', purchase(), KEY))
  t.equal(approved?.text(39), '00')
  t.ok(approved?.has(64))
})

for (const name of ['iso87-ascii', 'iso87-bcd', 'visa-base1']) {
  t.test(`${name}: a key that we send, and the check value that comes back`, async (t) => {
    // Our own listener at the other end: both ends of the exchange are the program's.
    const taken: string[] = []
    const onKeyExchange = async (_link: string, kind: string, block: string): Promise<KeyExchangeOutcome> => {
      taken.push(`${kind} ${block}`)
      return { responseCode: '00', checkValue: 'A1B2C3' }
    }
    const server = dialogue(name, undefined, { onKeyExchange })
    const framing = server.dialect.spec.header === 'visa' ? 'visa' : 'len2'
    const listener = await startListener(listenerOptions({ framing, maxFrameBytes: 2_048 }), (request) =>
      server.exchange.handle(request),
    )
    t.teardown(() => listener.close())
    const { link } = openLink(t, listener.port, name)
    await link.whenUp()
    t.strictSame(await exchangeKey(link, 'zpk'), { responseCode: '00', checkValue: 'A1B2C3' })
    t.strictSame(taken, [`zpk ${BLOCK}`])
  })
}

t.test('a key exchange is authentic both ways; its answer may be under the new key already', async (t) => {
  const peer = await network(t, 'iso87-ascii', (request) =>
    // The peer has taken the new MAC key and answers under it.
    sealed(peer.dialect, '0810', answerTo(request, { 48: 'KC006D4E5F6' }), request.has(48) ? OTHER : KEY, 128),
  )
  const module = new TestMacModule({ 'mak:test': [KEY, OTHER] })
  const { link } = openLink(t, peer.listener.port, 'iso87-ascii', module)
  await link.whenUp()
  t.strictSame(await exchangeKey(link, 'mak'), { responseCode: '00', checkValue: 'D4E5F6' })
  t.ok(hasRightMac(peer.seen.at(-1) as Message), 'sent under the key that both have')
  module.keys.set('mak:test', [KEY])
  await t.rejects(exchangeKey(link, 'zpk'), { code: 'LINK_TIMEOUT', message: /not authentic/ })
})

t.test('no key goes out on a link that is not up', async (t) => {
  const { listener } = await converse(t, dialogue('iso87-ascii'))
  const { port } = listener
  await listener.close()
  const { link }: { link: NetworkLink } = openLink(t, port, 'iso87-ascii')
  await t.rejects(exchangeKey(link, 'zpk'), MizanError)
})

t.test('a drain signs off first, answers what the peer has asked, and closes when it is silent', async (t) => {
  const { listener, seen, inbound, dialect } = await network(t, 'iso87-ascii', (request) =>
    dialectOf('iso87-ascii').encode('0810', answerTo(request)),
  )
  const { link, approver, recorder } = openLink(t, listener.port, 'iso87-ascii')
  await link.whenUp()
  const held: (() => void)[] = []
  approver.submit = (request, _codes, respond) => {
    approver.requests.push(request)
    held.push(() => respond('approved', { 38: 'AB12CD', 39: '00' }))
    return true
  }
  const peer = inbound[0]?.link
  peer?.send(dialect.encode('0100', purchase()))
  while (held.length < 1) await recorder.next('frameIn')

  const drained = link.drain(60_000, 60)
  while (!seen.some((message) => message.text(70) === '002')) await sleep(5)
  // On its way when the sign-off came.
  peer?.send(dialect.encode('0100', purchase({ 11: '000124' })))
  while (held.length < 2) await recorder.next('frameIn')
  await sleep(150)
  t.equal(link.state, 'draining', 'a request that awaits its answer keeps the link open')
  for (const answer of held) answer()
  await drained
  t.equal(link.state, 'closed')
  t.equal(await recorder.nextClose(), 'drained')
  const answers = seen.filter((message) => message.mti === '0110').map((message) => message.text(11))
  t.same(answers, ['000123', '000124'], 'both requests were answered')
})

t.test('what the peer said over one connection does not hold for the next', async (t) => {
  const { listener, seen, inbound, dialect } = await network(t, 'iso87-ascii', (request) =>
    dialectOf('iso87-ascii').encode('0810', answerTo(request)),
  )
  const { link, approver, recorder } = openLink(t, listener.port, 'iso87-ascii')
  await link.whenUp()
  const answerOf = async (body: Buffer) => {
    const before = seen.length
    inbound.at(-1)?.link.send(body)
    while (seen.length === before) await sleep(1)
    return seen.at(-1)
  }
  t.equal((await answerOf(dialect.encode('0800', management('002'))))?.text(39), '00')
  t.equal((await answerOf(dialect.encode('0100', purchase())))?.text(39), '91', 'the peer has signed off')
  inbound.at(-1)?.link.close('test')
  await recorder.next('reconnecting')
  await link.whenUp()
  t.equal((await answerOf(dialect.encode('0100', purchase({ 11: '000124' }))))?.text(39), '00')
  t.equal(approver.requests.length, 1)
})

t.test('an answer goes out over the connection of its request, or not at all', async (t) => {
  const { listener, seen, inbound, dialect } = await network(t, 'iso87-ascii', (request) =>
    dialectOf('iso87-ascii').encode('0810', answerTo(request)),
  )
  const { link, approver, recorder, told } = openLink(t, listener.port, 'iso87-ascii')
  await link.whenUp()
  const held: (() => void)[] = []
  approver.submit = (_request, _codes, respond) => {
    held.push(() => respond('approved', { 38: 'AB12CD', 39: '00' }))
    return true
  }
  const isHeld = async (count: number) => {
    while (held.length < count) await sleep(1)
  }
  inbound.at(-1)?.link.send(dialect.encode('0100', purchase()))
  await isHeld(1)
  inbound.at(-1)?.link.close('test')
  await recorder.next('reconnecting')
  await link.whenUp()
  inbound.at(-1)?.link.send(dialect.encode('0100', purchase({ 11: '000124' })))
  await isHeld(2)
  for (const answer of held) answer()
  while (!seen.some((message) => message.mti === '0110')) await sleep(1)
  const answers = seen.filter((message) => message.mti === '0110').map((message) => message.text(11))
  t.strictSame(answers, ['000124'])
  t.strictSame(told.undelivered, ['test'], 'who waits for the other is told that there is none')
  await link.drain(5_000)
  t.equal(link.state, 'closed')
})
