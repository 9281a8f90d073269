import { SECOND_MS } from '../time-units.ts'

/** While more live requests than this await their answer on the link, the queue holds back … */
const LIVE_MAX = 32
/** … but for no longer than this: live traffic goes first, and never alone. */
const YIELD_MS = 1_000
export const YIELD_STEP_MS = 20

/** Holds a queue's sending back: by its rate, and while live traffic has much on its way. */
export class ForwardPace {
  readonly #ratePerSecond: number
  /** When the next message may leave, by the rate; and since when live traffic is let pass. */
  #atMs = 0
  #yieldingSinceMs: number | undefined

  constructor(ratePerSecond: number) {
    this.#ratePerSecond = ratePerSecond
  }

  /** Nothing is ready to be sent: nobody waits for live traffic. */
  rest(): void {
    this.#yieldingSinceMs = undefined
  }

  /**
   * @param tick monotonic, milliseconds
   * @param live requests that await their answer besides those of the queue
   * @returns how long nothing is to be sent, milliseconds; 0 = now
   */
  holdBackMs(tick: number, live: number): number {
    if (tick < this.#atMs) return Math.ceil(this.#atMs - tick)
    if (live > LIVE_MAX) {
      this.#yieldingSinceMs ??= tick
      if (tick - this.#yieldingSinceMs < YIELD_MS) return YIELD_STEP_MS
    }
    this.#yieldingSinceMs = undefined
    return 0
  }

  /** So many messages leave now. */
  sent(tick: number, count: number): void {
    this.#atMs = Math.max(tick - SECOND_MS, this.#atMs) + (count * SECOND_MS) / this.#ratePerSecond
  }
}
