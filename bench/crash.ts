import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '../src/errors.ts'
import type { MixName } from '../src/simulator/load-mix.ts'
import { requestStates } from '../src/simulator/load-record.ts'
import { withClient } from '../src/store/database-location.ts'
import type { CheckResult } from '../src/store/verify.ts'
import { type FaultProxy, startFaultProxy } from '../test/support/fault-proxy.ts'
import type { Comparison } from './compare.ts'
import { checkInvariants } from './invariants.ts'
import type { BenchOptions, CryptoKind } from './options.ts'
import { Session } from './session.ts'
import { figure, note, progress, table } from './terminal.ts'
import { type BenchWorld, openWorld } from './world.ts'

/** What is broken under load. */
export const crashScenarios = [
  'switch-killed',
  'connection-terminated',
  'backend-killed',
  'cut-before-commit',
  'cut-after-commit',
] as const
export type CrashScenario = (typeof crashScenarios)[number]

export interface CrashPlan {
  readonly scenario: CrashScenario
  readonly mix: MixName
  /** @default 'none' */
  readonly crypto?: CryptoKind
  readonly ratePerSecond: number
  /** How often the fault happens; the load goes on for `everySeconds` after the last. */
  readonly faults: number
  readonly everySeconds: number
  readonly seed: number
}

/** What was left after the faults. */
export interface CrashResult {
  readonly scenario: CrashScenario
  readonly faults: number
  readonly sent: number
  readonly answered: number
  /** Sent, and never answered because the link died. */
  readonly unanswered: number
  /** Answered 91 or 96: nothing of them may be in the ledger. */
  readonly refused: number
  /** Whether the switch ran to the end; a fault of the database must not end it. */
  readonly switchAlive: boolean
  readonly comparison: Comparison
  readonly checks: readonly CheckResult[]
  /** For each fault: from it to the first answer to a request that was meant to leave after it, milliseconds. */
  readonly outageMs: readonly number[]
  /** Of `switch-killed`: from the start of the new process to its first answer. */
  readonly restartMs: readonly number[]
}

const ANSWER_WITHIN_MS = 5_000
const ACKNOWLEDGEMENT_LOST_MS = 60

/** Plays a load, breaks something under it, and compares what is left. */
export async function runCrash(world: BenchWorld, plan: CrashPlan): Promise<CrashResult> {
  const { mix, crypto = 'none', seed, ratePerSecond, faults, everySeconds } = plan
  const seconds = (faults + 1) * everySeconds
  const capacity = Math.ceil(ratePerSecond * seconds) + 100
  const proxied = plan.scenario.startsWith('cut')
  const proxy = proxied ? await startFaultProxy({ port: Number(new URL(world.url).port) }) : undefined
  const databaseUrl = proxy === undefined ? world.url : throughPort(world.url, proxy.port)
  const session = await Session.open({ world, mix, crypto, seed, capacity, linksPerDialect: 2, databaseUrl })
  const watch = new RecoveryWatch()
  try {
    const load = session.generator.run({
      ratePerSecond,
      warmupSeconds: 0,
      seconds,
      answerWithinMs: ANSWER_WITHIN_MS,
      onLatency: (microseconds) => watch.answered(microseconds),
    })
    const beganMs = performance.now()
    for (let fault = 1; fault <= faults; fault++) {
      await sleep(Math.max(0, beganMs + fault * everySeconds * 1_000 - performance.now()))
      await breakIt(plan.scenario, session, proxy, watch)
    }
    const outcome = await load
    const switchAlive = session.process.alive()
    const comparison = await session.finish()
    const checks = await checkInvariants(world.url)
    const states = countStates(session)
    return {
      scenario: plan.scenario,
      faults,
      sent: outcome.offered - (states[requestStates.unsent] ?? 0),
      answered: outcome.completed,
      unanswered: states[requestStates.sent] ?? 0,
      refused: states[requestStates.refused] ?? 0,
      switchAlive,
      comparison,
      checks,
      outageMs: watch.outageMs,
      restartMs: watch.restartMs,
    }
  } finally {
    await session.close()
    await proxy?.close()
  }
}

/** Notes when answers come again. */
class RecoveryWatch {
  readonly outageMs: number[] = []
  readonly restartMs: number[] = []
  #faultMs: number | undefined
  #restartMs: number | undefined

  fault(): void {
    this.#faultMs = performance.now()
  }

  restart(): void {
    this.#restartMs = performance.now()
  }

