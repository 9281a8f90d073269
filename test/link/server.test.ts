import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { type InboundRequest, type Listener, type RequestHandler, startListener } from '../../src/link/server.ts'
import { networkManagementAnswer, refusalBeforeSignOn } from '../../src/link/session.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { connectPeer, listenerOptions, Recorder } from './harness.ts'

const echo: RequestHandler = (request) => request.reply(request.frame)

async function start(t: Test, handler: RequestHandler, overrides = {}): Promise<[Listener, Recorder]> {
  const recorder = new Recorder()
  const listener = await startListener(listenerOptions(overrides), handler, recorder.observer)
  t.teardown(() => listener.close())
  return [listener, recorder]
}

t.test('answers go back on their link, in all framings', async (t) => {
  for (const framing of ['len2', 'ascii4', 'visa'] as const) {
    const [listener, recorder] = await start(t, echo, { framing, maxFrameBytes: 2_048 })
    const one = await connectPeer(listener.port, framing)
    const two = await connectPeer(listener.port, framing)
    one.send('from one')
    two.send('from two', 'and more')
    t.equal(await one.nextText(), 'from one')
    t.strictSame(await two.texts(2), ['from two', 'and more'])
    t.equal(recorder.count('frameIn'), 3)
    t.equal(recorder.count('frameOut'), 3)
    one.destroy()
    t.equal(await recorder.nextClose(), 'peer-closed')
    two.destroy()
    t.equal(await recorder.nextClose(), 'peer-closed')
    t.strictSame(listener.links(), [])
  }
})

t.test('answers of one turn leave in one write', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener] = await start(t, (request) => {
    waiting.push(request)
    if (waiting.length === 50) for (const each of waiting) each.reply(each.frame)
  })
  const peer = await connectPeer(listener.port)
  let reads = 0
  peer.socket.on('data', () => (reads += 1))
  const bodies = Array.from({ length: 50 }, (_, index) => `request ${index}`)
  peer.send(...bodies)
  t.strictSame(await peer.texts(50), bodies)
  t.equal(reads, 1)
})

t.test('more than one outbound buffer keeps its order', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener] = await start(t, (request) => {
    waiting.push(request)
    if (waiting.length === 60) for (const each of waiting) each.reply(Buffer.alloc(3_000, each.frame))
  })
  const peer = await connectPeer(listener.port)
  const bodies = Array.from({ length: 60 }, (_, index) => String.fromCharCode(0x41 + (index % 26)))
  peer.send(...bodies)
  t.strictSame(
    await peer.texts(60),
    bodies.map((letter) => letter.repeat(3_000)),
  )
})

t.test('one byte at a time in both directions, and coalesced', async (t) => {
  const [listener] = await start(t, echo)
  const proxy = await startFaultProxy(listener, { toServer: { splitBytes: 1 }, toClient: { splitBytes: 1 } })
  t.teardown(() => proxy.close())
  const peer = await connectPeer(proxy.port)
  peer.send('first', 'second')
  t.strictSame(await peer.texts(2), ['first', 'second'])
  delete proxy.toServer.splitBytes
  proxy.toServer.coalesceBytes = 30
  for (const body of ['0123456789', 'abcdefghij', 'ABCDEFGHIJ']) peer.send(body)
  t.strictSame(await peer.texts(3), ['0123456789', 'abcdefghij', 'ABCDEFGHIJ'])
})

t.test('what cannot be framed closes the link with its reason', async (t) => {
  const cases: Array<[string, 'len2' | 'ascii4' | 'visa', string, boolean]> = [
    ['frame-oversize', 'len2', 'ffff00', false],
    ['frame-oversize', 'visa', '08010000', false],
    ['frame-zero-length', 'len2', '0000', false],
    ['frame-garbage', 'ascii4', '47455420', false],
    ['frame-garbage', 'visa', '00100100', false],
    ['tpdu-missing', 'len2', '00056000010002', true],
  ]
  for (const [reason, framing, hex, tpdu] of cases) {
    const maxFrameBytes = framing === 'visa' ? 2_048 : 4_096
    const [listener, recorder] = await start(t, echo, { framing, tpdu, maxFrameBytes })
    const peer = await connectPeer(listener.port, framing)
    peer.socket.write(Buffer.from(hex, 'hex'))
    await peer.gone
    t.equal(await recorder.nextClose(), reason)
  }
})

