import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type JournalMark, markJournal } from '../../bench/compare.ts'
import { type RoleProcess, rolePorts, startRoleProcess } from '../../bench/role-process.ts'
import { CUTOVER_MINUTES, cardsOf } from '../../bench/world.ts'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { addDays, civilDate, monthOf } from '../../src/calendar.ts'
import { assert, describeError } from '../../src/errors.ts'
import { masterKeyOf } from '../../src/security/master-key.ts'
import { installDemoKeys } from '../../src/simulator/demo-key-store.ts'
import { LoadGenerator, type LoadPorts } from '../../src/simulator/load-generator.ts'
import { mixes } from '../../src/simulator/load-mix.ts'
import { LoadRecord } from '../../src/simulator/load-record.ts'
import { LoadTraffic } from '../../src/simulator/load-traffic.ts'
import { loadDemoWorld } from '../../src/simulator/load-world.ts'
import { connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { openKeys } from '../../src/switch-keys.ts'
import { HaCluster } from './cluster.ts'

export interface DrillPlace {
  readonly folder: string
  readonly servers: number
  readonly etcds: number
  readonly binDir: string
  readonly cards: number
  readonly ratePerSecond: number
  readonly secondsMax: number
}

const SEED = 1
/** Of a database that lives for one drill. */
const MASTER_KEY = 'c3'.repeat(32)
const SETTLED_WITHIN_MS = 120_000
const POLL_MS = 50
const ROOM_FACTOR = 2
const ROOM_MORE = 20_000
/** Later than the switch's own answer 91, so that silence means that nobody is there. */
const TIME_BUDGET_MS = 1_000
const REPEAT_AFTER_MS = 1_500

const config = {
  jobs: { enabled: false },
  availability: { role: 'auto', synchronousStandby: 'require' },
  database: { statementTimeoutMs: 5_000 },
  lanes: { timeBudgetMs: TIME_BUDGET_MS },
}

/** Databases, two processes of the switch, and acquirers that know both of them. */
export class DrillStage {
  readonly cluster: HaCluster
  readonly generator: LoadGenerator
  readonly record: LoadRecord
  readonly traffic: LoadTraffic
  readonly marks: readonly JournalMark[]
  readonly #start: (at: number) => Promise<RoleProcess>
  readonly #processes: RoleProcess[]

  private constructor(
    parts: Pick<DrillStage, 'cluster' | 'generator' | 'record' | 'traffic' | 'marks'>,
    start: (at: number) => Promise<RoleProcess>,
    processes: RoleProcess[],
  ) {
    this.cluster = parts.cluster
    this.generator = parts.generator
    this.record = parts.record
    this.traffic = parts.traffic
    this.marks = parts.marks
    this.#start = start
    this.#processes = processes
  }

  /** Makes everything; the load is connected and nothing is sent yet. */
  static async open(place: DrillPlace): Promise<DrillStage> {
    const cluster = await HaCluster.make(path.join(place.folder, 'database'), place.servers, place.etcds, place.binDir)
    const processes: RoleProcess[] = []
    try {
      const traffic = await makeWorld(cluster.url, place.cards)
      const places = [0, 1].map((at) => ({ varDir: path.join(place.folder, `switch-${at + 1}`) }))
      for (const { varDir } of places) mkdirSync(varDir, { recursive: true })
      const ports = [await rolePorts(), await rolePorts()] as const
      const start = async (at: number) => {
        const { varDir } = places[at] as { varDir: string }
        return startRoleProcess({
          varDir,
          databaseUrl: cluster.url,
          masterKey: MASTER_KEY,
          ports: ports[at === 0 ? 0 : 1],
          config,
        })
      }
      for (const at of [0, 1]) {
        const one = await start(at)
        processes.push(one)
        await one.until(at === 0 ? 'ready' : 'standby', SETTLED_WITHIN_MS)
      }
      const client = await connect({ url: cluster.url, name: 'mizan ha' })
      const marks = await markJournal(client).finally(() => client.end())
      const record = new LoadRecord(Math.ceil(place.ratePerSecond * place.secondsMax * ROOM_FACTOR) + ROOM_MORE)
      const generator = new LoadGenerator({
        ports: loadPorts(ports[0]),
        otherPorts: loadPorts(ports[1]),
        traffic,
        record,
        linksPerDialect: 2,
        followUp: { repeatAfterMs: REPEAT_AFTER_MS, repeats: 2 },
      })
      await generator.connect()
      return new DrillStage({ cluster, generator, record, traffic, marks }, start, processes)
    } catch (error) {
      const members = (await cluster.members()).map(({ name, role, state }) => `${name} ${role} ${state}`)
      for (const one of processes) one.signal('SIGKILL')
      await cluster.remove()
      // The logs of the processes stay.
      throw new Error(`${describeError(error)}\ndatabases: ${members.join(', ')}`, { cause: error })
    }
  }

  /** The process that answers. */
  async active(): Promise<RoleProcess> {
    for (const one of this.#processes) if ((await one.status()) === 'ready') return one
    throw new Error('no process answers')
  }

  /** Starts a process again in the place of one that was killed. */
  async replace(killed: RoleProcess): Promise<void> {
    const at = this.#processes.indexOf(killed)
    await killed.exited
    this.#processes[at] = await this.#start(at)
  }

  /** Waits until everything is there twice again. */
  async untilWhole(): Promise<void> {
    await this.cluster.untilHealthy(SETTLED_WITHIN_MS)
    const giveUpMs = performance.now() + SETTLED_WITHIN_MS
    for (;;) {
      const statuses = await Promise.all(this.#processes.map((one) => one.status()))
      if (statuses.includes('ready') && statuses.includes('standby')) return
      if (performance.now() > giveUpMs) throw new Error(`the processes are ${statuses.join(' and ')}`)
      await sleep(POLL_MS)
    }
  }

  /** Whether the process has lost its lanes by what its log says. */
  wasFenced(one: RoleProcess): boolean {
    return one.log().includes('"event":"writer_fenced"')
  }

  /** Stops the load and both processes; the database stays. @returns their exit statuses */
  async stop(): Promise<(number | null)[]> {
    this.generator.close()
    for (const one of this.#processes) {
      one.signal('SIGCONT')
      one.signal('SIGTERM')
    }
    return Promise.all(this.#processes.map((one) => one.exited))
  }

  /** Removes everything. */
  async remove(folder: string): Promise<void> {
    this.generator.close()
    for (const one of this.#processes) {
      one.signal('SIGKILL')
      await one.exited
    }
    await this.cluster.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

function loadPorts({ ascii, bcd, visa }: { ascii: number; bcd: number; visa: number }): LoadPorts {
  return { 'iso87-ascii': ascii, 'iso87-bcd': bcd, 'visa-base1': visa }
}

async function makeWorld(url: string, count: number): Promise<LoadTraffic> {
  const nowMs = Date.now()
  await prepareDatabase(url, 1)
  const { protection } = await openKeys({
    url,
    masterKey: masterKeyOf(Buffer.from(MASTER_KEY, 'hex'), 'the drill'),
    clock: { now: () => nowMs },
    install: (client, module) => installDemoKeys(client, module, { seed: SEED, environment: 'test' }),
  })
  const programmes = programmeCatalogue(shippedProgrammes)
  await loadDemoWorld({
    url,
    laneCount: 1,
    seed: SEED,
    households: count,
    withCases: false,
    nowMs,
    cutoverMinutes: CUTOVER_MINUTES,
    programmes,
    protection,
  })
  const bread = programmes.on(civilDate(nowMs)).wallet('bread')
  assert(bread !== undefined, 'bread is a programme')
  return new LoadTraffic({
    parts: mixes.national,
    cards: cardsOf({ cards: count, seed: SEED }),
    cursors: { bread: 0, ration: 0, purchase: 0, schemePurchase: 0, cash: 0 },
    bread,
    daysLeftInMonth: daysLeftInMonth(nowMs),
    run: 1,
    seed: SEED,
  })
}

function daysLeftInMonth(nowMs: number): number {
  const today = civilDate(nowMs)
  let days = 1
  while (monthOf(addDays(today, days)) === monthOf(today)) days++
  return days
}
