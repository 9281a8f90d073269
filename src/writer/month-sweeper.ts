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

const TICK_MS = 250
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
  readonly #passes = new Map<number, Pass>()
  #timer: NodeJS.Timeout | undefined
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
  }) {
    this.#query = options.query
    this.#lanes = options.lanes
    this.#perTick = Math.max(1, Math.round((options.perSecond * TICK_MS) / 1_000))
    this.#lastMonth = options.lastMonth
    this.#onProgress = options.onProgress
    this.#onError = options.onError
  }

  start(): void {
    this.#timer = setInterval(() => this.tick(), TICK_MS)
    this.#timer.unref()
  }

  /** Hands the next few households over, unless the last look is still under way. */
  tick(): void {
    this.#running ??= this.#sweep()
      .catch(this.#onError)
      .finally(() => {
        this.#running = undefined
      })
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  async #sweep(): Promise<void> {
    for (const taker of this.#lanes) await this.#sweepLane(taker)
  }

  async #sweepLane(taker: ClosingTaker): Promise<void> {
    const month = this.#lastMonth()
    const nowMs = performance.now()
    let pass = this.#passes.get(taker.lane)
    if (pass === undefined || pass.month !== month || (pass.isOver && nowMs >= pass.restUntilMs)) {
      pass = {
        month,
        after: 0,
        total: await this.#query.count(taker.lane, month),
        handed: 0,
        isOver: false,
        restUntilMs: 0,
      }
      this.#passes.set(taker.lane, pass)
    }
    const limit = Math.min(this.#perTick, taker.choreRoom)
    if (pass.isOver || limit === 0) return
    const due = await this.#query.due(taker.lane, month, pass.after, limit)
    for (const household of due) {
      if (!taker.closeMonths(household)) break
      pass.after = household.householdId
      pass.handed++
    }
    if (due.length < limit) {
      // Those that come to the table meanwhile, or were refused, are found by the next pass.
      pass.isOver = true
      pass.restUntilMs = nowMs + REST_MS
    }
    this.#onProgress(taker.lane, { month, total: pass.total, handed: pass.handed })
  }
}

interface Pass {
  readonly month: number
  after: number
  readonly total: number
  handed: number
  isOver: boolean
  restUntilMs: number
}
