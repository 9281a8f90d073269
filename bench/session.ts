import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import { programmeCatalogue } from '../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../src/benefit/shipped-programmes.ts'
import { addDays, civilDate, monthOf } from '../src/calendar.ts'
import { assert } from '../src/errors.ts'
import { LoadChip } from '../src/simulator/load-chip.ts'
import type { FollowUpRules } from '../src/simulator/load-follow-up.ts'
import { LoadGenerator, type LoadPorts } from '../src/simulator/load-generator.ts'
import { type MixName, mixes } from '../src/simulator/load-mix.ts'
import type { LoadOutcome } from '../src/simulator/load-plan.ts'
import { LoadRecord } from '../src/simulator/load-record.ts'
import type { LoadStage } from '../src/simulator/load-schedule.ts'
import { LoadTraffic } from '../src/simulator/load-traffic.ts'
import { connect } from '../src/store/connection.ts'
import { type Comparison, compareWithLedger, type JournalMark, markJournal } from './compare.ts'
import { Histogram } from './histogram.ts'
import type { CryptoKind } from './options.ts'
import {
  type CoresUsed,
  type CpuReading,
  coresUsed,
  type DatabaseReading,
  type MetricSamples,
  readCpu,
  readDatabase,
  readMetrics,
  residentMib,
} from './probes.ts'
import { type SwitchProcess, startSwitchProcess } from './switch-process.ts'
import type { BenchWorld } from './world.ts'

export interface SessionOptions {
  readonly world: BenchWorld
  readonly mix: MixName
  /** @default 'none' */
  readonly crypto?: CryptoKind
  readonly seed: number
  /** Most requests that the session will send. */
  readonly capacity: number
  readonly linksPerDialect: number
  /** Where the switch finds the database, when that is not the world's own address: a proxy that misbehaves. */
  readonly databaseUrl?: string
  readonly config?: string
  /** Whether the load waits for the switch while that is away, and heeds a sign-off. */
  readonly patient?: boolean
  readonly nodeFlags?: readonly string[]
  /** How requests without an answer are followed up; absent = they are not. */
  readonly followUp?: FollowUpRules
  /** Where the load connects, when that is not the switch itself: proxies that misbehave. Called for each new switch. */
  readonly route?: (ports: LoadPorts) => LoadPorts
}

export interface StepOptions {
  readonly ratePerSecond: number
  readonly warmupSeconds: number
  readonly seconds: number
  readonly answerWithinMs?: number
  readonly outstandingMax?: number
  /** Closed loop with so many requests under way. */
  readonly window?: number
  readonly stages?: readonly LoadStage[]
  /** Gets each measured answer too. */
  readonly onAnswer?: (microseconds: number, sequence: number) => void
}

/** One load run with what the machine did meanwhile. */
export interface StepResult {
  readonly outcome: LoadOutcome
  readonly latency: Histogram
  readonly cpu: CoresUsed
  readonly database: { readonly from: DatabaseReading; readonly to: DatabaseReading }
  readonly metrics: { readonly from: MetricSamples; readonly to: MetricSamples }
  readonly switchMib: number | null
}

const ANSWER_WITHIN_MS = 10_000

/** A switch on the bench's world and a generator connected to it, for one or more runs. */
export class Session {
  readonly world: BenchWorld
  readonly record: LoadRecord
  readonly traffic: LoadTraffic
  readonly generator: LoadGenerator
  readonly client: Client
  readonly #options: SessionOptions
  readonly #marks: readonly JournalMark[]
  #process: SwitchProcess

  private constructor(
    options: SessionOptions,
    process: SwitchProcess,
    client: Client,
    marks: readonly JournalMark[],
    parts: { record: LoadRecord; traffic: LoadTraffic; generator: LoadGenerator },
  ) {
    this.#options = options
    this.world = options.world
    this.#process = process
    this.client = client
    this.#marks = marks
    this.record = parts.record
    this.traffic = parts.traffic
    this.generator = parts.generator
  }

  /** Starts the switch and connects to it. */
  static async open(options: SessionOptions): Promise<Session> {
    const { world } = options
    const client = await connect({ url: world.url, name: 'mizan bench' })
    const marks = await markJournal(client)
    const process = await startSwitchProcess(switchOptions(options))
    try {
      return await Session.#connect(options, process, client, marks)
    } catch (error) {
      await process.kill()
      await client.end()
      throw error
    }
  }

