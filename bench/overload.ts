import type { CheckResult } from '../src/store/verify.ts'
import type { Comparison } from './compare.ts'
import { checkInvariants } from './invariants.ts'
import { type BenchOptions, lanesOf } from './options.ts'
import { type CoresUsed, type CpuReading, coresUsed, readCpu } from './probes.ts'
import { proofTable } from './report.ts'
import { Session, type StepResult } from './session.ts'
import { figure, note, table } from './terminal.ts'
import { type Stretch, Timeline } from './timeline.ts'
import { type BenchWorld, openWorld } from './world.ts'

/** What is promised beyond capacity (docs/benchmarks.md, "overload"). */
const DECIDED_SHARE_MIN = 0.9
const P99_MAX_MS = 1_000
const RECOVERY_MAX_MS = 5_000

const SETTLE_SECONDS = 6
const SETTLE_RATE = 2_000
const SATURATED_SECONDS = 8
const SATURATED_WARMUP_SECONDS = 2
const SATURATED_RATE = 60_000
const SATURATED_WINDOW = 512
const BEFORE_SECONDS = 8
const AFTER_SECONDS = 10
/** At the beginning of the flood the ring fills; what the switch decides is counted when it is full. */
const FILL_MS = 1_000
const CPU_EVERY_MS = 200

export interface OverloadOptions extends BenchOptions {
  /** Decisions a second at most; measured when absent. */
  readonly max?: number
  /** The flood, in multiples of it. */
  readonly factor: number
}

/** CPU of each process, read from time to time while a load runs. */
class CpuLog {
  readonly #readings: CpuReading[] = []
  readonly #timer: NodeJS.Timeout

