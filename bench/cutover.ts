import { addDays, businessDate, type CivilDate, formatDate } from '../src/calendar.ts'
import { reconcile } from '../src/clearing/reconciliation/reconcile.ts'
import { loadConfig } from '../src/config/config.ts'
import { type DayStepRow, readSteps } from '../src/store/clearing/business-day.ts'
import { askCutover } from '../src/store/clearing/business-day-ask.ts'
import { selectItems } from '../src/store/clearing/selection.ts'
import { type Client, connect } from '../src/store/connection.ts'
import { loadTransactions } from './clearing-day.ts'
import type { Comparison } from './compare.ts'
import type { BenchOptions } from './options.ts'
import { Session, type StepResult } from './session.ts'
import { figure, note, table } from './terminal.ts'
import { type Stretch, Timeline } from './timeline.ts'
import { type BenchWorld, openWorld } from './world.ts'

export interface CutoverBenchOptions extends BenchOptions {
  /** Transactions of the day that is closed. */
  readonly items: number
  /** How many in a hundred of them are the card scheme's. */
  readonly network: number
}

const BEFORE_SECONDS = 15
const AFTER_SECONDS = 10
/** Items a second at the slowest: load is offered for so long, or the run ends before the files are signed. */
const SLOWEST_PER_SECOND = 4_000
const LOOK_MS = 250
/** The last step that has to do with how many transactions there are. */
const LAST_STEP = 'sign'

/** A step of the day's end, and the seconds that it took. */
interface StepTime {
  readonly step: string
  readonly state: string
  readonly seconds: number
  /** Of the requests that were meant to leave while it ran; undefined for a step that was over in no time. */
  readonly p99Ms: number | undefined
}

interface CutoverResult {
  readonly before: Stretch
  readonly during: Stretch
  /** While the date is reconciled, once its files are signed. */
  readonly reconciling: Stretch
  readonly after: Stretch
  readonly steps: readonly StepTime[]
  /** From the request to the end of step `sign`; undefined when it did not come to that. */
  readonly seconds: number | undefined
  readonly step: StepResult
  readonly comparison: Comparison
}

/**
 * `npm run bench -- cutover`: authorizations while the switch closes a day of many transactions, writes its files, and
 * reconciles the day.
 */
export async function runCutoverBench(options: CutoverBenchOptions): Promise<boolean> {
  const world = await openWorld({ ...options, laneCount: 1, reload: true, purpose: 'cutover' })
  try {
    const { cutoverMinutes } = loadConfig({ env: {} }).businessDay
    const byClock = businessDate(Date.now(), cutoverMinutes)
    const date = addDays(byClock, -1)
    note(`a day of ${options.items} transactions, ${options.network} % of them the card scheme's`)
    await loadDay(world, date, options)
    const result = await play(world, { date, byClock }, options)
    process.stdout.write(options.json ? `${JSON.stringify(figuresOf(result, options))}\n` : tableOf(result, options))
    const { comparison, seconds } = result
    return seconds !== undefined && comparison.lost === 0 && comparison.phantom === 0
  } finally {
    await world.close()
  }
}

async function loadDay(world: BenchWorld, date: CivilDate, { items, network }: CutoverBenchOptions): Promise<void> {
  const client = await connect({ url: world.url, name: 'bench cutover' })
  try {
    await loadTransactions(client, { date, items, network, cards: world.cards.count })
    // The accounts hold what the world began with: so the day before is made to have stood where it must have.
    const before = formatDate(addDays(date, -1))
    await client.query(
      `insert into business_day (business_date, state, asked_by, asked_at, lanes_closed_at, closed_at)
       values ($1, 'closed', 'bench', now(), now(), now())`,
      [before],
    )
    await client.query(
      `insert into business_day_balance (business_date, kind, owner, debits, credits, balance)
       select $1, m.kind, m.owner, 0, 0, sum(m.posted)
       from (
         select (account / 100000000000)::smallint as kind,
                case when is_control_kind(account / 100000000000) then account % 100000000000 else 0 end as owner, posted
         from balance
         union all
         select kind, owner, debits - credits from day_turnover($2, 'infinity')) m
       group by m.kind, m.owner`,
      [before, formatDate(date)],
    )
    const nothing = { processingBin: '400000', railLinks: ['visa'], actor: 'bench' }
    await selectItems(client, { ...nothing, businessDate: addDays(date, -1) })
  } finally {
    await client.end()
  }
}

interface Dates {
  readonly date: CivilDate
  readonly byClock: CivilDate
}

