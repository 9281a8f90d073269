import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { FieldValues } from '../../src/iso8583/encode.ts'
import { formatVisaHeader, newVisaHeader, VISA_HEADER_BYTES } from '../../src/iso8583/visa-header.ts'
import { MessageMac } from '../../src/link/message-mac.ts'
import {
  type InboundRequest,
  type Link,
  type Listener,
  type RequestHandler,
  startListener,
} from '../../src/link/server.ts'
import { SignOffNotice } from '../../src/link/sign-off-notice.ts'
import { TPDU_BYTES } from '../../src/link/tpdu.ts'
import { dialectOf, dialogue } from './exchange-harness.ts'
import { connectPeer, listenerOptions, Recorder } from './harness.ts'
import { macOf, TestMacModule } from './mac-module.ts'

const KEY = '0123456789abcdeffedcba9876543210'

async function start(t: Test, handler: RequestHandler, overrides = {}): Promise<[Listener, Recorder]> {
  const recorder = new Recorder()
  const listener = await startListener(listenerOptions(overrides), handler, recorder.observer)
  t.teardown(() => listener.close())
  return [listener, recorder]
}

t.test('a drain answers what is in flight, processes nothing new, and closes', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener, recorder] = await start(t, (request) => waiting.push(request))
  const busy = await connectPeer(listener.port)
  const idle = await connectPeer(listener.port)
  busy.send('a', 'b')
  await recorder.next('connected')
  await recorder.next('connected')
  while (waiting.length < 2) await recorder.next('frameIn')

  const drained = listener.drain(60_000)
  await idle.gone
  t.strictSame((await recorder.next('disconnected')).slice(1), ['drained', 'all requests are answered'])
  t.strictSame(
    listener.links().map((link) => [link.state, link.inFlight]),
    [['draining', 2]],
  )
  await t.rejects(connectPeer(listener.port), { code: 'ECONNREFUSED' })
  busy.send('too late')
  await recorder.next('discarded')
  t.equal(waiting.length, 2)

  waiting[1]?.reply(Buffer.from('B'))
  t.equal(await busy.nextText(), 'B')
  waiting[0]?.reply(Buffer.from('A'))
  t.equal(await busy.nextText(), 'A')
  await drained
  await busy.gone
  t.equal(await recorder.nextClose(), 'drained')
})

t.test('at the deadline the rest is closed', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener, recorder] = await start(t, (request) => waiting.push(request))
  const peer = await connectPeer(listener.port)
  peer.send('never answered')
  await recorder.next('frameIn')
  await listener.drain(30)
  t.equal(await recorder.nextClose(), 'drain-deadline')
  t.equal(waiting[0]?.reply(Buffer.from('late')), false)
  await peer.gone
})

t.test('a peer that never closes its side does not hold the drain up to the deadline', async (t) => {
  const [listener, recorder] = await start(t, (request) => request.reply(request.frame))
  const peer = await connectPeer(listener.port, 'len2', true)
  peer.send('a')
  t.equal(await peer.nextText(), 'a')
  await listener.drain(60_000)
  t.strictSame((await recorder.next('disconnected')).slice(1), ['drained', 'the peer kept its side open'])
  peer.destroy()
})

t.test('the last answers reach a peer that keeps sending during the drain', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener, recorder] = await start(t, (request) => waiting.push(request), { maxInFlight: 10 })
  const peer = await connectPeer(listener.port)
  const bodies = Array.from({ length: 10 }, (_, index) => `request ${index}`)
  peer.send(...bodies)
  await recorder.next('paused')
  // Unread bytes wait in the socket: a plain close would reset the connection over them.
  peer.send(...Array.from({ length: 2_000 }, () => 'ignored'))
  const drained = listener.drain(60_000)
  for (const request of waiting) request.reply(request.frame)
  t.strictSame(await peer.texts(10), bodies)
  await drained
  t.equal(await recorder.nextClose(), 'drained')
  t.equal(waiting.length, 10)
})

t.test('drain and close may be called again, and close cuts a drain short', async (t) => {
  const [listener, recorder] = await start(t, () => {})
  const peer = await connectPeer(listener.port)
  peer.send('never answered')
  await recorder.next('frameIn')
  const drained = listener.drain(60_000)
  const again = listener.drain(60_000)
  await listener.close()
  await Promise.all([drained, again, listener.close(), peer.gone])
  t.equal(await recorder.nextClose(), 'closed')
})

