import { randomUUID } from 'node:crypto'
import os from 'node:os'
import { addDays, type CivilDate } from '../../calendar.ts'
import { describeError, MizanError } from '../../errors.ts'
import { listClosingDays, readDay, readSteps } from '../../store/clearing/business-day.ts'
import {
  addSteps,
  beginStep,
  closeBusinessDay,
  endStep,
  noteProgress,
} from '../../store/clearing/business-day-steps.ts'
import { type Client, connect } from '../../store/connection.ts'
import * as events from '../../telemetry/day-events.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { type DayStep, type DayStepContext, type DayStepOutcome, dayStepNames } from './step.ts'

/** What closes business days. */
export interface DayMachineOptions {
  readonly url: string
  /** The clearing folder. */
  readonly folder: string
  /** In any order; those whose names are not of {@link dayStepNames} are refused. */
  readonly steps: readonly DayStep[]
  readonly log: Logger
  readonly nowMs: () => number
  readonly signal: AbortSignal
  /** Gets each step's words while it runs, for whoever watches. */
  readonly onProgress?: (said: DayProgress) => void
}

/** How far a step is. */
export interface DayProgress {
  readonly businessDate: CivilDate
  readonly step: string
  readonly words: string
  readonly done?: number | undefined
  readonly total?: number | undefined
}

/** How a run ended. */
export interface DayRun {
  /** `busy`: another process closes days at this moment; it does what there is to do. */
  readonly state: 'idle' | 'busy' | 'closed' | 'waiting' | 'blocked' | 'failed'
  /** Days that this run brought to their end. */
  readonly closed: readonly CivilDate[]
  /** What keeps the oldest day from going on. */
  readonly stopped?: { readonly businessDate: CivilDate; readonly step: string; readonly words: string }
}

/** One process of an installation closes days at a time. */
const LOCK_NAME = 'mizan business day'
/** A process that is gone without closing its connection has the lock no longer than this. */
const LOCK_IDLE_S = 60
const HEARTBEAT_MS = 10_000
const PROGRESS_EVERY_MS = 250

/**
 * Does what is to be done of the days whose end was asked for, oldest first, as far as it goes. Steps that are done
 * stay done; a step of a day waits for the same step of the day before, so that nothing of a later day comes before its
 * time, while a day that waits for somebody does not hold up what can be done of the next. Cut off at any place, the
 * next run goes on with the step that was under way.
 * @throws MizanError STORE_UNAVAILABLE; whatever aborted `signal`
 */
export async function runDays(options: DayMachineOptions): Promise<DayRun> {
  const steps = inOrder(options.steps)
  const client = await connect({ url: options.url, name: 'mizan business day', role: 'mizan_app' })
  const run = new MachineRun(client, steps, options)
  try {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock(hashtext($1)) as taken', [
      LOCK_NAME,
    ])
    if (rows[0]?.taken !== true) return { state: 'busy', closed: [] }
    await client.query(`set idle_session_timeout = '${LOCK_IDLE_S}s'`)
    return await run.all()
  } finally {
    run.end()
    await client.end().catch(() => undefined)
  }
}

function inOrder(steps: readonly DayStep[]): readonly { readonly step: DayStep; readonly ordinal: number }[] {
  const names: readonly string[] = dayStepNames
  return steps
    .map((step) => {
      const ordinal = names.indexOf(step.name)
      if (ordinal < 0) throw new MizanError('ASSERTION_FAILED', `there is no step ${step.name} of a business day`)
      return { step, ordinal: ordinal + 1 }
    })
    .sort((a, b) => a.ordinal - b.ordinal)
}

type Stop = NonNullable<DayRun['stopped']> & { readonly state: 'waiting' | 'blocked' | 'failed' }

interface FailedOutcome {
  readonly state: 'failed'
  readonly words: string
}

/** One run, under the lock: all that it writes down goes over the connection that holds it. */
class MachineRun {
  readonly #client: Client
  readonly #steps: ReturnType<typeof inOrder>
  readonly #options: DayMachineOptions
  readonly #by = `${os.hostname().slice(0, 60)} ${process.pid} ${randomUUID().slice(0, 8)}`
  readonly #lost = new AbortController()
  readonly #signal: AbortSignal
  readonly #heartbeat: NodeJS.Timeout
  /** What is written besides the steps' own rows comes one after another. */
  #writing: Promise<unknown> = Promise.resolve()

  constructor(client: Client, steps: ReturnType<typeof inOrder>, options: DayMachineOptions) {
    this.#client = client
    this.#steps = steps
    this.#options = options
    this.#signal = AbortSignal.any([options.signal, this.#lost.signal])
    // Without its connection the lock is gone, and another process may have begun the same step.
    const lose = () =>
      this.#lost.abort(new MizanError('STORE_UNAVAILABLE', 'the connection of the business day was lost'))
    client.once('end', lose)
    client.on('error', lose)
    this.#heartbeat = setInterval(() => this.#write(() => client.query('select 1')), HEARTBEAT_MS)
    this.#heartbeat.unref()
  }

