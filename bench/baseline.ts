import type { Client } from 'pg'
import { programmeCatalogue } from '../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../src/benefit/shipped-programmes.ts'
import { civilDate } from '../src/calendar.ts'
import { assert } from '../src/errors.ts'
import { mixes } from '../src/simulator/load-mix.ts'
import { LoadRecord, requestStates } from '../src/simulator/load-record.ts'
import type { MessageNumbers } from '../src/simulator/load-template.ts'
import { LoadTraffic } from '../src/simulator/load-traffic.ts'
import { connect } from '../src/store/connection.ts'
import { authorizeText, BaselineRequests, cloneForBaseline } from './baseline-database.ts'
import { Histogram } from './histogram.ts'
import { findMax, type MaxResult, maxFigures, noteMax } from './max.ts'
import type { BenchOptions } from './options.ts'
import { type CoresUsed, coresUsed, readCpu, readDatabase } from './probes.ts'
import { proofTable } from './report.ts'
import { figure, note, progress, table } from './terminal.ts'
import { type BenchWorld, openBenchKeys, openWorld } from './world.ts'

/** The embedded server takes 50 connections in all. */
const CONNECTIONS = [8, 16, 40]
const WARMUP_MS = 2_000
const MEASURED_MS = 6_000
const CAPACITY = 1_000_000

/** One closed-loop run: each connection has one call under way at any time. */
interface BaselineRun {
  readonly connections: number
  /** Whether the accounts that many cards share have a balance row that each authorization updates. */
  readonly sharedBalances: boolean
  readonly perSecond: number
  readonly approved: number
  readonly declined: number
  readonly latency: Histogram
  readonly cpu: CoresUsed
  readonly walBytesPerAuth: number
}

/** `npm run bench -- baseline`: one transaction per authorization on the same tables and machine, against the switch. */
export async function runBaseline(options: BenchOptions): Promise<boolean> {
  const world = await openWorld({ ...options, laneCount: 1 })
  try {
    const clone = await cloneForBaseline(world)
    const runs: BaselineRun[] = []
    let max: MaxResult
    try {
      // Both start from the same rows: the copy was made before the switch ran.
      const startCursors = { ...world.cursors }
      max = await findMax(world, options)
      noteMax(max)
      for (const sharedBalances of [true, false]) {
        for (const connections of CONNECTIONS) {
          progress(`baseline with ${connections} connections`)
          runs.push(await runOnce(world, clone.url, options, { connections, sharedBalances, cursors: startCursors }))
        }
      }
      progress('')
    } finally {
      await clone.drop()
    }
    report(options, max, runs)
    return max.best !== undefined && max.comparison.lost === 0 && max.comparison.phantom === 0
  } finally {
    await world.close()
  }
}

interface RunPlan {
  readonly connections: number
  readonly sharedBalances: boolean
  readonly cursors: BenchWorld['cursors']
}

async function runOnce(
  world: BenchWorld,
  url: string,
  options: BenchOptions,
  { connections, sharedBalances, cursors }: RunPlan,
): Promise<BaselineRun> {
  // With the settings of the writer's own connections: plans that do not depend on statistics.
  const client = (n: number) => connect({ url, name: `mizan baseline ${n}`, role: 'mizan_app', pointQueries: true })
  const clients = await Promise.all(Array.from({ length: connections }, (_, n) => client(n)))
  const reader = await connect({ url, name: 'mizan bench' })
  try {
    await reader.query('grant usage on schema baseline to mizan_app')
    await reader.query('grant usage on sequence baseline.id to mizan_app')
    await reader.query('grant execute on all functions in schema baseline to mizan_app')
    const { protection } = await openBenchKeys(world.varDir, world.url, options.seed)
    const requests = new BaselineRequests(protection.index, sharedBalances)
    const loop = new ClosedLoop(world, options, requests, cursors)
    const before = await readDatabase(reader)
    let cpuFrom = readCpu(process.pid, world.serverPid)
    const timer = setTimeout(() => {
      cpuFrom = readCpu(process.pid, world.serverPid)
      loop.measure()
    }, WARMUP_MS)
    const ended = performance.now() + WARMUP_MS + MEASURED_MS
    await Promise.all(clients.map((client) => loop.work(client, ended)))
    clearTimeout(timer)
    const cpu = coresUsed(cpuFrom, readCpu(process.pid, world.serverPid))
    const after = await readDatabase(reader)
    await assertBooked(reader, loop)
    return {
      connections,
      sharedBalances,
      ...loop.figures(),
      cpu: cpu === null ? null : { ...cpu, switch: 0, others: cpu.others + cpu.switch },
      walBytesPerAuth: Math.round((after.walBytes - before.walBytes) / Math.max(1, loop.done)),
    }
  } finally {
    await Promise.all([...clients, reader].map((client) => client.end().catch(() => undefined)))
  }
}

/** The baseline must have done what it is timed for: as many approvals in the journal as were answered. */
async function assertBooked(reader: Client, loop: ClosedLoop): Promise<void> {
  const { rows } = await reader.query<{ approved: string }>(
    "select count(*) as approved from authorization_journal where rrn like $1 and result = 'approved'",
    [`${String(loop.run).padStart(4, '0')}%`],
  )
  const booked = Number(rows[0]?.approved)
  assert(booked === loop.approvedEver, `the baseline answered ${loop.approvedEver} approvals and booked ${booked}`)
}

const ignoredNumbers: MessageNumbers = {
  householdId: 0,
  checkDigit: 0,
  transmission: 0,
  localTime: 0,
  localDate: 0,
  date: 0,
  stan: 0,
  sequence: 0,
  originalStan: 0,
  originalTransmission: 0,
}

