import type { Clock } from '../calendar.ts'
import type { Timing } from '../timing.ts'

/** Less than what a sender's clock may be ahead of ours unnoticed. */
const STEP_MS = 5_000

/**
 * Notices that the clock was set: it has gone another way than time itself. Whoever concluded from the clock what came
 * before what has to think again.
 */
export class ClockWatch {
  readonly #clock: Clock
  readonly #timing: Timing
  #offsetMs: number

  constructor(clock: Clock, timing: Timing) {
    this.#clock = clock
    this.#timing = timing
    this.#offsetMs = this.#offset()
  }

  #offset(): number {
    return this.#clock.now() - this.#timing.monotonicMs()
  }

  /** Whether the clock was set since the last time that this was said. */
  wasSet(): boolean {
    const offsetMs = this.#offset()
    if (Math.abs(offsetMs - this.#offsetMs) < STEP_MS) return false
    this.#offsetMs = offsetMs
    return true
  }
}