  end(): void {
    clearInterval(this.#heartbeat)
  }

  async all(): Promise<DayRun> {
    const closed: CivilDate[] = []
    let stop: Stop | undefined
    // Days may be asked for while others are closed.
    for (let again = true; again; ) {
      again = false
      for (const { businessDate } of await listClosingDays(this.#client)) {
        this.#signal.throwIfAborted()
        const stopped = await this.#day(businessDate)
        if (stopped === undefined) {
          closed.push(businessDate)
          again = true
        } else stop ??= stopped
      }
      if (stop !== undefined) break
    }
    if (stop !== undefined) {
      const { state, ...stopped } = stop
      return { state, closed, stopped }
    }
    return { state: closed.length > 0 ? 'closed' : 'idle', closed }
  }

  /** @returns what keeps the day from going on; undefined when it is closed */
  async #day(date: CivilDate): Promise<Stop | undefined> {
    await addSteps(
      this.#client,
      date,
      this.#steps.map(({ step, ordinal }) => ({ name: step.name, ordinal })),
    )
    const known = new Map((await readSteps(this.#client, date)).map((row) => [row.step, row]))
    const before = await this.#dayBefore(date)
    for (const { step } of this.#steps) {
      if (known.get(step.name)?.state === 'done') continue
      if (before?.get(step.name) === false) {
        const words = `the day before has not come as far: its ${step.name} is not done`
        return { businessDate: date, step: step.name, state: 'waiting', words }
      }
      const outcome = await this.#step(date, step)
      const { state, words } = outcome
      if (state !== 'done') return { businessDate: date, step: step.name, state, words }
    }
    const left = [...known.values()].find(
      ({ step, state }) => state !== 'done' && !this.#steps.some((one) => one.step.name === step),
    )
    if (left !== undefined) {
      const words = `this version of the program has no step ${left.step}`
      return { businessDate: date, step: left.step, state: 'blocked', words }
    }
    await closeBusinessDay(this.#client, date, this.#by)
    events.dayClosed(this.#options.log, { businessDate: date })
    return undefined
  }

  /** Of the day before, while it is not closed: which steps are done. */
  async #dayBefore(date: CivilDate): Promise<ReadonlyMap<string, boolean> | undefined> {
    const before = addDays(date, -1)
    const day = await readDay(this.#client, before)
    if (day === undefined || day.state === 'closed') return undefined
    const done = new Map<string, boolean>(this.#steps.map(({ step }) => [step.name, false]))
    for (const { step, state } of await readSteps(this.#client, before)) done.set(step, state === 'done')
    return done
  }

  async #step(date: CivilDate, step: DayStep): Promise<DayStepOutcome | FailedOutcome> {
    this.#signal.throwIfAborted()
    const { log } = this.#options
    await beginStep(this.#client, date, step.name, this.#by)
    events.dayStepBegan(log, { businessDate: date, step: step.name })
    this.#options.onProgress?.({ businessDate: date, step: step.name, words: step.description })
    const startedMs = performance.now()
    const outcome = await this.#outcomeOf(date, step)
    this.#signal.throwIfAborted()
    await this.#writing
    const isNews = await endStep(this.#client, date, step.name, { ...outcome, by: this.#by })
    const tookMs = Math.round(performance.now() - startedMs)
    events.dayStepEnded(log, { businessDate: date, step: step.name, ...outcome, tookMs, isNews })
    return outcome
  }

  async #outcomeOf(date: CivilDate, step: DayStep): Promise<DayStepOutcome | FailedOutcome> {
    try {
      return await step.run(this.#contextOf(date, step))
    } catch (error) {
      // Whoever was stopped has not failed.
      if (this.#signal.aborted) throw error
      return { state: 'failed', words: describeError(error) }
    }
  }

  #contextOf(businessDate: CivilDate, { name: step }: DayStep): DayStepContext {
    const { url, folder, log, nowMs, onProgress } = this.#options
    let writtenMs = Number.NEGATIVE_INFINITY
    return {
      businessDate,
      url,
      folder,
      signal: this.#signal,
      log,
      nowMs,
      progress: (words, done, total) => {
        onProgress?.({ businessDate, step, words, done, total })
        if (performance.now() - writtenMs < PROGRESS_EVERY_MS) return
        writtenMs = performance.now()
        this.#write(() => noteProgress(this.#client, businessDate, step, { words, done, total }))
      },
    }
  }

  /** Writes beside a step; that it fails shows at the step's end. */
  #write(work: () => Promise<unknown>): void {
    this.#writing = this.#writing.then(work).catch(() => undefined)
  }
}
