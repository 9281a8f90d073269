import { CHORES_PER_BATCH } from './chores.ts'

/** Chores of a batch while nobody sends requests: as many as a full batch has of those. */
export const CHORES_PER_QUIET_BATCH = 128
/**
 * So long without a request, and the next may find a larger batch on its way: it happens to one in as long a time at
 * the most.
 */
const QUIET_MS = 1_000

/**
 * How many chores a batch takes. Beside requests few, so that none waits long for a commit; with nobody there as many
 * as make a commit worth its while: a clearing file of the network, or the postings of a settlement, come by the ten
 * thousand.
 */
export class ChorePace {
  #lastRequestMs = Number.NEGATIVE_INFINITY

  /**
   * @param nowMs of a clock that never goes back
   * @param waiting requests that wait for a batch
   */
  roomAt(nowMs: number, waiting: number): number {
    if (waiting > 0) this.requested(nowMs)
    return nowMs - this.#lastRequestMs < QUIET_MS ? CHORES_PER_BATCH : CHORES_PER_QUIET_BATCH
  }

  /** Requests were taken. */
  requested(nowMs: number): void {
    this.#lastRequestMs = nowMs
  }
}
