import type { Timer, Timing } from '../timing.ts'

/** A hold whose time is over, with a card of its household. */
export interface DueHold {
  readonly holdId: number
  readonly panIndex: string
  readonly lane: number
  readonly expiresAtMs: number
}

/** Finds holds that are open and past their time, oldest first. */
export type DueHoldQuery = (afterMs: number, untilMs: number, limit: number) => Promise<readonly DueHold[]>

const SWEEP_EVERY_MS = 30_000
const SWEEP_LIMIT = 500

/**
 * Looks for expired holds from time to time and hands each to its lane, whose writer ends it in a batch of its own: no
 * second program ever changes a balance.
 */
export class HoldSweeper {
  readonly #query: DueHoldQuery
  readonly #expire: (hold: DueHold) => boolean
  readonly #now: () => number
  readonly #onError: (error: unknown) => void
  readonly #timing: Timing
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  /** Everything that expired before this has been handed over. */
  #doneUntilMs = 0

  constructor(options: {
    query: DueHoldQuery
    /** @returns false when its lane has no room: the hold is swept again next time */
    expire: (hold: DueHold) => boolean
    now: () => number
    onError: (error: unknown) => void
    timing: Timing
  }) {
    this.#query = options.query
    this.#expire = options.expire
    this.#now = options.now
    this.#onError = options.onError
    this.#timing = options.timing
  }

  start(): void {
    this.#timer = this.#timing.every(SWEEP_EVERY_MS, () => this.sweep())
    this.sweep()
  }

  /** Begins a sweep unless one runs. */
  sweep(): void {
    this.#running ??= this.#sweep()
      .catch(this.#onError)
      .finally(() => {
        this.#running = undefined
      })
  }

  async stop(): Promise<void> {
    this.#timing.cancel(this.#timer)
    await this.#running
  }

  async #sweep(): Promise<void> {
    const untilMs = this.#now()
    for (;;) {
      const due = await this.#query(this.#doneUntilMs, untilMs, SWEEP_LIMIT)
      for (const hold of due) {
        if (this.#expire(hold)) continue
        this.#doneUntilMs = hold.expiresAtMs - 1
        return
      }
      if (due.length < SWEEP_LIMIT) break
      // The rest of a full page: go on from its last instant; holds of that instant come again and are ignored.
      this.#doneUntilMs = (due.at(-1)?.expiresAtMs ?? untilMs) - 1
    }
    this.#doneUntilMs = untilMs
  }
}
