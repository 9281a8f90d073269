import type { CheckResult } from '../src/store/verify.ts'
import type { Comparison } from './compare.ts'
import { checkInvariants } from './invariants.ts'
import { type BenchOptions, lanesOf } from './options.ts'
import { latencyFigures, proofTable, runFigures } from './report.ts'
import { Session, type StepResult } from './session.ts'
import { figure, note, progress, table } from './terminal.ts'
import { type BenchWorld, openWorld } from './world.ts'
import { writeBack } from './write-back.ts'

/** The bound that defines the highest rate. */
const P99_MAX_MS = 20
const STEP_SECONDS = 4
const STEP_WARMUP_SECONDS = 1.5
const CONFIRM_SECONDS = 10
const FIRST_RATE = 1_000
const RATE_MIN = 125
const SETTLE_SECONDS = 6
const RATE_MAX = 150_000
/** The search ends when the next higher rate that failed is within this factor. */
const PRECISION = 1.08
const SEARCH_MS = 150_000
const CAPACITY = 6_000_000
/** Four full batches: the writer never waits for work. */
const SATURATING_WINDOW = 512
/** Only bounds the count of requests of the saturating run. */
const SATURATING_RATE = 60_000
/** A quarter of a second of requests waiting: the rate is lost, and a longer queue would only take longer to drain. */
const BACKLOG_SECONDS = 0.25
const BACKLOG_MIN = 400
/** A step with this many fewer answers a second than offered did not keep up. */
const KEPT_UP = 0.97

/** One rate that was tried. */
export interface Attempt {
  readonly rate: number
  readonly ok: boolean
  /** Measured. */
  readonly seconds: number
  readonly step: StepResult
}

/** What the search for the highest rate found. */
export interface MaxResult {
  readonly attempts: readonly Attempt[]
  /** The longer run at the highest rate that held; a short one where no longer one did; undefined when none held. */
  readonly best: Attempt | undefined
  /** With {@link SATURATING_WINDOW} requests under way at any time: the most it can do, whatever the latency. */
  readonly saturated: StepResult
  readonly comparison: Comparison
  readonly checks: readonly CheckResult[]
}

/** `npm run bench -- max`: the highest rate with p99 under 20 ms. */
export async function runMax(options: BenchOptions): Promise<boolean> {
  const world = await openWorld({ ...options, laneCount: lanesOf(options) })
  try {
    const result = await findMax(world, options)
    process.stdout.write(options.json ? `${JSON.stringify(maxFigures(result))}\n` : maxTable(result, options))
    const { lost, phantom } = result.comparison
    return result.best !== undefined && lost === 0 && phantom === 0 && result.checks.every((check) => check.ok)
  } finally {
    await world.close()
  }
}

/** Searches on one switch: doubles the rate until it fails, halves the gap, and confirms with a longer run. */
export async function findMax(world: BenchWorld, options: BenchOptions): Promise<MaxResult> {
  const { mix, crypto, seed, links: linksPerDialect } = options
  const config = options.config === undefined ? {} : { config: options.config }
  const session = await Session.open({ world, mix, crypto, seed, capacity: CAPACITY, linksPerDialect, ...config })
  try {
    const attempts: Attempt[] = []
    const best = await search(session, attempts)
    progress('saturating')
    const saturated = await session.step({
      ratePerSecond: SATURATING_RATE,
      warmupSeconds: STEP_WARMUP_SECONDS,
      seconds: CONFIRM_SECONDS,
      window: SATURATING_WINDOW,
    })
    progress('')
    const comparison = await session.finish()
    const checks = options.verify ? await checkInvariants(world.url) : []
    return { attempts, best, saturated, comparison, checks }
  } finally {
    await session.close()
  }
}

