import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { MizanError } from '../../src/errors.ts'
import { type ClientHooks, type ClientLink, type ClientOptions, startClient } from '../../src/link/client.ts'
import { type InboundRequest, type Listener, type RequestHandler, startListener } from '../../src/link/server.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { listenerOptions, Recorder } from './harness.ts'

// Messages of these tests: a kind (Q request, A answer, N network request, M its answer), a key of 3, a text.
const answerOf = (request: Buffer) => `${request[0] === 0x51 ? 'A' : 'M'}${request.toString('latin1', 1)}`
const reply: RequestHandler = (request) => request.reply(Buffer.from(answerOf(request.frame)))
const hooks: ClientHooks = {
  answerKey: (frame) => (frame[0] === 0x41 || frame[0] === 0x4d ? frame.toString('latin1', 1, 4) : undefined),
}
const signOn: ClientHooks = {
  ...hooks,
  signOn: async (exchange) => {
    const answer = await exchange(Buffer.from('N001on'), '001', 60_000)
    if (answer.toString() !== 'M001on') throw new Error('sign-on refused')
  },
}

async function serve(t: Test, handler: RequestHandler = reply, overrides = {}): Promise<[Listener, Recorder]> {
  const recorder = new Recorder()
  const listener = await startListener(listenerOptions(overrides), handler, recorder.observer)
  t.teardown(() => listener.close())
  return [listener, recorder]
}

function dial(t: Test, port: number, used: ClientHooks, overrides: Partial<ClientOptions> = {}, random = () => 0) {
  const recorder = new Recorder()
  const options: ClientOptions = {
    name: 'bank',
    host: '127.0.0.1',
    port,
    framing: 'len2',
    maxFrameBytes: 4_096,
    maxOutboundBytes: 1_048_576,
    maxInFlight: 100,
    connectTimeoutMs: 60_000,
    backoff: { initialMs: 10, maxMs: 100, jitter: 0.5 },
    ...overrides,
  }
  const client = startClient(options, used, recorder.observer, { random })
  t.teardown(() => client.close())
  return { client, recorder }
}

const ask = (client: ClientLink, key: string, timeoutMs = 60_000) =>
  client.request(Buffer.from(`Q${key}text`), key, timeoutMs)

t.test('requests are matched with their answers, whatever their order', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener] = await serve(t, (request) => {
    waiting.push(request)
    if (waiting.length === 3) for (const each of waiting.reverse()) reply(each)
  })
  const { client } = dial(t, listener.port, hooks)
  await client.whenUp()
  const answers = await Promise.all(['001', '002', '003'].map((key) => ask(client, key)))
  t.strictSame(answers.map(String), ['A001text', 'A002text', 'A003text'])
  t.match(client.status(), { name: 'bank', state: 'up', inFlight: 0, framesIn: 3, framesOut: 3 })
})

t.test('the link signs on before it is up', async (t) => {
  const seen: string[] = []
  const [listener] = await serve(t, (request) => {
    seen.push(request.frame.toString())
    reply(request)
  })
  const { client, recorder } = dial(t, listener.port, signOn)
  await t.rejects(ask(client, '009'), { code: 'LINK_CLOSED' }, 'not before it is up')
  await client.whenUp()
  t.equal(String(await ask(client, '002')), 'A002text')
  t.strictSame(seen, ['N001on', 'Q002text'])
  t.strictSame(
    recorder.all('stateChanged').map(([, , to]) => to),
    ['signing-on', 'up'],
  )
})

t.test('a refused sign-on closes the link, and it tries again', async (t) => {
  let refusals = 2
  const [listener] = await serve(t, (request) => {
    refusals -= 1
    if (refusals >= 0) request.reply(Buffer.from('M001no'))
    else reply(request)
  })
  const { client, recorder } = dial(t, listener.port, signOn)
  t.equal(await recorder.nextClose(), 'sign-on-failed')
  t.equal(await recorder.nextClose(), 'sign-on-failed')
  await client.whenUp()
  t.strictSame(
    recorder.all('reconnecting').map(([, attempt, delayMs]) => [attempt, delayMs]),
    [
      [1, 10],
      [2, 20],
    ],
  )
})

t.test('after the server dies the client backs off, connects to the next one and goes on', async (t) => {
  const [first] = await serve(t)
  const { port } = first
  const { client, recorder } = dial(t, port, signOn, {}, () => 0.5)
  await client.whenUp()
  await first.close()
  t.equal(await recorder.nextClose(), 'peer-closed')
  // Two attempts fail: the delay doubles, less half of its jitter of one half.
  await recorder.next('reconnecting')
  await recorder.next('reconnecting')
  await recorder.next('reconnecting')
  await t.rejects(ask(client, '003'), { code: 'LINK_CLOSED' })
  await serve(t, reply, { port })
  await client.whenUp()
  t.equal(String(await ask(client, '004')), 'A004text')
  const [lost, ...failed] = recorder.all('reconnecting')
  t.strictSame(lost?.slice(1, 4), [1, 8, 'peer-closed'])
  t.strictSame(failed[0]?.slice(1, 4), [2, 15, 'connect-failed'])
  t.strictSame(failed[1]?.slice(1, 4), [3, 30, 'connect-failed'])
})

