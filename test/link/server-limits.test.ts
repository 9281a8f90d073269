import t, { type Test } from 'tap'
import { type InboundRequest, type Listener, type RequestHandler, startListener } from '../../src/link/server.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { connectPeer, listenerOptions, Recorder } from './harness.ts'

async function start(t: Test, handler: RequestHandler, overrides = {}): Promise<[Listener, Recorder]> {
  const recorder = new Recorder()
  const listener = await startListener(listenerOptions(overrides), handler, recorder.observer)
  t.teardown(() => listener.close())
  return [listener, recorder]
}

t.test('at the in-flight limit the socket is not read, and nothing is lost or reordered', async (t) => {
  const waiting: InboundRequest[] = []
  const control: RequestHandler = (request) => {
    if (request.frame[0] === 0x63) request.reply(request.frame)
    else waiting.push(request)
  }
  const [listener, recorder] = await start(t, control, { maxInFlight: 4 })
  const peer = await connectPeer(listener.port)
  const body = Buffer.alloc(4_000, 0x20)
  const count = 5_000
  // 20 MB: more than all buffers of the operating system together, so that the peer feels the pause.
  for (let index = 0; index < count; index++) {
    const numbered = Buffer.from(body)
    numbered.writeUInt32BE(index, 0)
    peer.send(numbered)
  }
  await recorder.next('paused')
  // Round trips of another link give the listener every chance to read on, were it not paused.
  const other = await connectPeer(listener.port)
  for (let trip = 0; trip < 100; trip++) {
    other.send('c')
    await other.next()
  }
  const status = listener.links().find((link) => link.paused)
  t.equal(waiting.length, 4)
  t.match(status, { inFlight: 4, framesIn: 4, paused: true })
  t.ok(status !== undefined && status.bytesIn <= 65_536 + 4_002, 'at most one read waits in memory')
  t.ok(peer.socket.writableLength > 0, 'the peer is held back')

  const order: number[] = []
  while (order.length < count) {
    for (const request of waiting.splice(0)) {
      order.push(request.frame.readUInt32BE(0))
      request.reply(request.frame.subarray(0, 4))
    }
    if (order.length < count) await recorder.next('resumed')
  }
  t.strictSame(
    order,
    Array.from({ length: count }, (_, index) => index),
  )
  for (let index = 0; index < count; index++) {
    const answer = await peer.next()
    if (answer.readUInt32BE(0) !== index) t.fail(`answer ${index} out of order`)
  }
})

t.test('a handler that answers at once is never paused by a limit of 1', async (t) => {
  const [listener, recorder] = await start(t, (request) => request.reply(request.frame), { maxInFlight: 1 })
  const peer = await connectPeer(listener.port)
  const bodies = Array.from({ length: 500 }, (_, index) => `${index}`)
  peer.send(...bodies)
  t.strictSame(await peer.texts(500), bodies)
  t.equal(recorder.count('paused'), 0)
})

t.test('one request alone is no crowd, though only one may be in flight', async (t) => {
  const crowded: boolean[] = []
  const handler = (request: InboundRequest) => {
    crowded.push(request.link.crowded)
    request.reply(request.frame)
  }
  const [listener] = await start(t, handler, { maxInFlight: 1 })
  const peer = await connectPeer(listener.port)
  peer.send('a', 'b')
  await peer.texts(2)
  t.same(crowded, [false, false])
})

t.test('a peer that ends its side while it is paused gets all its answers', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener, recorder] = await start(t, (request) => waiting.push(request), { maxInFlight: 2 })
  const peer = await connectPeer(listener.port, 'len2', true)
  const bodies = Array.from({ length: 20 }, (_, index) => `${index}`)
  peer.send(...bodies)
  peer.socket.end()
  await recorder.next('paused')
  // Round trips of another link give the listener the chance to see the end too early.
  const other = await startListener(listenerOptions(), (request) => request.reply(request.frame))
  t.teardown(() => other.close())
  const bystander = await connectPeer(other.port)
  for (let trip = 0; trip < 20; trip++) {
    bystander.send('c')
    await bystander.next()
  }
  const answers: string[] = []
  while (answers.length < bodies.length) {
    while (waiting.length === 0) await recorder.next('frameIn')
    const batch = waiting.splice(0)
    for (const request of batch) request.reply(request.frame)
    answers.push(...(await peer.texts(batch.length)))
  }
  t.strictSame(answers, bodies)
  t.equal(await recorder.nextClose(), 'peer-closed')
})

t.test('a peer that ends within a frame while it is paused is told apart', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener, recorder] = await start(t, (request) => waiting.push(request), { maxInFlight: 1 })
  const peer = await connectPeer(listener.port, 'len2', true)
  peer.send('whole')
  peer.socket.end(Buffer.from([0, 9, 0x41]))
  await recorder.next('paused')
  waiting[0]?.reply(Buffer.from('answer'))
  t.equal(await peer.nextText(), 'answer')
  t.equal(await recorder.nextClose(), 'peer-closed-mid-frame')
})

t.test('a link that fails while it is paused ends with its reason', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener, recorder] = await start(t, (request) => waiting.push(request), { maxInFlight: 1 })
  const peer = await connectPeer(listener.port)
  peer.send('first', 'second')
  peer.socket.write(Buffer.from('ffff', 'hex'))
  await recorder.next('paused')
  waiting[0]?.drop()
  await recorder.next('resumed')
  while (waiting.length < 2) await recorder.next('frameIn')
  waiting[1]?.drop()
  t.equal(await recorder.nextClose(), 'frame-oversize')
})

