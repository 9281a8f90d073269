import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LoadDialect } from '../../src/simulator/load-mix.ts'
import { loadDialects } from '../../src/simulator/load-mix.ts'
import { connect } from '../../src/store/connection.ts'
import type { CheckResult } from '../../src/store/verify.ts'
import { signalled } from '../chaos/server.ts'
import { compareWithLedger } from '../compare.ts'
import { Histogram } from '../histogram.ts'
import { checkInvariants } from '../invariants.ts'
import { type MetricSamples, readMetrics } from '../probes.ts'
import { Session } from '../session.ts'
import { progress } from '../terminal.ts'
import { type BenchWorld, openWorld } from '../world.ts'
import { type Attack, attacks, Line } from './attacks.ts'
import { Forgery } from './forgery.ts'

export interface LinkFuzzOptions {
  /** Bytes to each listener. */
  readonly bytes: number
  readonly seed: number
  /** Attackers on each listener at once. */
  readonly attackers: number
  /** Well-formed requests a second meanwhile. */
  readonly canaryPerSecond: number
  readonly cards: number
  /** How long the last connections are given to go. @default 2500 */
  readonly settleMs?: number
}

/** What a listener got. */
export interface ListenerFigures {
  bytes: number
  connections: number
  /** Connections that could not be opened, or were refused. */
  refused: number
}

export interface LinkFuzzResult {
  readonly seed: number
  readonly seconds: number
  readonly listeners: Readonly<Record<LoadDialect, ListenerFigures>>
  readonly canary: {
    sent: number
    answered: number
    unanswered: number
    linksLost: number
    p99Ms: number
    maxMs: number
  }
  readonly lost: number
  /** Bytes of heap in use after a collection: when a tenth was sent, and at the end. */
  readonly heapBytes: { readonly warm: number; readonly end: number }
  /** Open descriptors, while no attacker is connected. */
  readonly descriptors: { readonly before: number; readonly warm: number; readonly end: number }
  readonly logBytes: number
  readonly framesRefused: number
  readonly invariants: readonly CheckResult[]
  readonly violations: readonly string[]
}

const COLLECTOR = fileURLToPath(new URL('../collect-on-signal.ts', import.meta.url))
const COLLECT_MS = 400
const WARM_SHARE = 0.1
const SETTLE_MS = 2_500
const HEAP_GROWTH_MAX = 0.15
const HEAP_SLACK_BYTES = 6 * 1_024 * 1_024
/** Connections to the database that are opened when they are first needed. */
const DESCRIPTORS_SLACK = 4
/** Lines of a second for each listener, times their length, with room for the rest of the switch. */
const LOG_BYTES_PER_SECOND_MAX = 60_000
const RUN_SECONDS_MAX = 7_200
/** The memory of keys is full early, so that what grows afterwards leaks. */
const RECENT_KEYS = 5_000

/** Throws bytes at the listeners of a switch while others use them, and looks at what it does to it. */
export async function fuzzLinks(options: LinkFuzzOptions): Promise<LinkFuzzResult> {
  const varDir = path.join(os.tmpdir(), `mizan-fuzz-${process.pid}`)
  const world = await openWorld({ cards: options.cards, seed: options.seed, laneCount: 1, varDir })
  // The server outlives whoever started it.
  const onExit = () => void signalled(world.serverPid, 'SIGQUIT')
  process.once('exit', onExit)
  try {
    return await onWorld(options, world)
  } finally {
    process.off('exit', onExit)
    await world.close()
    rmSync(varDir, { recursive: true, force: true })
  }
}

async function onWorld(options: LinkFuzzOptions, world: BenchWorld): Promise<LinkFuzzResult> {
  const { seed, canaryPerSecond } = options
  const config = path.join(world.varDir, 'fuzz.json')
  writeFileSync(config, `${JSON.stringify({ lanes: { recentKeys: RECENT_KEYS } })}\n`)
  const session = await Session.open({
    world,
    mix: 'national',
    seed,
    capacity: canaryPerSecond * RUN_SECONDS_MAX,
    linksPerDialect: 1,
    config,
    nodeFlags: ['--expose-gc', '--import', COLLECTOR],
  })
  try {
    return await new LinkFuzz(options, session).run()
  } finally {
    await session.close()
  }
}

class LinkFuzz {
  readonly #options: LinkFuzzOptions
  readonly #session: Session
  readonly #latency = new Histogram()
  readonly #listeners: Record<LoadDialect, ListenerFigures>
  readonly #logFile: string
  #over = false

  constructor(options: LinkFuzzOptions, session: Session) {
    this.#options = options
    this.#session = session
    this.#logFile = path.join(session.world.varDir, 'switch.log')
    const none = (): ListenerFigures => ({ bytes: 0, connections: 0, refused: 0 })
    this.#listeners = { 'iso87-ascii': none(), 'iso87-bcd': none(), 'visa-base1': none() }
  }