  constructor(switchPid: number, postgresPid: number) {
    const read = () => {
      const reading = readCpu(switchPid, postgresPid)
      if (reading !== undefined) this.#readings.push(reading)
    }
    read()
    this.#timer = setInterval(read, CPU_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Cores used between two instants of performance.now(); null where nothing can be read. */
  between(fromMs: number, toMs: number): CoresUsed {
    const near = (atMs: number) => this.#readings.find((reading) => reading.atMs >= atMs) ?? this.#readings.at(-1)
    return coresUsed(near(fromMs), near(toMs))
  }
}

/** What a flood came to. */
export interface OverloadResult {
  readonly maxPerSecond: number
  readonly floodPerSecond: number
  readonly normalPerSecond: number
  readonly before: Stretch
  readonly during: Stretch
  readonly after: Stretch
  /** Cores used in each stretch. */
  readonly cores: { readonly before: CoresUsed; readonly during: CoresUsed; readonly after: CoresUsed }
  /** The highest p99 of any second before. */
  readonly normalP99Ms: number
  /** From the end of the flood to a second as before; undefined when there was none. */
  readonly recoveryMs: number | undefined
  readonly seconds: ReturnType<Timeline['seconds']>
  readonly step: StepResult
  readonly comparison: Comparison
  readonly checks: readonly CheckResult[]
}

/** `npm run bench -- overload`: normal load, a multiple of the maximum, normal load. */
export async function runOverload(options: OverloadOptions): Promise<boolean> {
  const world = await openWorld({ ...options, laneCount: lanesOf(options) })
  try {
    const result = await flood(world, options)
    process.stdout.write(options.json ? `${JSON.stringify(overloadFigures(result))}\n` : overloadTable(result, options))
    return Object.values(promisesOf(result)).every((kept) => kept)
  } finally {
    await world.close()
  }
}

/** Plays the flood on a switch of its own. */
export async function flood(world: BenchWorld, options: OverloadOptions): Promise<OverloadResult> {
  const { mix, crypto, seed, factor, seconds, links: linksPerDialect } = options
  const config = options.config === undefined ? {} : { config: options.config }
  // Of the flood the rate is not known yet: what the generator could send in it at most.
  const capacity =
    Math.ceil((options.max ?? SATURATED_RATE / factor) * factor * (seconds + AFTER_SECONDS * 3)) + 100_000
  const flags = options.cpuProf ? { nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${world.varDir}/profiles`] } : {}
  const session = await Session.open({ world, mix, crypto, seed, capacity, linksPerDialect, ...config, ...flags })
  try {
    const maxPerSecond = Math.round(options.max ?? (await measureMax(session)))
    const normalPerSecond = Math.min(options.rate, Math.floor(maxPerSecond / 2))
    const floodPerSecond = Math.round(maxPerSecond * factor)
    note(
      `at most ${figure(maxPerSecond)}/s; ${figure(normalPerSecond)}/s, then ${figure(floodPerSecond)}/s for ${seconds} s`,
    )
    const timeline = new Timeline()
    const cpu = new CpuLog(session.process.pid, world.serverPid)
    const step = await session.step({
      ratePerSecond: floodPerSecond,
      warmupSeconds: 0,
      seconds: BEFORE_SECONDS + seconds + AFTER_SECONDS,
      stages: [
        { ratePerSecond: normalPerSecond, seconds: BEFORE_SECONDS },
        { ratePerSecond: floodPerSecond, seconds },
        { ratePerSecond: normalPerSecond, seconds: AFTER_SECONDS },
      ],
      onAnswer: (microseconds, sequence) => {
        timeline.answer(session.record, sequence, microseconds)
      },
    })
    cpu.stop()
    const comparison = await session.finish()
    const checks = options.verify ? await checkInvariants(world.url) : []
    const beganMs = BEFORE_SECONDS * 1_000
    const endedMs = beganMs + seconds * 1_000
    const overMs = endedMs + AFTER_SECONDS * 1_000
    const cores = (fromMs: number, toMs: number) => cpu.between(timeline.startMs + fromMs, timeline.startMs + toMs)
    const normalP99Ms = timeline.worstSecondMs(FILL_MS, beganMs)
    return {
      maxPerSecond,
      floodPerSecond,
      normalPerSecond,
      before: timeline.stretch(FILL_MS, beganMs),
      during: timeline.stretch(beganMs + FILL_MS, endedMs),
      after: timeline.stretch(endedMs, overMs),
      cores: {
        before: cores(FILL_MS, beganMs),
        during: cores(beganMs + FILL_MS, endedMs),
        after: cores(endedMs, overMs),
      },
      normalP99Ms,
      recoveryMs: timeline.recoveryMs(endedMs, overMs, normalP99Ms),
      seconds: timeline.seconds(),
      step,
      comparison,
      checks,
    }
  } finally {
    await session.close()
  }
}

async function measureMax(session: Session): Promise<number> {
  // A program that has just started is slow until its code is compiled.
  await session.step({ ratePerSecond: SETTLE_RATE, warmupSeconds: 0, seconds: SETTLE_SECONDS })
  const saturated = await session.step({
    ratePerSecond: SATURATED_RATE,
    warmupSeconds: SATURATED_WARMUP_SECONDS,
    seconds: SATURATED_SECONDS,
    window: SATURATED_WINDOW,
  })
  return saturated.outcome.answersPerSecond
}

/** What is promised, and whether it was kept. */
export function promisesOf({ maxPerSecond, during, recoveryMs, step, comparison, checks }: OverloadResult) {
  return {
    decided: during.decidedPerSecond >= DECIDED_SHARE_MIN * maxPerSecond,
    answered: step.outcome.unanswered === 0 || step.outcome.linksLost > 0,
    timely: during.latency.percentile(0.99) < P99_MAX_MS * 1_000,
    recovered: recoveryMs !== undefined && recoveryMs <= RECOVERY_MAX_MS,
    sound: comparison.lost === 0 && comparison.phantom === 0 && checks.every((check) => check.ok),
  }
}

function stretchFigures({ decidedPerSecond, answeredPerSecond, refusedShare, latency }: Stretch, cores: CoresUsed) {
  const perDecision = cores === null || decidedPerSecond === 0 ? null : (cores.switch * 1e6) / decidedPerSecond
  const ms = (share: number) => Math.round(latency.percentile(share) / 10) / 100
  return {
    decided_per_second: Math.round(decidedPerSecond),
    answered_per_second: Math.round(answeredPerSecond),
    refused_share: Math.round(refusedShare * 1_000) / 1_000,
    p50_ms: ms(0.5),
    p99_ms: ms(0.99),
    max_ms: Math.round(latency.max / 10) / 100,
    cores,
    /** What the switch spends for each decision, refusals included, microseconds of its CPU. */
    switch_us_per_decision: perDecision === null ? null : Math.round(perDecision * 10) / 10,
  }
}

/** The figures of a flood for machines. */
export function overloadFigures(result: OverloadResult) {
  const { step, comparison, checks } = result
  return {
    max_per_second: result.maxPerSecond,
    flood_per_second: result.floodPerSecond,
    normal_per_second: result.normalPerSecond,
    before: stretchFigures(result.before, result.cores.before),
    during: stretchFigures(result.during, result.cores.during),
    after: stretchFigures(result.after, result.cores.after),
    decided_share_of_max: Math.round((result.during.decidedPerSecond / result.maxPerSecond) * 1_000) / 1_000,
    normal_p99_ms: result.normalP99Ms,
    recovery_ms: result.recoveryMs ?? null,
    unanswered: step.outcome.unanswered,
    links_lost: step.outcome.linksLost,
    generator_latest_ms: Math.round(step.outcome.latestSendMs),
    rss_mib: step.switchMib,
    codes: step.outcome.codes,
    lost: comparison.lost,
    phantom: comparison.phantom,
    unanswered_but_posted: comparison.unansweredButPosted,
    invariants: checks.map(({ name, ok }) => ({ name, ok })),
    kept: promisesOf(result),
    seconds: result.seconds,
  }
}

function overloadTable(result: OverloadResult, { mix, crypto, cards, factor }: OverloadOptions): string {
  const figures = overloadFigures(result)
  const stretches = [figures.before, figures.during, figures.after]
  const row = (name: string, of: (one: (typeof stretches)[number]) => number) => [
    name,
    ...stretches.map((one) => figure(of(one))),
  ]
  const kept = promisesOf(result)
  const verdict = (name: keyof typeof kept, what: string) => [what, kept[name] ? 'kept' : 'NOT KEPT']
  return (
    `${mix}, crypto ${crypto}, ${cards} cards: at most ${figure(result.maxPerSecond)}/s; ${factor} times that offered\n` +
    table([
      ['', 'before', 'during', 'after'],
      ['offered a second', ...[result.normalPerSecond, result.floodPerSecond, result.normalPerSecond].map(figure)],
      row('decided a second', (one) => one.decided_per_second),
      row('answered a second', (one) => one.answered_per_second),
      row('refused, % of answers', (one) => one.refused_share * 100),
      row('latency p50, ms', (one) => one.p50_ms),
      row('latency p99, ms', (one) => one.p99_ms),
      row('latency max, ms', (one) => one.max_ms),
      ...(['generator', 'switch', 'postgres', 'others'] as const).map((name) =>
        row(`cores used by ${name}`, (one) => one.cores?.[name] ?? Number.NaN),
      ),
      row('switch CPU for each decision, µs', (one) => one.switch_us_per_decision ?? Number.NaN),
    ]) +
    table([
      verdict(
        'decided',
        `decided at least ${DECIDED_SHARE_MIN * 100} % of the most: ${figure(figures.decided_share_of_max * 100)} %`,
      ),
      verdict('answered', `every request answered, or its link closed: ${figure(figures.unanswered)} were not`),
      verdict('timely', `p99 of all answers under ${figure(P99_MAX_MS)} ms`),
      verdict(
        'recovered',
        `p99 as before (${figure(result.normalP99Ms)} ms) within ${figure(RECOVERY_MAX_MS)} ms: ${result.recoveryMs === undefined ? 'not' : `${figure(result.recoveryMs)} ms`}`,
      ),
      ['a request left later than meant by at most, ms', figure(figures.generator_latest_ms)],
      ['memory of the switch, MiB', figure(figures.rss_mib ?? 0)],
    ]) +
    proofTable(result.comparison, result.checks)
  )
}
