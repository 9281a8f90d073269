/** How long to wait before connecting again; milliseconds. */
export interface BackoffPolicy {
  readonly initialMs: number
  readonly maxMs: number
  /** Share of the delay that is random, 0 to 1: clients that lost the same peer must not return in step. */
  readonly jitter: number
}

/**
 * Exponential delay: `initialMs` doubled per attempt up to `maxMs`, less a random share.
 * @param attempt failed attempts so far, from 0
 * @param random a number from 0 to below 1
 */
export function backoffDelayMs(policy: BackoffPolicy, attempt: number, random: number): number {
  const full = Math.min(policy.maxMs, policy.initialMs * 2 ** Math.min(attempt, 30))
  return Math.round(full * (1 - policy.jitter * random))
}

/** Counts the attempts of one link between the times it was up. */
export class Backoff {
  readonly #policy: BackoffPolicy
  readonly #random: () => number
  readonly #monotonic: () => number
  #attempt = 0
  #upSince: number | undefined

  constructor(policy: BackoffPolicy, random: () => number, monotonic: () => number) {
    this.#policy = policy
    this.#random = random
    this.#monotonic = monotonic
  }

  /** The link is up. */
  up(): void {
    this.#upSince = this.#monotonic()
  }

  /**
   * The link is down, or an attempt failed. Only a link that lasted `maxMs` starts over from the shortest delay: a peer
   * that accepts and drops at once would otherwise be called without pause.
   * @returns the number of this retry, from 1, and how long to wait before it
   */
  down(): { attempt: number; delayMs: number } {
    if (this.#upSince !== undefined && this.#monotonic() - this.#upSince >= this.#policy.maxMs) this.#attempt = 0
    this.#upSince = undefined
    const delayMs = backoffDelayMs(this.#policy, this.#attempt, this.#random())
    this.#attempt += 1
    return { attempt: this.#attempt, delayMs }
  }
}
