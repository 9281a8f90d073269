import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { ForwardLink } from '../../src/link/forward-options.ts'
import type { ForwardPolicy } from '../../src/link/forward-verdict.ts'
import { Forwarder } from '../../src/link/forwarder.ts'
import { type NetworkLink, type OwnMessage, startNetworkLink } from '../../src/link/network-link.ts'
import { connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { purgeOutbound, queueMessage } from '../../src/store/outbound-message.ts'
import { OutboundQueue, type SendOutcome } from '../../src/store/outbound-queue.ts'
import { systemTiming } from '../../src/timing.ts'
import { createTestDatabase } from '../support/database.ts'
import { approved, NetworkPeer } from '../support/network-peer.ts'
import { dialectOf, dialogue } from './exchange-harness.ts'

const policy: ForwardPolicy = {
  acceptedCodes: ['00', '10'],
  reversalAcceptedCodes: ['25'],
  retryCodes: ['91', '96'],
  maxAttempts: 4,
  backoff: { initialMs: 30, maxMs: 60, jitter: 0 },
}

const { url } = await createTestDatabase(t)
await prepareDatabase(url, 1)
const client = await connect({ url, name: 'test', role: 'mizan_app' })
const owner = await connect({ url, name: 'test' })
t.teardown(() => Promise.all([client.end(), owner.end()]))
let worlds = 0

/** Longest wait for what must come, and for an answer that does not. */
const WAIT_MS = 60_000
const LOST_MS = 50

interface Opening {
  readonly window?: number
  readonly leaseMs?: number
  readonly timeoutMs?: number
  readonly maxAttempts?: number
  /** Whether a sending, by its STAN and its number from 1, is not answered in time. */
  readonly loses?: (stan: string, nth: number) => boolean
}

/** A destination of a test's own, and its peer. */
async function world(t: Test) {
  const destination = `peer-${++worlds}`
  const peer = await NetworkPeer.listen(t)
  let opened = 0
  return {
    destination,
    peer,
    advice: (stan: string, more: Kind = {}) => queue(destination, stan, more),
    /** A process: its link and its forwarder. */
    async open(options: Opening = {}) {
      const link = openLink(t, destination, peer.port)
      const { loses } = options
      let asked = 0
      // Only where no answer will come in time: a busy machine may be slow with the others.
      const timeoutFor = ({ fields }: OwnMessage) =>
        loses?.(fields[11] ?? '', ++asked) === true ? LOST_MS : (options.timeoutMs ?? WAIT_MS)
      const forwardLink: ForwardLink = {
        name: link.name,
        get state() {
          return link.state
        },
        get inFlight() {
          return link.inFlight
        },
        ask: (message) => link.ask(message, timeoutFor(message)),
        set onLateAnswer(listener: NonNullable<ForwardLink['onLateAnswer']>) {
          link.onLateAnswer = listener
        },
      }
      const queue = new OutboundQueue(url, `process ${++opened}`)
      const claim = queue.claim.bind(queue)
      const claimed: { epoch: number | undefined; atMs: number }[] = []
      queue.claim = async (...asked) => {
        const epoch = await claim(...asked)
        claimed.push({ epoch, atMs: performance.now() })
        return epoch
      }
      const outcomes: SendOutcome[] = []
      const forwarder = new Forwarder({
        link: forwardLink,
        queue,
        policy: { ...policy, maxAttempts: options.maxAttempts ?? policy.maxAttempts },
        window: options.window ?? 1,
        ratePerSecond: 1_000,
        timeoutMs: WAIT_MS,
        leaseMs: options.leaseMs ?? WAIT_MS,
        panOf: () => '4000000000000002',
        observer: { outcome: (_destination, _message, outcome) => outcomes.push(outcome) },
        clock: { now: () => Date.now() },
        timing: systemTiming,
        random: () => 0,
      })
      forwarder.start()
      t.teardown(async () => {
        await forwarder.close(0)
        await queue.close()
      })
      await link.whenUp()
      forwarder.wake()
      /** Waits until it has asked for the destination once more. */
      const looked = async () => {
        for (const before = claimed.length; claimed.length === before; )
          await new Promise((resolve) => setTimeout(resolve, 5))
      }
      return { link, forwarder, queue, outcomes, claimed, looked }
    },
  }
}

function openLink(t: Test, name: string, port: number): NetworkLink {
  const link = startNetworkLink({
    client: {
      name,
      host: '127.0.0.1',
      port,
      framing: 'len2',
      maxFrameBytes: 4_096,
      maxOutboundBytes: 65_536,
      maxInFlight: 64,
      connectTimeoutMs: 2_000,
      backoff: { initialMs: 20, maxMs: 50, jitter: 0 },
    },
    dialect: dialectOf('iso87-ascii'),
    exchange: dialogue('iso87-ascii', undefined).exchange,
    signOn: true,
    timeoutMs: 1_000,
    observer: {},
    now: () => Date.now(),
  })
  t.teardown(() => link.close())
  return link
}

interface Kind {
  readonly mti?: string
  readonly kind?: 'advice' | 'reversal'
}

async function queue(destination: string, stan: string, more: Kind): Promise<number> {
  const fields = { 3: '000000', 4: '000000001000', 7: '1122093000', 11: stan, 41: 'TERM0001' }
  const { mti = '0220', kind = 'advice' } = more
  const message = { destination, kind, mti, fields, subject: undefined, queuedBy: 'test' }
  const id = await queueMessage(client, message, Date.now())
  if (id === undefined) throw new Error('not queued')
  return id
}

interface Row {
  state: string
  attempts: number
  response_code: string | null
  events: string[]
}

/** Waits until a message is in a state. */
async function reached(id: number, state: string): Promise<Row> {
  for (const deadlineMs = performance.now() + WAIT_MS; performance.now() < deadlineMs; ) {
    const { rows } = await client.query<Row>(
      `select m.state, m.attempts, m.response_code,
              (select array_agg(a.event || coalesce(' ' || a.mti, '') order by a.id) from outbound_attempt a
               where a.message_id = m.id) as events
       from outbound_message m where m.id = $1`,
      [id],
    )
    const [row] = rows
    if (row?.state === state) return row
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`message ${id} does not become ${state}`)
}

t.test('what is queued goes out in order, and is acknowledged', async (t) => {
  const { advice, peer, open } = await world(t)
  const ids = [await advice('000001'), await advice('000002', { mti: '0420', kind: 'reversal' })]
  await open()
  ids.push(await advice('000003'))
  for (const id of ids) t.match(await reached(id, 'acknowledged'), { attempts: 1, response_code: '00' })
  t.same(peer.order, ['0220 000001', '0420 000002', '0220 000003'])
  t.match(peer.seen[0], { transmission: '1122093000' })
  t.equal(peer.seen[0]?.text(4), '000000001000')
})

t.test('a lost answer: the same message again as its repeat, and nothing overtakes it', async (t) => {
  const { advice, peer, open } = await world(t)
  peer.reaction = (_message, nth) => (nth === 1 ? { do: 'silent' } : approved)
  const [first, second] = [await advice('000001'), await advice('000002')]
  await open({ loses: (_stan, nth) => nth === 1 })
  t.same((await reached(first, 'acknowledged')).events, ['sent 0220', 'timeout', 'sent 0221', 'acknowledged'])
  await reached(second, 'acknowledged')
  t.same(peer.order, ['0220 000001', '0221 000001', '0220 000002'])
  t.equal(peer.seen[1]?.transmission, peer.seen[0]?.transmission, 'with the same DE7')
})

t.test('a late answer to an earlier sending ends the message', async (t) => {
  const { advice, peer, open } = await world(t)
  peer.reaction = (_message, nth) => (nth === 1 ? { do: 'answer', code: '00', afterMs: 75 } : { do: 'silent' })
  const id = await advice('000001')
  const { outcomes } = await open({ loses: () => true })
  const { events } = await reached(id, 'acknowledged')
  t.ok(events.at(-1) === 'late' || events.at(-1) === 'acknowledged', `${events}`)
  t.ok(
    outcomes.some(({ event }) => event === 'timeout'),
    'it had timed out',
  )
})

t.test('the link breaks: order is kept over the reconnection, and it costs no attempt', async (t) => {
  const { advice, peer, open } = await world(t)
  peer.reaction = (_message, nth) => (nth === 2 || nth === 3 ? { do: 'cut' } : approved)
  const ids = []
  for (const stan of ['000001', '000002', '000003']) ids.push(await advice(stan))
  await open()
  for (const id of ids) await reached(id, 'acknowledged')
  t.same(peer.order, ['0220 000001', '0220 000002', '0221 000002', '0221 000002', '0220 000003'])
})

t.test(
  'answers decide: 91 is tried again, 30 is a dead letter, 25 ends a reversal; what is dead blocks nothing',
  async (t) => {
    const { advice, peer, open } = await world(t)
    peer.reaction = ({ mti, stan }) => {
      if (stan === '000001') return { do: 'answer', code: mti === '0220' ? '91' : '00' }
      if (stan === '000002') return { do: 'answer', code: '30' }
      return { do: 'answer', code: '25' }
    }
    const busy = await advice('000001')
    const refused = await advice('000002')
    const reversal = await advice('000003', { mti: '0420', kind: 'reversal' })
    const other = await advice('000004')
    await open()
    t.match(await reached(busy, 'acknowledged'), {
      attempts: 2,
      events: ['sent 0220', 'put-off', 'sent 0221', 'acknowledged'],
    })
    t.match(await reached(refused, 'dead'), { response_code: '30', events: ['sent 0220', 'refused'] })
    t.match(await reached(reversal, 'acknowledged'), { response_code: '25' })
    t.match(await reached(other, 'dead'), { response_code: '25' }, 'for anything else it is a refusal')
  },
)

t.test('a message that nobody answers is given up, and the queue goes on; a late answer still ends it', async (t) => {
  const { advice, peer, open } = await world(t)
  peer.reaction = ({ stan }, nth) =>
    stan === '000002' ? approved : nth === 4 ? { do: 'answer', code: '00', afterMs: 130 } : { do: 'silent' }
  const [mute, next] = [await advice('000001'), await advice('000002')]
  const { outcomes } = await open({ loses: (stan) => stan === '000001' })
  await reached(next, 'acknowledged')
  t.same(
    outcomes.slice(0, 4).map(({ event }) => event),
    ['timeout', 'timeout', 'timeout', 'given-up'],
  )
  t.match(await reached(mute, 'acknowledged'), { attempts: 4 })
})

t.test('two processes: one sends, the other takes over when it is gone, as a repeat', async (t) => {
  const { destination, advice, peer, open } = await world(t)
  peer.reaction = () => ({ do: 'silent' })
  const ids = [await advice('000001'), await advice('000002')]
  const first = await open()
  while (peer.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  const second = await open()
  await second.looked()
  t.same(peer.order, ['0220 000001'], 'the second one keeps still')
  // As kill -9 does: the lease is not given back, and what was underway is not written down.
  await first.queue.close()
  first.link.close()
  peer.reaction = () => approved
  await owner.query('update outbound_destination set lease_until = now() where destination = $1', [destination])
  second.forwarder.wake()
  for (const id of ids) await reached(id, 'acknowledged')
  t.same(peer.order, ['0220 000001', '0221 000001', '0220 000002'], 'one message twice, and no gap')
  const { rows } = await client.query('select owner, epoch from outbound_destination where destination = $1', [
    destination,
  ])
  t.same(rows, [{ owner: 'process 2', epoch: '2' }])
})

t.test('a lease is kept however short it is, when there is nothing to send for longer', async (t) => {
  const { open } = await world(t)
  const { claimed } = await open({ leaseMs: 300 })
  while (claimed.length < 6) await new Promise((resolve) => setTimeout(resolve, 5))
  const gaps = claimed.slice(1).map(({ atMs }, at) => atMs - (claimed[at]?.atMs ?? 0))
  t.ok(Math.min(...gaps) < 300, `renewed after ${gaps.map(Math.round)} ms`)
})

t.test('what was dropped meanwhile is not sent; a full window sends several', async (t) => {
  const { destination, advice, peer, open } = await world(t)
  const { queue } = await open({ window: 4 })
  const epoch = await queue.claim(destination, 4_000)
  t.type(epoch, 'number')
  const dropped = await advice('000001')
  await client.query(`update outbound_message set state = 'dropped', ended_at = now() where id = $1`, [dropped])
  const step = { destination, epoch: epoch ?? 0, atMs: Date.now(), outcomes: [], begin: [dropped] }
  t.same(await queue.step(step), [], 'it does not begin')
  t.equal(await queue.step({ ...step, epoch: (epoch ?? 0) + 1 }), undefined, 'nor does another epoch write anything')
  peer.reaction = () => ({ do: 'answer', code: '00', afterMs: 40 })
  const ids = []
  for (let at = 2; at <= 9; at++) ids.push(await advice(String(at).padStart(6, '0')))
  for (const id of ids) await reached(id, 'acknowledged')
  t.same(peer.seen.length, 8)
})

t.test('live requests go first, but never alone', async (t) => {
  const { advice, peer, open } = await world(t)
  peer.reaction = ({ mti }) => (mti === '0220' ? approved : { do: 'silent' })
  const { link } = await open()
  const live = Array.from({ length: 40 }, (_, at) => {
    const fields = { 3: '000000', 7: '1122093000', 11: String(at + 101).padStart(6, '0') }
    return link.ask({ mti: '0200', fields }, WAIT_MS).catch((error: unknown) => error)
  })
  while (peer.seen.length < 40) await new Promise((resolve) => setTimeout(resolve, 5))
  const queuedMs = Date.now()
  const id = await advice('000001')
  await reached(id, 'acknowledged')
  const tookMs = Date.now() - queuedMs
  t.ok(tookMs >= 800, `it held back for ${tookMs} ms`)
  t.equal(link.inFlight, 40, 'while they were in flight')
  link.close()
  await Promise.all(live)
})

t.test('whatever the peer and the link do, each message gets there, in its order', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('ok', 'ok', 'ok', 'silent', 'cut', '91', 'late'), { maxLength: 14 }),
      async (faults) => {
        const { advice, peer, open } = await world(t)
        peer.reaction = (_message, nth) => {
          const fault = faults[nth - 1] ?? 'ok'
          if (fault === 'silent' || fault === 'cut') return { do: fault }
          if (fault === 'late') return { do: 'answer', code: '00', afterMs: 45 }
          return fault === '91' ? { do: 'answer', code: '91' } : approved
        }
        const stans = Array.from({ length: 6 }, (_, at) => String(at + 1).padStart(6, '0'))
        const ids: number[] = []
        for (const stan of stans) ids.push(await advice(stan))
        const { forwarder, link } = await open({ timeoutMs: 40, maxAttempts: 1_000 })
        for (const id of ids) await reached(id, 'acknowledged')
        await forwarder.close()
        link.close()
        const firsts = peer.seen.filter(({ stan }, at) => peer.seen.findIndex((one) => one.stan === stan) === at)
        // What was marked as sent when the link broke may come first as its repeat.
        t.same(
          firsts.map(({ stan }) => stan),
          stans,
          faults.join(' '),
        )
        t.same(
          peer.seen.map(({ stan }) => stan),
          [...peer.seen].map(({ stan }) => stan).sort(),
          'none comes back later',
        )
        for (const [at, { stan, mti }] of peer.seen.entries()) {
          if (peer.seen.slice(0, at).some((one) => one.stan === stan)) t.equal(mti, '0221', 'again only as a repeat')
        }
      },
    ),
    { numRuns: 6, seed: 1 },
  )
})

t.test('what was done long ago is deleted, with its history; dead letters stay', async (t) => {
  const { advice, peer, open } = await world(t)
  peer.reaction = ({ stan }) => ({ do: 'answer', code: stan === '000001' ? '00' : '30' })
  const [done, dead] = [await advice('000001'), await advice('000002')]
  await open()
  await reached(done, 'acknowledged')
  await reached(dead, 'dead')
  t.equal(await purgeOutbound(client, Date.now() - 60_000, 1_000), 0)
  t.ok((await purgeOutbound(client, Date.now() + 60_000, 1_000)) > 0)
  const { rows } = await client.query(
    `select m.id, count(a.id)::integer as events from outbound_message m
     left join outbound_attempt a on a.message_id = m.id where m.id = any ($1) group by m.id`,
    [[done, dead]],
  )
  t.same(rows, [{ id: String(dead), events: 2 }])
  const left = await client.query('select from outbound_attempt where message_id = $1', [done])
  t.equal(left.rowCount, 0)
})