  answered(microseconds: number): void {
    const faultMs = this.#faultMs
    if (faultMs === undefined) return
    const nowMs = performance.now()
    // An answer that was on its way when the fault happened says nothing about the time after it.
    if (nowMs - microseconds / 1_000 <= faultMs) return
    this.outageMs.push(nowMs - faultMs)
    if (this.#restartMs !== undefined) this.restartMs.push(nowMs - this.#restartMs)
    this.#faultMs = undefined
    this.#restartMs = undefined
  }
}

async function breakIt(
  scenario: CrashScenario,
  session: Session,
  proxy: FaultProxy | undefined,
  watch: RecoveryWatch,
): Promise<void> {
  switch (scenario) {
    case 'switch-killed':
      watch.fault()
      await session.process.kill()
      watch.restart()
      await session.restart()
      return
    case 'connection-terminated':
      await terminateWriter(session.world)
      watch.fault()
      return
    case 'backend-killed':
      // PostgreSQL takes a killed backend for a corrupted memory: it ends all connections and recovers from its log.
      process.kill(await writerPid(session.world), 'SIGKILL')
      watch.fault()
      return
    case 'cut-before-commit':
      watch.fault()
      await cut(proxy, 'toServer')
      return
    case 'cut-after-commit':
      // The server commits, its acknowledgement is lost, then the connection.
      watch.fault()
      await cut(proxy, 'toClient')
  }
}

async function cut(proxy: FaultProxy | undefined, direction: 'toServer' | 'toClient'): Promise<void> {
  if (proxy === undefined) return
  proxy[direction].blackHole = true
  await sleep(ACKNOWLEDGEMENT_LOST_MS)
  proxy.cut()
  proxy[direction].blackHole = false
}

const writerQuery = "select pid from pg_stat_activity where application_name like 'mizan lane%' and datname = $1"

async function writerPid(world: BenchWorld): Promise<number> {
  return withClient(world.adminUrl, async (client) => {
    const { rows } = await client.query<{ pid: number }>(writerQuery, [world.database])
    const pid = rows[0]?.pid ?? 0
    // A pid of 0 would name this process and all its children.
    assert(pid > 1, 'the writer has a backend')
    return pid
  })
}

async function terminateWriter(world: BenchWorld): Promise<void> {
  await withClient(world.adminUrl, async (client) => {
    await client.query(`select pg_terminate_backend(pid) from (${writerQuery}) w`, [world.database])
  })
}

function throughPort(url: string, port: number): string {
  return Object.assign(new URL(url), { port: String(port) }).href
}

function countStates({ record }: Session): number[] {
  const counts = [0, 0, 0, 0, 0]
  for (let sequence = 1; sequence <= record.last; sequence++) {
    const state = record.state[sequence] as number
    counts[state] = (counts[state] as number) + 1
  }
  return counts
}

/** Whether the switch answered again after each fault, nothing was lost or invented, and all invariants hold. */
export function survived({ comparison, checks, outageMs, faults, switchAlive }: CrashResult): boolean {
  const sound = comparison.lost === 0 && comparison.phantom === 0 && checks.every((check) => check.ok)
  return sound && switchAlive && outageMs.length === faults
}

const FAULTS_PER_SCENARIO = 5
const FAULT_EVERY_SECONDS = 4

/** `npm run bench -- crash`: each scenario, or one, several times over under load. */
export async function runCrashes(options: BenchOptions, only?: CrashScenario): Promise<boolean> {
  const world = await openWorld({ ...options, laneCount: 1 })
  try {
    const results: CrashResult[] = []
    for (const scenario of only === undefined ? crashScenarios : [only]) {
      progress(`${scenario}: ${FAULTS_PER_SCENARIO} faults under ${options.rate}/s`)
      const { mix, crypto, rate: ratePerSecond, seed } = options
      const times = { faults: FAULTS_PER_SCENARIO, everySeconds: FAULT_EVERY_SECONDS }
      const result = await runCrash(world, { scenario, mix, crypto, ratePerSecond, seed, ...times })
      results.push(result)
      progress('')
      for (const check of result.checks) if (!check.ok) note(`${scenario}: ${check.name} fails: ${check.detail}`)
      if (!result.switchAlive) note(`${scenario}: the switch process ended; its log is in ${world.varDir}`)
      for (const example of result.comparison.examples) note(`${scenario}: ${example}`)
    }
    process.stdout.write(options.json ? `${JSON.stringify(results.map(crashFigures))}\n` : crashTable(results))
    return results.every(survived)
  } finally {
    await world.close()
  }
}

function crashFigures(result: CrashResult) {
  const { comparison, checks, outageMs, restartMs, ...counts } = result
  return {
    ...counts,
    unanswered_but_posted: comparison.unansweredButPosted,
    lost: comparison.lost,
    phantom: comparison.phantom,
    invariants_ok: checks.every((check) => check.ok),
    outage_ms: outageMs.map(Math.round),
    restart_to_first_answer_ms: restartMs.map(Math.round),
  }
}

function crashTable(results: readonly CrashResult[]): string {
  const head = [
    'scenario',
    'sent',
    'answered',
    '91/96',
    'unanswered',
    'of these posted',
    'lost',
    'phantom',
    'outage ms',
  ]
  const rows = results.map(({ scenario, sent, answered, refused, unanswered, comparison, outageMs }) => [
    scenario,
    ...[sent, answered, refused, unanswered, comparison.unansweredButPosted, comparison.lost, comparison.phantom].map(
      (count) => figure(count),
    ),
    outageMs.map((ms) => Math.round(ms)).join(' '),
  ])
  const restarts = results.flatMap((result) => result.restartMs).map((ms) => Math.round(ms))
  return (
    table([head, ...rows]) +
    `restart to first answer, ms: ${restarts.join(' ')}\n` +
    `invariants: ${results.every((result) => result.checks.every((check) => check.ok)) ? 'all ok' : 'FAIL, see above'}\n`
  )
}