  static async #connect(
    options: SessionOptions,
    process: SwitchProcess,
    client: Client,
    marks: readonly JournalMark[],
  ): Promise<Session> {
    const { world, mix, seed, crypto = 'none', patient = false, linksPerDialect } = options
    const chipLoad = () => new LoadChip({ keys: world.keys, secrets: world.secrets(), used: world.counter })
    const bread = programmeCatalogue(shippedProgrammes).on(civilDate(Date.now())).wallet('bread')
    assert(bread !== undefined, 'bread is a programme')
    const traffic = new LoadTraffic({
      parts: mixes[mix],
      cards: world.cards,
      cursors: world.cursors,
      bread,
      daysLeftInMonth: daysLeftInMonth(Date.now()),
      run: world.nextRun(),
      seed,
      ...(crypto === 'chip-pin' ? { chip: chipLoad() } : {}),
    })
    const record = new LoadRecord(options.capacity)
    const { followUp, route = asTheyAre } = options
    const ports = route(process.ports)
    const follow = followUp === undefined ? {} : { followUp }
    const generator = new LoadGenerator({ ports, traffic, record, linksPerDialect, patient, ...follow })
    await generator.connect()
    await untilWarm(process.httpPort)
    return new Session(options, process, client, marks, { record, traffic, generator })
  }

  get process(): SwitchProcess {
    return this.#process
  }

  /** Runs the load once. */
  async step(options: StepOptions): Promise<StepResult> {
    const latency = new Histogram()
    const { pid, httpPort } = this.#process
    const { serverPid } = this.world
    let cpuFrom: CpuReading | undefined
    let cpuTo: CpuReading | undefined
    const from = { database: await readDatabase(this.client), metrics: await readMetrics(httpPort) }
    const outcome = await this.generator.run({
      ...options,
      answerWithinMs: options.answerWithinMs ?? ANSWER_WITHIN_MS,
      onMeasure: (phase) => {
        if (phase === 'begin') cpuFrom = readCpu(pid, serverPid)
        else cpuTo = readCpu(pid, serverPid)
      },
      onLatency: (microseconds, sequence) => {
        latency.record(microseconds)
        options.onAnswer?.(microseconds, sequence)
      },
    })
    const to = { database: await readDatabase(this.client), metrics: await readMetrics(httpPort) }
    return {
      outcome,
      latency,
      cpu: coresUsed(cpuFrom, cpuTo),
      database: { from: from.database, to: to.database },
      metrics: { from: from.metrics, to: to.metrics },
      switchMib: residentMib(pid),
    }
  }

  /** Starts a new switch process in the place of one that was killed; the links find it by themselves. */
  async restart(): Promise<SwitchProcess> {
    this.adopt(await startSwitchProcess(switchOptions(this.#options)))
    return this.#process
  }

  /** Starts a further switch process on the same database, with a data folder of its own. */
  startAnother(varDir: string): Promise<SwitchProcess> {
    return startSwitchProcess({ ...switchOptions(this.#options), varDir })
  }

  /** Makes a process the switch that the load talks to; the one before is the caller's to end. */
  adopt(process: SwitchProcess): void {
    this.#process = process
    const { route = asTheyAre } = this.#options
    this.generator.retarget(route(process.ports))
  }

  /** Where the journal stood when the session began. */
  get marks(): readonly JournalMark[] {
    return this.#marks
  }

  /**
   * Ends the load and compares all answers of the session with the journal. Links and switch are closed first, so that
   * neither side changes any more.
   */
  async finish(): Promise<Comparison> {
    this.generator.close()
    await this.#process.stop()
    // A connection of its own: the session's may have died with a database that was killed.
    const client = await connect({ url: this.world.url, name: 'mizan bench' })
    try {
      return await compareWithLedger(client, this.#marks, this.record, this.traffic)
    } finally {
      await client.end()
    }
  }

  /** Closes the links and stops the switch; the database stays open. Idempotent. */
  async close(): Promise<void> {
    this.generator.close()
    this.world.save()
    await this.#process.stop()
    await this.client.end().catch(() => undefined)
  }
}

function asTheyAre(ports: LoadPorts): LoadPorts {
  return ports
}

const WARM_POLL_MS = 250
const WARM_POLLS_MAX = 1_200

/**
 * Waits until the switch has filled its memory with households: a switch that runs is warm, and its first minute is
 * not what a bench is about. Where there are more cards than it keeps, it stops at what it keeps.
 * @throws Error when it still fills it after five minutes: what would be measured is a cold switch
 */
async function untilWarm(httpPort: number): Promise<void> {
  for (let poll = 0; poll < WARM_POLLS_MAX; poll++) {
    const filling = [...(await readMetrics(httpPort))].filter(([name]) => name.startsWith('mizan_cache_filling'))
    if (filling.length > 0 && filling.every(([, value]) => value === 0)) return
    await sleep(WARM_POLL_MS)
  }
  throw new Error(`the switch still reads households after ${(WARM_POLL_MS * WARM_POLLS_MAX) / 1_000} s`)
}

function switchOptions({ world, databaseUrl, config, nodeFlags }: SessionOptions) {
  return {
    varDir: world.varDir,
    databaseUrl: databaseUrl ?? world.url,
    ...(config === undefined ? {} : { config }),
    ...(nodeFlags === undefined ? {} : { nodeFlags }),
  }
}

function daysLeftInMonth(nowMs: number): number {
  const today = civilDate(nowMs)
  let days = 1
  while (monthOf(addDays(today, days)) === monthOf(today)) days++
  return days
}