t.test('a peer that closes within a frame is told apart', async (t) => {
  const [listener, recorder] = await start(t, echo)
  const peer = await connectPeer(listener.port)
  peer.socket.end(Buffer.from('000a0000', 'hex'))
  t.equal(await recorder.nextClose(), 'peer-closed-mid-frame')
})

t.test('a peer that ends its side still gets the answers in flight', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener, recorder] = await start(t, (request) => waiting.push(request))
  const peer = await connectPeer(listener.port, 'len2', true)
  peer.send('a', 'b')
  peer.socket.end()
  while (waiting.length < 2) await recorder.next('frameIn')
  waiting[0]?.reply(Buffer.from('A'))
  t.equal(await peer.nextText(), 'A')
  waiting[1]?.reply(Buffer.from('B'))
  t.equal(await peer.nextText(), 'B')
  t.equal(await recorder.nextClose(), 'peer-closed')
})

t.test('a TPDU is taken off the request and comes back swapped, each answer with its own', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener] = await start(
    t,
    (request) => {
      waiting.push(request)
      if (waiting.length === 2) for (const each of waiting.reverse()) each.reply(each.frame)
    },
    { tpdu: true },
  )
  const peer = await connectPeer(listener.port)
  peer.send(Buffer.from('6000010002aa', 'hex'), Buffer.from('6100030004bb', 'hex'))
  t.equal((await peer.next()).toString('hex'), '6100040003bb')
  t.equal((await peer.next()).toString('hex'), '6000020001aa')
})

t.test('a message of our own goes out under the given or a neutral TPDU', async (t) => {
  const [listener] = await start(
    t,
    (request) => {
      request.drop()
      request.link.send(Buffer.from('x'), Buffer.from('6000010002', 'hex'))
      request.link.send(Buffer.from('y'))
    },
    { tpdu: true },
  )
  const peer = await connectPeer(listener.port)
  peer.send(Buffer.from('6000010002aa', 'hex'))
  t.equal((await peer.next()).toString('hex'), '600001000278')
  t.equal((await peer.next()).toString('hex'), '600000000079')
})

t.test('a request is settled once; an answer to a link that is gone is reported', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener, recorder] = await start(t, (request) => waiting.push(request))
  const peer = await connectPeer(listener.port)
  peer.send('a', 'b')
  while (waiting.length < 2) await recorder.next('frameIn')
  t.equal(listener.links()[0]?.inFlight, 2)
  t.equal(waiting[0]?.reply(Buffer.from('A')), true)
  t.equal(waiting[0]?.reply(Buffer.from('A')), false)
  waiting[0]?.drop()
  t.equal(listener.links()[0]?.inFlight, 1)
  t.equal(await peer.nextText(), 'A')
  peer.socket.resetAndDestroy()
  t.equal(await recorder.nextClose(), 'socket-error')
  t.equal(waiting[1]?.link.closed, true)
  t.equal(waiting[1]?.reply(Buffer.from('B')), false)
  t.equal(recorder.count('undelivered'), 1)
})

t.test('an answer over the limit is a fault of the program and leaves the request open', async (t) => {
  let failure: unknown
  const [listener] = await start(t, (request) => {
    try {
      request.reply(Buffer.alloc(4_097))
    } catch (error) {
      failure = error
      request.reply(Buffer.from('short'))
    }
  })
  const peer = await connectPeer(listener.port)
  peer.send('x')
  t.equal(await peer.nextText(), 'short')
  t.match(failure, { code: 'FRAME_INVALID' })
})

t.test('a handler that throws ends its request only', async (t) => {
  const [listener, recorder] = await start(t, (request) => {
    if (request.frame.toString() === 'bad') throw new Error('handler bug')
    request.reply(request.frame)
  })
  const peer = await connectPeer(listener.port)
  peer.send('bad', 'good')
  t.equal(await peer.nextText(), 'good')
  t.match((await recorder.next('handlerFailed'))[1], { message: 'handler bug' })
  t.equal(listener.links()[0]?.inFlight, 0)
})

