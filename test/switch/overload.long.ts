import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createFramer } from '../../src/link/framing.ts'
import { AnswerReader } from '../../src/simulator/load-answer.ts'
import { contentOf, type LoadPlace, placesOf } from '../../src/simulator/load-mix.ts'
import { codeText } from '../../src/simulator/load-record.ts'
import { MessageTemplate } from '../../src/simulator/load-template.ts'
import { startTestSwitch } from '../support/switch.ts'

const DIALECT = 'iso87-ascii'
const RUN = 1
const BATCH_MAX = 8
/** How long the journal of these tests takes for a batch, at least. */
const COMMIT_MS = 10
const REFUSED = '91'
/** Share of the requests that has to be quick: a machine that stands still for a moment has a few wait. */
const MOST = 0.8

const place = placesOf('purchase', DIALECT)[0] as LoadPlace
const purchase = contentOf('purchase')
const templateOf = (mti: string) =>
  new MessageTemplate({ dialect: DIALECT, place, content: { ...purchase, mti }, run: RUN, chip: false })
const templates = { request: templateOf('0200'), advice: templateOf('0220') }
const reader = new AnswerReader(templates.request)
let lastSequence = 0

/** A client's link: sends without waiting, and notes how long each answer took. */
class Client {
  readonly #socket: Socket
  readonly #cards: readonly string[]
  readonly #sentMs = new Map<number, number>()
  readonly #scratch = Buffer.alloc(4_096)
  /** Milliseconds of decisions, and how many were refused. */
  readonly decidedMs: number[] = []
  refused = 0
  sent = 0

  constructor(port: number, cards: readonly string[]) {
    this.#cards = cards
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const framer = createFramer('len2', 4_096)
    this.#socket.on('data', (chunk: Buffer) => framer.push(chunk, (frame) => this.#onFrame(frame)))
    this.#socket.on('error', () => undefined)
  }

  get unanswered(): number {
    return this.#sentMs.size
  }

  send(kind: keyof typeof templates, count: number): void {
    const frames: Buffer[] = []
    for (let n = 0; n < count; n++) {
      lastSequence++
      const pan = this.#cards[lastSequence % this.#cards.length] as string
      const end = templates[kind].write(this.#scratch, 0, {
        householdId: Number(pan.slice(6, 15)),
        checkDigit: Number(pan.at(-1)),
        transmission: 1111100000,
        localTime: 120000,
        localDate: 1111,
        date: 261111,
        stan: lastSequence,
        sequence: lastSequence,
        originalStan: 0,
        originalTransmission: 0,
      })
      frames.push(Buffer.from(this.#scratch.subarray(0, end)))
      this.#sentMs.set(lastSequence, performance.now())
    }
    this.sent += count
    this.#socket.write(Buffer.concat(frames))
  }

  #onFrame(frame: Buffer): void {
    const answer = { run: 0, sequence: 0, responseCode: 0, approvalCode: -1, amountPiasters: 0 }
    reader.read(frame, answer)
    const sentMs = this.#sentMs.get(answer.sequence)
    if (sentMs === undefined) return
    this.#sentMs.delete(answer.sequence)
    if (codeText(answer.responseCode) === REFUSED) this.refused++
    else this.decidedMs.push(performance.now() - sentMs)
  }

  /** Waits for the last answers. */
  async answered(): Promise<void> {
    for (const endMs = performance.now() + 60_000; this.unanswered > 0 && performance.now() < endMs; ) await sleep(5)
  }

  close(): void {
    this.#socket.destroy()
  }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

const lanes = { ringCapacity: 1_024, batchMax: BATCH_MAX, queueMs: 10_000, timeBudgetMs: 60_000 }
const at = await startTestSwitch(t, { config: { lanes } })
await at.client.query(`
  create function slow() returns trigger language plpgsql as
    'begin perform pg_sleep(${COMMIT_MS / 1_000}); return null; end';
  create trigger slow after insert on batch for each statement execute function slow()`)
const cards = at.world.households.filter((one) => one.case === undefined).map(({ card }) => card.pan)

function clients(count: number): Client[] {
  return Array.from({ length: count }, () => new Client(at.ports.ascii, cards))
}

t.test('a flood of several times what can be decided: all is answered, and calm links hardly notice', async (t) => {
  const flooding = clients(2)
  const calm = clients(4)
  // Four requests a second of each calm link, a thousand a second and more of each flooding one.
  for (let tick = 0; tick < 60; tick++) {
    for (const client of flooding) client.send('request', 40)
    for (const [index, client] of calm.entries()) if (tick % 10 === index) client.send('request', 1)
    await sleep(25)
  }
  const all = [...flooding, ...calm]
  await Promise.all(all.map((client) => client.answered()))
  t.equal(
    all.reduce((sum, client) => sum + client.unanswered, 0),
    0,
    'every request is answered',
  )
  const flood = flooding.flatMap(({ decidedMs }) => decidedMs)
  const refused = flooding.reduce((sum, client) => sum + client.refused, 0)
  t.ok(flood.length > 300, `${flood.length} of the flood are decided`)
  t.ok(refused > 1_000, `${refused} of it are refused`)
  t.same(
    calm.map((client) => client.refused),
    [0, 0, 0, 0],
    'nothing of a calm link is refused',
  )
  const calmMs = percentile(
    calm.flatMap(({ decidedMs }) => decidedMs),
    MOST,
  )
  const floodMs = percentile(flood, 0.5)
  t.comment(
    `most requests of calm links wait ${Math.round(calmMs)} ms at most, half of the flood ${Math.round(floodMs)} ms or more`,
  )
  t.ok(calmMs < floodMs / 2, 'they do not wait behind the flood')
  for (const client of all) client.close()
})

t.test('a backlog of advices drains beside live requests, and neither holds the other up', async (t) => {
  const [backlog, live, flooding] = clients(3) as [Client, Client, Client]
  backlog.send('advice', 200)
  // As many as the ring takes: live traffic that never ends while the advices wait.
  for (let tick = 0; tick < 40; tick++) {
    flooding.send('request', 20)
    if (tick % 4 === 0) live.send('request', 1)
    await sleep(25)
  }
  await backlog.answered()
  const meanwhile = flooding.unanswered
  await Promise.all([live.answered(), flooding.answered()])
  t.same([backlog.unanswered, backlog.refused, backlog.decidedMs.length], [0, 0, 200], 'every advice is decided')
  t.ok(meanwhile > 0, 'before the requests are all done: they are not starved')
  t.same([live.unanswered, live.refused], [0, 0])
  const liveMs = percentile(live.decidedMs, MOST)
  const adviceMs = percentile(backlog.decidedMs, 0.99)
  t.comment(`most requests wait ${Math.round(liveMs)} ms at most, advices ${Math.round(adviceMs)} ms at most`)
  t.ok(liveMs < adviceMs / 2, 'and requests do not wait behind the advices')
  for (const client of [backlog, live, flooding]) client.close()
})
