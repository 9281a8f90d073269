import type { Timer, Timing } from '../timing.ts'

/** A household with a month that is over and not closed. */
export interface DueClosing {
  readonly lane: number
  readonly householdId: number
  /** Of one of its cards; undefined without a card. */
  readonly panIndex: string | undefined
}

/** Finds households of a lane with months up to `untilMonth` that are not closed, in order of their numbers. */
export interface ClosingQuery {
  due(lane: number, untilMonth: number, afterHousehold: number, limit: number): Promise<readonly DueClosing[]>
  /** How many there are. */
  count(lane: number, untilMonth: number): Promise<number>
}

/** How far the sweep of a lane is. */
export interface ClosingProgress {
  /** Month that is being closed. */
  readonly month: number
  /** Households that were not closed when the sweep began. */
  readonly total: number
  readonly handed: number
}

/** A lane as the sweeper sees it. */
export interface ClosingTaker {
  readonly lane: number
  readonly choreRoom: number
  closeMonths(due: DueClosing): boolean
}

/** Short, so that a batch gets a few closings at most: each is some ten postings. */
const TICK_MS = 20
/** Households read at once. */
const PAGE = 256
/** Between two looks for households that are still open, once all have been handed over. */
const REST_MS = 60_000

/**
 * Closes past months of households that nobody asks for, a few at a time: the load of a month's first day is
 * the citizens', and a closing that a citizen needs is done at once in the batch of the request. Whoever is closed
 * already when its turn comes is left alone.
 */
export class MonthSweeper {
  readonly #query: ClosingQuery
  readonly #lanes: readonly ClosingTaker[]
  readonly #perTick: number
  readonly #lastMonth: () => number
  readonly #onProgress: (lane: number, progress: ClosingProgress) => void
  readonly #onError: (error: unknown) => void
  readonly #timing: Timing
  readonly #passes = new Map<number, Pass>()
  #timer: Timer | undefined
  #running: Promise<void> | undefined

  constructor(options: {
    query: ClosingQuery
    lanes: readonly ClosingTaker[]
    /** Households of a lane that are closed in a second, at most. */
    perSecond: number
    /** The last month that is over. */
    lastMonth: () => number
    onProgress: (lane: number, progress: ClosingProgress) => void
    onError: (error: unknown) => void
    timing: Timing
  }) {
    this.#query = options.query
    this.#lanes = options.lanes
    this.#perTick = (options.perSecond * TICK_MS) / 1_000
    this.#lastMonth = options.lastMonth
    this.#onProgress = options.onProgress
    this.#onError = options.onError
    this.#timing = options.timing
  }

  start(): void {
    this.#timer = this.#timing.every(TICK_MS, () => this.tick())
  }

  /** Hands the next few households over, unless the last look is still under way. */
  tick(): void {
    if (this.#running !== undefined) return
    const waiting = this.#lanes.filter((taker) => this.#handOver(taker))
    if (waiting.length === 0) return
    this.#running = this.#look(waiting)
      .catch(this.#onError)
      .finally(() => {
        this.#running = undefined
      })
  }

  async stop(): Promise<void> {
    this.#timing.cancel(this.#timer)
    await this.#running
  }

  /** @returns whether the lane's next households have to be read first */
  #handOver(taker: ClosingTaker): boolean {
    const pass = this.#passes.get(taker.lane)
    if (pass === undefined || pass.month !== this.#lastMonth()) return true
    if (pass.due.length === 0) return !pass.isOver || this.#timing.monotonicMs() >= pass.restUntilMs
    // What is less than one household a tick adds up.
    pass.allowed = Math.min(pass.allowed + this.#perTick, Math.max(1, this.#perTick))
    while (pass.allowed >= 1) {
      const [next] = pass.due
      if (next === undefined || taker.choreRoom === 0 || !taker.closeMonths(next)) break
      pass.due.shift()
      pass.allowed--
      pass.handed++
    }
    return false
  }

  async #look(takers: readonly ClosingTaker[]): Promise<void> {
    for (const { lane } of takers) await this.#readNext(lane)
  }

  async #readNext(lane: number): Promise<void> {
    const month = this.#lastMonth()
    let pass = this.#passes.get(lane)
    if (pass === undefined || pass.month !== month || pass.isOver) {
      const total = await this.#query.count(lane, month)
      pass = { month, total, due: [], after: 0, handed: 0, allowed: 0, isOver: false, restUntilMs: 0 }
      this.#passes.set(lane, pass)
    }
    pass.due = [...(await this.#query.due(lane, month, pass.after, PAGE))]
    pass.after = pass.due.at(-1)?.householdId ?? pass.after
    if (pass.due.length === 0) {
      // Those that come to the table meanwhile, or were refused, are found by the next pass.
      pass.isOver = true
      pass.restUntilMs = this.#timing.monotonicMs() + REST_MS
    }
    this.#onProgress(lane, { month, total: pass.total, handed: pass.handed })
  }
}

interface Pass {
  readonly month: number
  readonly total: number
  due: DueClosing[]
  after: number
  handed: number
  /** Households that may be handed over now. */
  allowed: number
  isOver: boolean
  restUntilMs: number
}