t.test('close closes all sockets', async (t) => {
  const [listener] = await start(t, () => {})
  const peers = await Promise.all([1, 2, 3].map(() => connectPeer(listener.port)))
  await listener.close()
  await Promise.all(peers.map((peer) => peer.gone))
  t.strictSame(listener.links(), [])
})

t.test('a link is served until nothing has come for a while, and only then closed', async (t) => {
  const [listener, recorder] = await start(t, (request) => request.reply(request.frame))
  const peer = await connectPeer(listener.port)
  await recorder.next('connected')
  const drained = listener.drain(60_000, 400)
  // On their way when the drain began: each pause is shorter than the silence that ends a link.
  for (const text of ['a', 'b', 'c', 'd']) {
    peer.send(text)
    t.equal(await peer.nextText(), text, 'what still comes is answered')
    await sleep(40)
  }
  t.equal(listener.links()[0]?.state, 'draining')
  await t.rejects(connectPeer(listener.port), { code: 'ECONNREFUSED' })
  await peer.gone
  await drained
  t.strictSame((await recorder.next('disconnected')).slice(1), ['drained', 'all requests are answered'])
  t.equal(recorder.count('discarded'), 0)
})

t.test('a link that does not fall silent is closed in time, with all that was taken answered', async (t) => {
  const [listener, recorder] = await start(t, (request) => request.reply(request.frame))
  const peer = await connectPeer(listener.port)
  await recorder.next('connected')
  const sending = setInterval(() => peer.send('more'), 10)
  t.teardown(() => clearInterval(sending))
  const beganMs = performance.now()
  await listener.drain(200, 100)
  t.ok(performance.now() - beganMs < 3_000)
  t.equal(await recorder.nextClose(), 'drained')
  t.ok(recorder.count('frameOut') >= 5, 'it was served to the end')
  t.equal(recorder.count('frameOut') + recorder.count('discarded'), recorder.count('frameIn'))
})

t.test('silence within a frame ends no link', async (t) => {
  const [listener] = await start(t, (request) => request.reply(request.frame))
  const peer = await connectPeer(listener.port)
  peer.socket.write(Buffer.from([0, 3, 0x61]))
  await sleep(50)
  const drained = listener.drain(60_000, 60)
  await sleep(150)
  peer.socket.write(Buffer.from('bc'))
  t.equal(await peer.nextText(), 'abc')
  await drained
})

for (const [name, keyed] of [
  ['iso87-ascii', false],
  ['iso87-bcd', true],
  ['visa-base1', false],
] as const) {
  t.test(`${name}: peers that are signed on are told by a sign-off, and may answer it`, async (t) => {
    const dialect = dialectOf(name)
    const framing = name === 'visa-base1' ? 'visa' : 'len2'
    const mac = keyed ? new MessageMac(dialect, new TestMacModule({ 'mak:test': [KEY] }), 'test') : undefined
    const now = () => Date.UTC(2026, 10, 22, 10, 11, 12)
    const notice = new SignOffNotice({ dialect, stationId: '123456', now, ...(mac === undefined ? {} : { mac }) })
    const { exchange, told } = dialogue(name)
    const [listener, recorder] = await start(t, (request) => exchange.handle(request), {
      framing,
      tpdu: name === 'iso87-bcd',
      maxFrameBytes: 2_048,
      onDrain: (link: Link) => notice.send(link),
    })
    const peer = await connectPeer(listener.port, framing)
    await recorder.next('connected')
    const drained = listener.drain(60_000, 80)
    const before = name === 'visa-base1' ? VISA_HEADER_BYTES : name === 'iso87-bcd' ? TPDU_BYTES : 0
    const frame = await peer.next()
    const message = dialect.decode(frame, before)
    t.equal(message.failure, undefined)
    t.strictSame(
      [message.mti, message.text(70), message.text(7), message.text(11)],
      ['0800', '002', '1122101112', '000001'],
    )
    const covered = message.buffer.subarray(message.start, message.fieldStart(128))
    t.same(message.bytes(128), keyed ? macOf(KEY, covered) : undefined, 'under the MAC of the link')
    const head = frame.subarray(0, before)
    const fields: FieldValues = []
    for (const [de, value] of Object.entries({ 7: '1122101112', 11: '000001', 39: '00', 70: '002' }))
      fields[Number(de)] = value
    const body = dialect.encode('0810', fields)
    peer.send(
      name === 'visa-base1'
        ? Buffer.concat([formatVisaHeader(newVisaHeader('500001', '123456'), body.length), body])
        : Buffer.concat([head, body]),
    )
    await drained
    t.equal(await recorder.nextClose(), 'drained')
    t.strictSame(told.undecodable, [], 'the answer is no message that nobody awaits')
  })
}