t.test('requests in flight fail when the link goes down', async (t) => {
  const [listener, server] = await serve(t, () => {})
  const proxy = await startFaultProxy(listener)
  t.teardown(() => proxy.close())
  const { client } = dial(t, proxy.port, hooks)
  await client.whenUp()
  const asked = [ask(client, '001'), ask(client, '002')]
  await server.next('frameIn')
  proxy.cut()
  for (const each of asked) await t.rejects(each, { code: 'LINK_CLOSED' })
  await client.whenUp()
  t.equal(proxy.accepted, 2)
})

t.test('duplicates, too many in flight and frames over the limit are refused at once', async (t) => {
  const [listener] = await serve(t, () => {})
  const { client } = dial(t, listener.port, hooks, { maxInFlight: 2 })
  await client.whenUp()
  const first = ask(client, '001')
  await t.rejects(ask(client, '001'), { code: 'LINK_DUPLICATE_KEY' })
  await t.rejects(client.request(Buffer.alloc(5_000), '002', 1_000), { code: 'FRAME_INVALID' })
  const second = ask(client, '003')
  await t.rejects(ask(client, '004'), { code: 'LINK_BUSY' })
  t.equal(client.inFlight, 2)
  client.close()
  await t.rejects(first, { code: 'LINK_CLOSED' })
  await t.rejects(second, { code: 'LINK_CLOSED' })
  await t.rejects(ask(client, '005'), { code: 'LINK_CLOSED' })
  await t.rejects(client.whenUp(), { code: 'LINK_CLOSED' })
})