t.test('sign-on: anything but network management is refused before it, and after sign-off', async (t) => {
  // The handler speaks "MTI DE70" instead of ISO 8583: the link room knows no codec.
  const handler: RequestHandler = (request) => {
    const [mti = '', de70] = request.frame.toString().split(' ')
    const { link } = request
    const refusal = refusalBeforeSignOn(link.state, mti)
    if (refusal !== undefined) request.reply(Buffer.from(refusal))
    else if (de70 === undefined) request.reply(Buffer.from('00'))
    else {
      const answer = networkManagementAnswer(link.state, { mti, de70 })
      link.setState(answer.state)
      request.reply(Buffer.from(answer.responseCode))
    }
  }
  const [listener, recorder] = await start(t, handler, { requireSignOn: true })
  const peer = await connectPeer(listener.port)
  peer.send('0100', '0800 301', '0100', '0800 001', '0100', '0800 777', '0800 002', '0100')
  t.strictSame(await peer.texts(8), ['91', '00', '91', '00', '00', '12', '00', '91'])
  t.strictSame(
    recorder.all('stateChanged').map(([, from, to]) => [from, to]),
    [
      ['signed-off', 'signed-on'],
      ['signed-on', 'signed-off'],
    ],
  )
  t.equal(listener.links()[0]?.state, 'signed-off')
})

t.test('a poll on visa is echoed; a session control frame is ignored', async (t) => {
  const [listener, recorder] = await start(t, echo, { framing: 'visa', maxFrameBytes: 2_048 })
  const socket = connect(listener.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(Buffer.from('00000000' + '00020020abcd' + '00000000', 'hex'))
  let got = Buffer.alloc(0)
  while (got.length < 8) got = Buffer.concat([got, (await once(socket, 'data'))[0]])
  t.equal(got.toString('hex'), '0000000000000000')
  t.equal(recorder.count('keepAlive'), 2)
  t.equal(recorder.count('controlFrame'), 1)
  t.equal(recorder.count('frameIn'), 0)
})

t.test('a quiet visa link is polled, and the echo of our own poll is not echoed', async (t) => {
  const [listener, recorder] = await start(t, echo, { framing: 'visa', maxFrameBytes: 2_048, keepAliveMs: 20 })
  const socket = connect(listener.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let polls = 0
  socket.on('data', (chunk: Buffer) => {
    polls += chunk.length / 4
    socket.write(chunk)
  })
  // Two ends that echo everything would exchange thousands within the time that five polls take.
  for (let seen = 0; seen < 5; seen++) await recorder.next('keepAlive')
  t.ok(polls <= 8, `${polls} polls`)
})

t.test('the status of a link is for the operator', async (t) => {
  const [listener] = await start(t, echo, { name: 'visa-1' })
  const before = Date.now()
  const peer = await connectPeer(listener.port)
  peer.send('abc')
  await peer.next()
  const [status] = listener.links()
  t.match(status, {
    name: 'visa-1',
    remote: `127.0.0.1:${peer.socket.localPort}`,
    peerName: undefined,
    state: 'signed-on',
    inFlight: 0,
    paused: false,
    framesIn: 1,
    framesOut: 1,
    bytesIn: 5,
    bytesOut: 5,
    outboundBytes: 0,
  })
  t.ok(status !== undefined && status.connectedAt >= before && status.lastReceivedAt >= status.connectedAt)
})

t.test('options out of range, and an address in use, are refused', async (t) => {
  const refused = async (overrides: object) =>
    t.rejects(startListener(listenerOptions(overrides), echo), { code: 'CONFIG_INVALID' })
  await refused({ maxFrameBytes: 0 })
  await refused({ maxFrameBytes: 70_000 })
  await refused({ framing: 'ascii4', maxFrameBytes: 10_000 })
  await refused({ maxConnections: 0 })
  await refused({ maxInFlight: 0 })
  await refused({ maxOutboundBytes: 4_096 })
  await refused({ idleTimeoutMs: -1 })
  await refused({ keepAliveMs: 0 })
  await refused({ tls: { key: '', cert: '', requireClientCertificate: true } })
  const [listener] = await start(t, echo)
  await refused({ port: listener.port })
})
