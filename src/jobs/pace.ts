import { setTimeout as sleep } from 'node:timers/promises'

/** Lets so many pass in a second, spread evenly, with a second's worth at once after a rest. */
export class Pace {
  readonly #perSecond: number
  /** When the next one would pass if all had come evenly. */
  #nextMs: number

  /** @param perSecond more than 0 */
  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#nextMs = performance.now() - 1_000
  }

  /** Resolves when one may pass. @returns false when it was stopped meanwhile */
  async pass(signal: AbortSignal): Promise<boolean> {
    const nowMs = performance.now()
    this.#nextMs = Math.max(this.#nextMs, nowMs - 1_000) + 1_000 / this.#perSecond
    const waitMs = this.#nextMs - nowMs
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined)
    return !signal.aborted
  }
}
