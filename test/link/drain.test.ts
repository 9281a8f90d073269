import t, { type Test } from 'tap'
import { type InboundRequest, type Listener, type RequestHandler, startListener } from '../../src/link/server.ts'
import { connectPeer, listenerOptions, Recorder } from './harness.ts'

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