t.test('a peer that does not read is cut off before its answers fill memory', async (t) => {
  const cap = 262_144
  let highest = 0
  const answer = Buffer.alloc(4_000, 0x41)
  const [listener, recorder] = await start(
    t,
    (request) => {
      request.reply(answer)
      for (const link of listener.links()) highest = Math.max(highest, link.outboundBytes)
    },
    { maxOutboundBytes: cap },
  )
  const peer = await connectPeer(listener.port)
  peer.socket.pause()
  const rssBefore = process.memoryUsage().rss
  // Up to 400 MB of answers are asked for with 2.4 MB of requests.
  const requests = Array.from({ length: 1_000 }, () => 'more')
  const closed = recorder.next('disconnected')
  let over = false
  closed.then(
    () => (over = true),
    () => {},
  )
  for (let round = 0; round < 100 && !over; round++) {
    peer.send(...requests)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const [, reason, detail] = await closed
  t.equal(reason, 'slow-reader')
  t.match(detail, /bytes wait to be read, the limit is 262144/)
  t.ok(highest > 0 && highest <= cap, `${highest} bytes waited at most`)
  t.ok(process.memoryUsage().rss - rssBefore < 150_000_000)
  t.strictSame(listener.links(), [])
})

t.test('one slow reader does not disturb the others', async (t) => {
  const proxied: RequestHandler = (request) => request.reply(Buffer.alloc(4_000, request.frame))
  const [listener, recorder] = await start(t, proxied, { maxOutboundBytes: 65_536 })
  const proxy = await startFaultProxy(listener, { toClient: { stall: true } })
  t.teardown(() => proxy.close())
  const slow = await connectPeer(proxy.port)
  const quick = await connectPeer(listener.port)
  const closed = recorder.nextClose()
  const requests = Array.from({ length: 500 }, () => 's')
  let over = false
  closed.then(
    () => (over = true),
    () => {},
  )
  let trips = 0
  while (!over) {
    slow.send(...requests)
    quick.send('q')
    t.equal((await quick.next()).length, 4_000)
    trips += 1
  }
  t.equal(await closed, 'slow-reader')
  t.ok(trips > 0)
})

t.test('a quiet link is closed; so is one that drips bytes without completing a frame', async (t) => {
  const [listener, recorder] = await start(t, (request) => request.reply(request.frame), { idleTimeoutMs: 100 })
  const quiet = await connectPeer(listener.port)
  quiet.send('hello')
  t.equal(await quiet.nextText(), 'hello')
  t.equal(await recorder.nextClose(), 'idle-timeout')
  await quiet.gone

  const dripping = await connectPeer(listener.port)
  dripping.socket.write(Buffer.from([0x0f, 0xff]))
  const drip = setInterval(() => dripping.socket.write('.'), 5)
  t.equal(await recorder.nextClose(), 'idle-timeout')
  clearInterval(drip)
  await dripping.gone
})

t.test('a peer that vanished without a word is closed after the idle timeout', async (t) => {
  const [listener, recorder] = await start(t, (request) => request.reply(request.frame), { idleTimeoutMs: 100 })
  const proxy = await startFaultProxy(listener)
  t.teardown(() => proxy.close())
  const peer = await connectPeer(proxy.port)
  peer.send('hello')
  t.equal(await peer.nextText(), 'hello')
  proxy.halfOpen('client')
  t.equal(await recorder.nextClose(), 'idle-timeout')
  t.strictSame(listener.links(), [])
})

t.test('a link that gets answers is not idle, although its peer only waits', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener, recorder] = await start(t, (request) => waiting.push(request), { idleTimeoutMs: 400 })
  const peer = await connectPeer(listener.port)
  const bodies = Array.from({ length: 20 }, (_, index) => `${index}`)
  peer.send(...bodies)
  // The answers trickle for twice the idle timeout.
  const trickle = setInterval(() => waiting.shift()?.reply(Buffer.from('x')), 40)
  t.teardown(() => clearInterval(trickle))
  t.equal((await peer.texts(20)).length, 20)
  t.equal(recorder.count('disconnected'), 0)
  t.equal(await recorder.nextClose(), 'idle-timeout', 'once they stop, it is')
})

t.test('connections over the limit are refused, and room comes back', async (t) => {
  const [listener, recorder] = await start(t, (request) => request.reply(request.frame), { maxConnections: 2 })
  const first = await connectPeer(listener.port)
  const second = await connectPeer(listener.port)
  await recorder.next('connected')
  await recorder.next('connected')
  const third = await connectPeer(listener.port)
  const [name, , reason] = await recorder.next('refused')
  t.strictSame([name, reason], ['test', 'too-many-connections'])
  await third.gone
  second.send('still here')
  t.equal(await second.nextText(), 'still here')
  first.destroy()
  await recorder.next('disconnected')
  const fourth = await connectPeer(listener.port)
  fourth.send('hello')
  t.equal(await fourth.nextText(), 'hello')
})

t.test('a peer that resets in the middle of its answers harms nobody', async (t) => {
  const [listener, recorder] = await start(t, (request) => request.reply(Buffer.alloc(4_000, 1)))
  const proxy = await startFaultProxy(listener, { toClient: { cutAfterBytes: 10_000 } })
  t.teardown(() => proxy.close())
  const peer = await connectPeer(proxy.port)
  peer.send(...Array.from({ length: 200 }, () => 'x'))
  await peer.gone
  t.match(await recorder.nextClose(), /socket-error|peer-closed/)
  const next = await connectPeer(listener.port)
  next.send('y')
  t.equal((await next.next()).length, 4_000)
})