t.test('a peer that does not read makes the client busy, not big', async (t) => {
  const [listener] = await serve(t, () => {})
  const proxy = await startFaultProxy(listener, { toServer: { stall: true } })
  t.teardown(() => proxy.close())
  const { client } = dial(t, proxy.port, hooks, { maxOutboundBytes: 100_000, maxInFlight: 1_000_000 })
  await client.whenUp()
  let outcome: unknown
  for (let key = 0; outcome === undefined && key < 100_000; key++) {
    client.exchange(Buffer.alloc(4_000), `${key}`, 60_000, (settled) => (outcome = settled))
    if (key % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  t.match(outcome, { code: 'LINK_BUSY' })
  t.ok((client.status()?.outboundBytes ?? 0) <= 100_000)
})

t.test('a late answer is counted and given to the hook, and harms no other request', async (t) => {
  const waiting: InboundRequest[] = []
  const [listener] = await serve(t, (request) => {
    if (request.frame.toString('latin1', 1, 4) === '001') waiting.push(request)
    else reply(request)
  })
  const unmatched: unknown[] = []
  const { client, recorder } = dial(t, listener.port, {
    ...hooks,
    onUnmatched: (frame, key, late) => unmatched.push([String(frame), key, late]),
  })
  await client.whenUp()
  await t.rejects(ask(client, '001', 30), { code: 'LINK_TIMEOUT' })
  for (const request of waiting) reply(request)
  t.equal((await recorder.next('unmatched'))[1], true)
  t.strictSame(unmatched, [['A001text', '001', true]])
  t.equal(client.unmatched, 1)
  t.equal(String(await ask(client, '002')), 'A002text')
})

t.test('a peer that goes silent is found out by the echo', async (t) => {
  const [listener] = await serve(t)
  const proxy = await startFaultProxy(listener)
  t.teardown(() => proxy.close())
  let echoes = 0
  let echoMs = 5_000
  const echoing: ClientHooks = {
    ...signOn,
    echo: async (exchange) => {
      echoes += 1
      await exchange(Buffer.from('N301'), '301', echoMs)
    },
  }
  const { client, recorder } = dial(t, proxy.port, echoing, { echoIdleMs: 20 })
  await client.whenUp()
  while (echoes < 2) await recorder.next('frameOut')
  t.equal(recorder.count('disconnected'), 0, 'an answered echo keeps the link')
  echoMs = 30
  proxy.toServer.blackHole = true
  t.equal(await recorder.nextClose(), 'echo-failed')
  echoMs = 5_000
  delete proxy.toServer.blackHole
  await client.whenUp()
  t.equal(String(await ask(client, '002')), 'A002text')
})

t.test('requests of the peer go to their hook; what cannot be read is reported', async (t) => {
  const [listener] = await serve(t, (request) => {
    if (request.frame[0] !== 0x51) {
      request.drop()
      return
    }
    request.link.send(Buffer.from('N301'))
    request.link.send(Buffer.from('?'))
    reply(request)
  })
  const asked: string[] = []
  const { client, recorder } = dial(t, listener.port, {
    answerKey: (frame) => {
      if (frame[0] === 0x3f) throw new Error('unreadable')
      return hooks.answerKey(frame)
    },
    onRequest: (frame) => {
      asked.push(String(frame))
      client.send(Buffer.from('M301'))
    },
  })
  await client.whenUp()
  t.equal(String(await ask(client, '001')), 'A001text')
  t.strictSame(asked, ['N301'])
  t.match((await recorder.next('handlerFailed'))[1], { message: 'unreadable' })
})

t.test('a client with a TPDU sends it and takes it off the answer', async (t) => {
  const seen: string[] = []
  const [listener] = await serve(
    t,
    (request) => {
      seen.push(request.frame.toString())
      reply(request)
    },
    { tpdu: true },
  )
  const { client } = dial(t, listener.port, hooks, { tpdu: { id: 0x60, destination: 3, source: 0x8002 } })
  await client.whenUp()
  t.equal(String(await ask(client, '001')), 'A001text')
  t.strictSame(seen, ['Q001text'])
})

t.test('the callback form gives the same outcomes', async (t) => {
  const [listener] = await serve(t)
  const { client } = dial(t, listener.port, hooks)
  const settled = (key: string) =>
    new Promise((resolve) => client.exchange(Buffer.from(`Q${key}`), key, 60_000, (outcome) => resolve(outcome)))
  t.match(await settled('000'), { code: 'LINK_CLOSED' })
  await client.whenUp()
  t.equal(String(await settled('001')), 'A001')
})

t.test('a drain awaits what is in flight, signs off and closes', async (t) => {
  const waiting: InboundRequest[] = []
  const seen: string[] = []
  const [listener, server] = await serve(t, (request) => {
    seen.push(request.frame.toString())
    if (request.frame[0] === 0x51) waiting.push(request)
    else reply(request)
  })
  const { client, recorder } = dial(t, listener.port, {
    ...signOn,
    signOff: async (exchange) => {
      await exchange(Buffer.from('N002off'), '002', 60_000)
    },
  })
  await client.whenUp()
  const asked = ask(client, '009')
  await server.next('frameIn')
  await server.next('frameIn')
  const drained = client.drain(60_000)
  t.equal(client.state, 'draining')
  await t.rejects(ask(client, '010'), { code: 'LINK_CLOSED' })
  for (const request of waiting) reply(request)
  t.equal(String(await asked), 'A009text')
  await drained
  t.equal(client.state, 'closed')
  t.strictSame(seen, ['N001on', 'Q009text', 'N002off'])
  t.match(await recorder.nextClose(), /drained|peer-closed/)
})

t.test('a drain ends at its deadline, and at once when the link is not up', async (t) => {
  const [listener] = await serve(t, () => {})
  const { client, recorder } = dial(t, listener.port, hooks)
  await client.whenUp()
  const asked = ask(client, '001')
  const failed = t.rejects(asked, { code: 'LINK_CLOSED' })
  await client.drain(30)
  await failed
  t.equal(await recorder.nextClose(), 'drain-deadline')

  const { client: never } = dial(t, 1, hooks)
  await never.drain(60_000)
  t.equal(never.state, 'closed')
})

t.test('a peer that does not answer the connection in time is tried again', async (t) => {
  // A listener whose queue is full would be needed for TCP; a TLS handshake that gets no answer does as well.
  const silent = createServer(() => {})
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const address = silent.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { client, recorder } = dial(t, port, hooks, { connectTimeoutMs: 30, tls: {} })
  const [, attempt, , reason, detail] = await recorder.next('reconnecting')
  t.strictSame([attempt, reason, detail], [1, 'connect-failed', 'not connected within 30 ms'])
  client.close()
  silent.close()
})

t.test('close during any phase leaves nothing behind', async (t) => {
  const [listener, server] = await serve(t)
  const { client: early } = dial(t, listener.port, hooks)
  const up = t.rejects(early.whenUp(), { code: 'LINK_CLOSED' })
  early.close()
  await up
  const { client, recorder } = dial(t, 1, hooks)
  await recorder.next('reconnecting')
  client.close()
  t.equal(client.state, 'closed')
  const { client: late } = dial(t, listener.port, hooks)
  await late.whenUp()
  late.close()
  await server.next('disconnected')
  t.ok(late.status() === undefined && new MizanError('LINK_CLOSED').entry.retryable)
})
