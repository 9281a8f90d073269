import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { requestStates } from '../src/simulator/load-record.ts'
import type { CheckResult } from '../src/store/verify.ts'
import type { Comparison } from './compare.ts'
import { checkInvariants } from './invariants.ts'
import type { BenchOptions } from './options.ts'
import { proofTable } from './report.ts'
import { Session } from './session.ts'
import { figure, note, table } from './terminal.ts'
import { type BenchWorld, openWorld } from './world.ts'

export interface RestartPlan {
  readonly mix: BenchOptions['mix']
  readonly crypto?: BenchOptions['crypto']
  readonly ratePerSecond: number
  readonly restarts: number
  /** From the moment that one process answers to the stop of it. */
  readonly everySeconds: number
  readonly seed: number
}

/** What a well-behaved client saw of the restarts. */
export interface RestartResult {
  readonly restarts: number
  readonly sent: number
  readonly answered: number
  /** Sent and not answered, answered 91 or 96, or sent on a link that ended without a word. */
  readonly failed: number
  /** Exit statuses of the processes that were stopped. */
  readonly statuses: readonly (number | null)[]
  /** From the signal to the end of the process, and from the start of the next to its being ready. */
  readonly stopMs: readonly number[]
  readonly startMs: readonly number[]
  readonly comparison: Comparison
  readonly checks: readonly CheckResult[]
}

const ANSWER_WITHIN_MS = 10_000
const START_SECONDS = 8
/** Every listener tells its peers. */
const configuration = {
  listeners: { ascii: { announceSignOff: true }, bcd: { announceSignOff: true }, visa: { announceSignOff: true } },
}

/**
 * Restarts the switch in order under a load whose links heed its sign-off, keep what they have not sent, and connect
 * again.
 */
export async function runRestarts(world: BenchWorld, plan: RestartPlan): Promise<RestartResult> {
  const { mix, crypto = 'none', seed, ratePerSecond, restarts, everySeconds } = plan
  const seconds = (restarts + 1) * everySeconds + restarts * START_SECONDS
  const config = path.join(world.varDir, 'restart.json')
  writeFileSync(config, JSON.stringify(configuration))
  const capacity = Math.ceil(ratePerSecond * seconds) + 100
  const session = await Session.open({ world, mix, crypto, seed, capacity, config, linksPerDialect: 2, patient: true })
  const statuses: (number | null)[] = []
  const stopMs: number[] = []
  const startMs: number[] = []
  let ended = false
  try {
    const load = session.generator.run({
      ratePerSecond,
      warmupSeconds: 0,
      seconds,
      answerWithinMs: ANSWER_WITHIN_MS,
      isOver: () => ended,
      onLatency: () => undefined,
    })
    for (let restart = 1; restart <= restarts; restart++) {
      await sleep(everySeconds * 1_000)
      const beganMs = performance.now()
      statuses.push(await session.process.stop())
      stopMs.push(performance.now() - beganMs)
      startMs.push((await session.restart()).readyMs)
    }
    await sleep(everySeconds * 1_000)
    ended = true
    const outcome = await load
    const comparison = await session.finish()
    const checks = await checkInvariants(world.url)
    let failed = outcome.linksLost
    const { record } = session
    for (let sequence = 1; sequence <= record.last; sequence++) {
      const state = record.state[sequence] as number
      if (state === requestStates.unsent || state === requestStates.sent || state === requestStates.refused) failed++
    }
    const sent = record.last
    return { restarts, sent, answered: outcome.completed, failed, statuses, stopMs, startMs, comparison, checks }
  } finally {
    await session.close()
  }
}

/** Whether no client noticed, nothing was lost or invented, and every process ended as it should. */
export function unnoticed({ failed, statuses, comparison, checks }: RestartResult): boolean {
  const { lost, phantom, unansweredButPosted } = comparison
  const sound = lost === 0 && phantom === 0 && unansweredButPosted === 0 && checks.every((check) => check.ok)
  return sound && failed === 0 && statuses.every((status) => status === 0)
}

const RESTARTS = 5
const EVERY_SECONDS = 4

/** `npm run bench -- restart`: orderly restarts under load. */
export async function runRestartBench(options: BenchOptions): Promise<boolean> {
  const world = await openWorld({ ...options, laneCount: 1 })
  try {
    const { mix, crypto, rate: ratePerSecond, seed } = options
    note(`${RESTARTS} restarts under ${ratePerSecond}/s`)
    const plan = { mix, crypto, ratePerSecond, seed, restarts: RESTARTS, everySeconds: EVERY_SECONDS }
    const result = await runRestarts(world, plan)
    process.stdout.write(options.json ? `${JSON.stringify(restartFigures(result))}\n` : restartTable(result))
    return unnoticed(result)
  } finally {
    await world.close()
  }
}

function restartFigures({ comparison, checks, stopMs, startMs, ...counts }: RestartResult) {
  return {
    ...counts,
    stop_ms: stopMs.map(Math.round),
    start_ms: startMs.map(Math.round),
    unanswered_but_posted: comparison.unansweredButPosted,
    lost: comparison.lost,
    phantom: comparison.phantom,
    invariants: checks.map(({ name, ok }) => ({ name, ok })),
  }
}

function restartTable({
  sent,
  answered,
  failed,
  statuses,
  stopMs,
  startMs,
  comparison,
  checks,
}: RestartResult): string {
  const list = (values: readonly number[]) => values.map((ms) => figure(Math.round(ms))).join(' ')
  return (
    table([
      ['sent', figure(sent)],
      ['answered', figure(answered)],
      ['failed', figure(failed)],
      ['exit statuses', statuses.join(' ')],
      ['signal to exit, ms', list(stopMs)],
      ['start to ready, ms', list(startMs)],
    ]) + proofTable(comparison, checks)
  )
}