  async run(): Promise<LinkFuzzResult> {
    const { seed, canaryPerSecond, settleMs = SETTLE_MS } = this.#options
    const session = this.#session
    const beganMs = performance.now()
    const logBefore = statSync(this.#logFile).size
    const before = await this.#measured()
    const canary = session.generator.run({
      ratePerSecond: canaryPerSecond,
      warmupSeconds: 0,
      seconds: RUN_SECONDS_MAX - 1,
      answerWithinMs: 10_000,
      isOver: () => this.#over,
      onLatency: (microseconds) => this.#latency.record(microseconds),
    })
    await this.#attackUntil(WARM_SHARE)
    await sleep(settleMs)
    const warm = await this.#measured()
    await this.#attackUntil(1)
    await sleep(settleMs)
    const end = await this.#measured()
    this.#over = true
    const outcome = await canary
    const alive = session.process.alive()
    session.generator.close()
    await session.process.stop()
    const seconds = (performance.now() - beganMs) / 1_000
    const figures = {
      seed,
      seconds,
      listeners: this.#listeners,
      canary: {
        sent: outcome.offered,
        answered: outcome.completed,
        // Those that found no open link are among them: the canary's links must not be lost.
        unanswered: outcome.offered - outcome.completed,
        linksLost: outcome.linksLost,
        p99Ms: Math.round(this.#latency.percentile(0.99) / 1_000),
        maxMs: Math.round(this.#latency.max / 1_000),
      },
      lost: await this.#lost(),
      heapBytes: { warm: heapOf(warm), end: heapOf(end) },
      descriptors: { before: descriptorsOf(before), warm: descriptorsOf(warm), end: descriptorsOf(end) },
      logBytes: statSync(this.#logFile).size - logBefore,
      framesRefused: sumOf(end, 'mizan_frames_refused_total'),
      invariants: await checkInvariants(session.world.url),
    }
    return { ...figures, violations: violationsOf(figures, alive, this.#fatalLines(logBefore)) }
  }

  /** The metrics of the switch when its garbage is collected. */
  async #measured(): Promise<MetricSamples> {
    const { pid, httpPort } = this.#session.process
    process.kill(pid, 'SIGUSR2')
    await sleep(COLLECT_MS)
    return readMetrics(httpPort)
  }

  async #attackUntil(share: number): Promise<void> {
    const { attackers, bytes, seed, cards } = this.#options
    await Promise.all(
      loadDialects.flatMap((dialect, place) =>
        Array.from({ length: attackers }, (_, attacker) => {
          const forgery = new Forgery(dialect, cards, seed * 7_919 + place * 101 + attacker + Math.round(share * 1_000))
          return this.#attack(dialect, forgery, bytes * share)
        }),
      ),
    )
  }

  /** One attacker: one connection after the other until the listener has got its bytes. */
  async #attack(dialect: LoadDialect, forgery: Forgery, until: number): Promise<void> {
    const figures = this.#listeners[dialect]
    while (figures.bytes < until) {
      const attack = drawn(forgery.below)
      const line = new Line(this.#session.process.ports[dialect])
      figures.connections += 1
      if (await line.opened()) await attack.play(forgery, line)
      else figures.refused += 1
      line.drop()
      figures.bytes += line.bytes
      if (!this.#session.process.alive()) throw new Error('the switch process ended; its log is in its data folder')
      this.#say()
    }
  }

  #say(): void {
    const { bytes } = this.#options
    const shares = loadDialects.map((dialect) => `${Math.round((this.#listeners[dialect].bytes / bytes) * 100)} %`)
    progress(`sent: ${shares.join(', ')}`)
  }

  async #lost(): Promise<number> {
    const { world, marks, record, traffic } = this.#session
    const client = await connect({ url: world.url, name: 'mizan fuzz' })
    try {
      // Approvals that the canary did not ask for are the attackers' own: only what it was answered is held against it.
      return (await compareWithLedger(client, marks, record, traffic)).lost
    } finally {
      await client.end()
    }
  }

  /** Lines that say that the program itself failed. */
  #fatalLines(from: number): string[] {
    return readFileSync(this.#logFile)
      .subarray(from)
      .toString('utf8')
      .split('\n')
      .filter((line) => line.includes('"unexpected_error"') || line.includes('"request_failed"'))
  }
}

function drawn(below: (limit: number) => number): Attack {
  const total = attacks.reduce((sum, { weight }) => sum + weight, 0)
  let at = below(total)
  for (const attack of attacks) {
    if (at < attack.weight) return attack
    at -= attack.weight
  }
  return attacks[0] as Attack
}

function heapOf(samples: MetricSamples): number {
  return samples.get('nodejs_heap_size_used_bytes') ?? Number.NaN
}

function descriptorsOf(samples: MetricSamples): number {
  return samples.get('process_open_fds') ?? Number.NaN
}

function sumOf(samples: MetricSamples, name: string): number {
  let sum = 0
  for (const [sample, value] of samples) if (sample.startsWith(name)) sum += value
  return sum
}

function violationsOf(figures: Omit<LinkFuzzResult, 'violations'>, alive: boolean, fatal: readonly string[]): string[] {
  const { canary, lost, heapBytes, descriptors, logBytes, seconds, invariants } = figures
  const found: string[] = []
  if (!alive) found.push('the switch process ended')
  if (canary.unanswered > 0) found.push(`${canary.unanswered} well-formed requests were not answered`)
  if (canary.linksLost > 0) found.push(`${canary.linksLost} links of the canary were lost`)
  if (lost > 0) found.push(`${lost} answers are not in the ledger`)
  if (heapBytes.end > heapBytes.warm * (1 + HEAP_GROWTH_MAX) + HEAP_SLACK_BYTES) {
    found.push(`the heap grew from ${heapBytes.warm} to ${heapBytes.end} bytes`)
  }
  if (descriptors.end > descriptors.warm + DESCRIPTORS_SLACK) {
    found.push(`${descriptors.end} descriptors are open, ${descriptors.warm} after a tenth of the bytes`)
  }
  if (logBytes > LOG_BYTES_PER_SECOND_MAX * seconds) found.push(`${logBytes} bytes were logged`)
  for (const { name, ok, detail } of invariants) if (!ok) found.push(`${name}: ${detail}`)
  for (const line of fatal.slice(0, 3)) found.push(`the log says: ${line.slice(0, 300)}`)
  return found
}