class ClosedLoop {
  readonly run: number
  readonly #traffic: LoadTraffic
  readonly #record = new LoadRecord(CAPACITY)
  readonly #requests: BaselineRequests
  readonly #latency = new Histogram()
  readonly #numbers = { ...ignoredNumbers }
  #measuredFromMs = Number.POSITIVE_INFINITY
  #lastMs = 0
  #approved = 0
  #declined = 0
  approvedEver = 0
  done = 0

  constructor(world: BenchWorld, options: BenchOptions, requests: BaselineRequests, cursors: BenchWorld['cursors']) {
    const bread = programmeCatalogue(shippedProgrammes).on(civilDate(Date.now())).wallet('bread')
    assert(bread !== undefined, 'bread is a programme')
    this.run = world.nextRun()
    this.#requests = requests
    this.#traffic = new LoadTraffic({
      parts: mixes[options.mix],
      cards: world.cards,
      cursors,
      bread,
      daysLeftInMonth: 1,
      run: this.run,
      seed: options.seed,
    })
  }

  measure(): void {
    this.#measuredFromMs = performance.now()
  }

  /** One connection's share: the next request as soon as the last is answered. */
  async work(client: Client, endMs: number): Promise<void> {
    while (performance.now() < endMs && this.#record.room > 0) {
      const sequence = this.#record.next()
      const beganMs = performance.now()
      const code = await this.#ask(client, sequence, beganMs)
      this.#answered(sequence, beganMs, code)
    }
  }

  async #ask(client: Client, sequence: number, beganMs: number): Promise<string> {
    const record = this.#record
    const numbers = this.#numbers
    numbers.transmission = transmissionNow()
    record.intendedMs[sequence] = beganMs
    record.transmission[sequence] = numbers.transmission
    const template = this.#traffic.next(sequence, record, numbers)
    const { originalMti } = template.source
    const values = this.#requests.parameters(sequence, template, record, numbers, originalMti)
    const { rows } = await client.query<{ code: string }>({ name: 'authorize', text: authorizeText, values })
    record.state[sequence] = rows[0]?.code === '00' ? requestStates.approved : requestStates.declined
    record.amountPiasters[sequence] = template.source.content.amountPiasters
    return rows[0]?.code ?? ''
  }

  #answered(sequence: number, beganMs: number, code: string): void {
    const approved = code === '00'
    this.done += 1
    if (approved) {
      this.approvedEver += 1
      this.#traffic.approved(sequence, this.#record)
    }
    const nowMs = performance.now()
    if (beganMs < this.#measuredFromMs) return
    this.#lastMs = nowMs
    this.#latency.record((nowMs - beganMs) * 1_000)
    if (approved) this.#approved += 1
    else this.#declined += 1
  }

  figures() {
    const seconds = (this.#lastMs - this.#measuredFromMs) / 1_000
    const perSecond = Math.round(this.#latency.count / seconds)
    return { perSecond, approved: this.#approved, declined: this.#declined, latency: this.#latency }
  }
}

function transmissionNow(): number {
  const now = new Date()
  const day = (now.getUTCMonth() + 1) * 100 + now.getUTCDate()
  return day * 1_000_000 + now.getUTCHours() * 10_000 + now.getUTCMinutes() * 100 + now.getUTCSeconds()
}

function report(options: BenchOptions, max: MaxResult, runs: readonly BaselineRun[]): void {
  const bestOf = (shared: boolean) =>
    Math.max(0, ...runs.filter((run) => run.sharedBalances === shared).map((run) => run.perSecond))
  const rate = max.best?.rate ?? 0
  const [same, gentle] = [bestOf(true), bestOf(false)]
  const saturated = Math.round(max.saturated.outcome.answersPerSecond)
  const ratios = {
    ratio: round(saturated / same),
    ratio_without_shared_balances: round(saturated / gentle),
    ratio_at_bounded_latency: round(rate / same),
  }
  if (options.json) {
    const baseline = runs.map(({ latency, ...run }) => ({
      ...run,
      p50_ms: latency.percentile(0.5) / 1_000,
      p99_ms: latency.percentile(0.99) / 1_000,
    }))
    const best = { baseline_best: same, baseline_best_without_shared_balances: gentle }
    process.stdout.write(`${JSON.stringify({ switch: maxFigures(max), baseline, ...best, ...ratios })}\n`)
    return
  }
  const rows = runs.map((run) => [
    `${run.connections} connections, ${run.sharedBalances ? 'same books' : 'no balances of shared accounts'}`,
    figure(run.perSecond),
    figure(run.latency.percentile(0.5) / 1_000),
    figure(run.latency.percentile(0.99) / 1_000),
    ...Object.values(run.cpu ?? {}).map((cores) => cores.toFixed(2)),
    figure(run.declined),
  ])
  const head = [
    'one transaction per authorization',
    'per second',
    'p50 ms',
    'p99 ms',
    'driver',
    '',
    'postgres',
    'others',
  ]
  process.stdout.write(
    `${options.mix}, ${options.cards} cards\n${table([[...head, 'declined'], ...rows])}` +
      `the switch: ${figure(saturated)}/s saturated, ${figure(rate)}/s with p99 under 20 ms\n` +
      `ratio, both saturated: ${figure(ratios.ratio)} to the same books, ` +
      `${figure(ratios.ratio_without_shared_balances)} to no balances of shared accounts; ` +
      `${figure(ratios.ratio_at_bounded_latency)} with the switch at p99 under 20 ms\n${proofTable(max.comparison, max.checks)}`,
  )
  note('the baseline worked on a copy of the database, which is removed')
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