async function search(session: Session, attempts: Attempt[]): Promise<Attempt | undefined> {
  const endMs = performance.now() + SEARCH_MS
  const attempt = async (rate: number, seconds: number): Promise<Attempt> => {
    progress(`trying ${rate}/s`)
    const outstandingMax = Math.max(BACKLOG_MIN, rate * BACKLOG_SECONDS)
    // What the rates before it left unwritten, an overload's most of all, is not charged to this one.
    await writeBack()
    const plan = { ratePerSecond: rate, warmupSeconds: STEP_WARMUP_SECONDS, seconds, outstandingMax }
    const step = await session.step(plan)
    const made = { rate, ok: passes(step, rate), seconds, step }
    attempts.push(made)
    return made
  }
  // A failure is tried once more: on a shared machine the first may be another program's.
  const holds = async (rate: number) => (await attempt(rate, STEP_SECONDS)).ok || (await attempt(rate, STEP_SECONDS)).ok
  // A program that has just started is slow until its code is compiled.
  await session.step({ ratePerSecond: FIRST_RATE, warmupSeconds: 0, seconds: SETTLE_SECONDS })
  let low = 0
  let high = FIRST_RATE
  while (performance.now() < endMs && high < RATE_MAX && (await holds(high))) {
    low = high
    high *= 2
  }
  for (let rate = FIRST_RATE / 2; low === 0 && rate >= RATE_MIN; rate /= 2) {
    if (await holds(rate)) low = rate
    else high = rate
  }
  while (low > 0 && high / low > PRECISION && performance.now() < endMs) {
    const middle = Math.round(Math.sqrt(low * high) / 10) * 10
    if (await holds(middle)) low = middle
    else high = middle
  }
  for (let rate = low; rate >= RATE_MIN; rate = Math.round((rate * 0.95) / 10) * 10) {
    const confirmed = await attempt(rate, CONFIRM_SECONDS)
    if (confirmed.ok) return confirmed
    if (performance.now() > endMs + SEARCH_MS / 4) break
  }
  return attempts.filter((one) => one.ok).sort((a, b) => b.rate - a.rate)[0]
}

function passes({ outcome, latency }: StepResult, rate: number): boolean {
  if (outcome.stoppedEarly || outcome.errors > 0 || outcome.linksLost > 0) return false
  return latency.percentile(0.99) < P99_MAX_MS * 1_000 && outcome.answersPerSecond > rate * KEPT_UP
}

/** The figures of a search for machines. */
export function maxFigures({ attempts, best, saturated, comparison, checks }: MaxResult) {
  return {
    saturated: runFigures(saturated, CONFIRM_SECONDS),
    max_rate: best?.rate ?? 0,
    max_rate_seconds: best?.seconds ?? 0,
    p99_limit_ms: P99_MAX_MS,
    best: best === undefined ? null : runFigures(best.step, best.seconds),
    tried: attempts.map(({ rate, ok, step }) => ({ rate, ok, ...latencyFigures(step), cpu: step.cpu })),
    lost: comparison.lost,
    phantom: comparison.phantom,
    unanswered_but_posted: comparison.unansweredButPosted,
    invariants: checks.map(({ name, ok }) => ({ name, ok })),
  }
}

function maxTable(result: MaxResult, { mix, crypto, cards }: BenchOptions): string {
  const head = ['rate', 'p50 ms', 'p99 ms', 'max ms', 'avg batch', 'generator', 'switch', 'postgres', 'others', '']
  const rows = result.attempts.map(({ rate, ok, seconds, step }) => {
    const { p50_ms, p99_ms, max_ms } = latencyFigures(step)
    const { pg } = runFigures(step, seconds)
    const cores = Object.values(step.cpu ?? {}).map((used) => used.toFixed(2))
    const verdict = ok ? 'holds' : step.outcome.stoppedEarly ? 'falls behind' : 'fails'
    return [figure(rate), figure(p50_ms), figure(p99_ms), figure(max_ms), figure(pg.avg_batch), ...cores, verdict]
  })
  return (
    `${mix}, crypto ${crypto}, ${cards} cards: highest rate with p99 under ${P99_MAX_MS} ms: ${inWords(result.best)}\n` +
    `with ${SATURATING_WINDOW} requests under way: ${figure(result.saturated.outcome.answersPerSecond)}/s\n` +
    `${table([head, ...rows])}${proofTable(result.comparison, result.checks)}`
  )
}

function inWords(best: Attempt | undefined): string {
  if (best === undefined) return 'none'
  const rate = `${figure(best.rate)}/s`
  return best.seconds < CONFIRM_SECONDS ? `${rate} for ${best.seconds} s, none for ${CONFIRM_SECONDS}` : rate
}

/** Says what a search found in one line. */
export function noteMax({ best, saturated }: MaxResult): void {
  const most = `${figure(saturated.outcome.answersPerSecond)}/s saturated`
  note(`highest rate held by the switch: ${inWords(best)}; ${most}`)
}