async function play(world: BenchWorld, { date, byClock }: Dates, options: CutoverBenchOptions): Promise<CutoverResult> {
  const { mix, crypto, seed, rate, items, links: linksPerDialect } = options
  const during = Math.ceil(items / SLOWEST_PER_SECOND) + AFTER_SECONDS
  const seconds = BEFORE_SECONDS + during + AFTER_SECONDS
  const flags = options.cpuProf ? { nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${world.varDir}/profiles`] } : {}
  const config = options.config === undefined ? {} : { config: options.config }
  const capacity = Math.ceil(rate * (seconds + options.warmup)) + 1_000
  const session = await Session.open({ world, mix, crypto, seed, capacity, linksPerDialect, ...config, ...flags })
  const client = await connect({ url: world.url, name: 'bench cutover', role: 'mizan_app' })
  const settings = loadConfig({ env: {} }).clearing.reconciliation
  const reconciling = { url: world.url, nowMs: Date.now, settings }
  try {
    const timeline = new Timeline()
    const closing = new AbortController()
    let ended: { readonly atMs: number; readonly askedMs: number; readonly reconciledMs: number } | undefined
    /** The beginning of the run by the clock of the database, which is the same machine's. */
    let startedAtMs = Number.NaN
    let watching: Promise<void> | undefined
    const step = await session.step({
      ratePerSecond: rate,
      warmupSeconds: options.warmup,
      seconds,
      onAnswer: (microseconds, sequence) => {
        const askedMs = timeline.answer(session.record, sequence, microseconds)
        if (watching !== undefined || askedMs < BEFORE_SECONDS * 1_000) return
        startedAtMs = Date.now() - askedMs
        watching = (async () => {
          const began = performance.now()
          await askCutover(client, { date, byClock, by: 'bench' })
          await untilDone(client, date, closing.signal)
          const atMs = askedMs + performance.now() - began
          const { signal } = closing
          await reconcile({ ...reconciling, businessDate: date, asOf: byClock, requestedBy: 'bench', signal })
          ended = { askedMs, atMs, reconciledMs: askedMs + performance.now() - began }
        })().catch(() => undefined)
      },
    })
    closing.abort()
    await watching
    const steps = (await readSteps(client, date)).map((row) => timeOf(row, startedAtMs, timeline))
    const comparison = await session.finish()
    const fromMs = ended?.askedMs ?? BEFORE_SECONDS * 1_000
    const toMs = ended?.atMs ?? seconds * 1_000
    const reconciledMs = ended?.reconciledMs ?? toMs
    return {
      before: timeline.stretch(0, fromMs),
      during: timeline.stretch(fromMs, toMs),
      reconciling: timeline.stretch(toMs, reconciledMs),
      after: timeline.stretch(reconciledMs, Math.min(seconds * 1_000, reconciledMs + AFTER_SECONDS * 1_000)),
      steps,
      seconds: ended === undefined ? undefined : (toMs - fromMs) / 1_000,
      step,
      comparison,
    }
  } finally {
    await client.end()
    await session.close()
  }
}

function timeOf({ step, state, ...row }: DayStepRow, originMs: number, timeline: Timeline): StepTime {
  if (row.startedAtMs === undefined || row.endedAtMs === undefined) {
    return { step, state, seconds: Number.NaN, p99Ms: undefined }
  }
  const { latency } = timeline.stretch(row.startedAtMs - originMs, row.endedAtMs - originMs)
  const p99Ms = latency.count === 0 ? undefined : Math.round(latency.percentile(0.99) / 1_000)
  return { step, state, seconds: (row.endedAtMs - row.startedAtMs) / 1_000, p99Ms }
}

/** Waits until the files of the day are signed, or it cannot go on, or nobody waits any more. */
async function untilDone(client: Client, date: CivilDate, signal: AbortSignal): Promise<void> {
  for (;;) {
    const steps = await readSteps(client, date)
    if (steps.find(({ step }) => step === LAST_STEP)?.state === 'done') return
    const stopped = steps.find(({ state }) => state === 'blocked' || state === 'failed')
    if (stopped !== undefined) throw new Error(`${stopped.step} is ${stopped.state}`)
    signal.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

function figuresOf(
  { before, during, reconciling, after, steps, seconds, step, comparison }: CutoverResult,
  options: CutoverBenchOptions,
) {
  const ms = ({ latency }: Stretch) => ({
    p50_ms: Math.round(latency.percentile(0.5) / 10) / 100,
    p99_ms: Math.round(latency.percentile(0.99) / 10) / 100,
    p999_ms: Math.round(latency.percentile(0.999) / 10) / 100,
    max_ms: Math.round(latency.max / 10) / 100,
  })
  return {
    items: options.items,
    rate: options.rate,
    cutover_seconds: seconds ?? null,
    reconcile_seconds: reconciling.seconds,
    before: ms(before),
    during: ms(during),
    reconciling: ms(reconciling),
    after: ms(after),
    errors: step.outcome.errors,
    codes: step.outcome.codes,
    unanswered: step.outcome.unanswered,
    lost: comparison.lost,
    phantom: comparison.phantom,
    steps,
  }
}

function tableOf(result: CutoverResult, options: CutoverBenchOptions): string {
  const figures = figuresOf(result, options)
  const row = (name: string, of: (one: typeof figures.before) => number) => [
    name,
    ...[figures.before, figures.during, figures.reconciling, figures.after].map((one) => figure(of(one))),
  ]
  const { seconds, steps } = result
  const over =
    seconds === undefined ? 'did not come to its end' : `took ${figure(seconds)} s until its files were signed`
  return (
    `${options.rate}/s of ${options.mix}, crypto ${options.crypto}; the end of a day of ${options.items} transactions ${over}\n` +
    table([
      ['', 'before', 'during', `reconciling, ${figure(figures.reconcile_seconds)} s`, 'after'],
      row('latency p50, ms', (one) => one.p50_ms),
      row('latency p99, ms', (one) => one.p99_ms),
      row('latency p99.9, ms', (one) => one.p999_ms),
      row('latency max, ms', (one) => one.max_ms),
    ]) +
    table([
      ['step', '', 'seconds', 'p99, ms'],
      ...steps.map(({ step, state, seconds: took, p99Ms }) => [
        step,
        state,
        Number.isNaN(took) ? '' : figure(took),
        p99Ms === undefined ? '' : figure(p99Ms),
      ]),
    ]) +
    table([
      ['errors', figure(figures.errors)],
      [
        'answers',
        Object.entries(figures.codes)
          .map(([code, times]) => `${code}: ${figure(times)}`)
          .join(', '),
      ],
      ['lost', figure(figures.lost)],
      ['phantom', figure(figures.phantom)],
    ])
  )
}
