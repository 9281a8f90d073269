import type { MessageClass } from '../authorization/request.ts'
import { FLIGHTS_MAX } from './flights.ts'

/**
 * What may wait when there is little room. `request`: somebody stands at the counter, and may be told to try again.
 * `reversal`: it gives back what a customer did not get. `advice`: it happened already, and its sender keeps it until
 * it is answered.
 */
export type Precedence = 'request' | 'reversal' | 'advice'

/** Why a request is refused before anything is done for it. */
export type AdmissionRefusal = 'ring_full' | 'link_share' | 'starting' | 'stopping' | 'fenced'

const precedences: Readonly<Record<MessageClass, Precedence>> = {
  authorization: 'request',
  financial: 'request',
  reversal: 'reversal',
  'authorization-advice': 'advice',
  'financial-advice': 'advice',
  'reversal-advice': 'advice',
}

export function precedenceOf(messageClass: MessageClass): Precedence {
  return precedences[messageClass]
}

/** Of what is decided while requests and advices both wait, one in so many is an advice. */
export const ADVICE_ONE_IN = 4

/** A link may have so many times the free places waiting: one that floods leaves a fifth free, ten leave a fortieth. */
const LINK_SHARE = 4
/** Those in flight, and the one that is being made. */
const BATCHES_AHEAD = FLIGHTS_MAX + 1
/** Until enough batches tell: 5,000 requests a second. */
const FIRST_GUESS_MS = 0.2
/** Weight of the newest batch. */
const NEWEST = 0.2
/** One batch counts for so many times what was known at most: a stall of the disk is no new speed. */
const OUTLIER = 4

export interface AdmissionLimits {
  readonly ringCapacity: number
  readonly batchMax: number
  /** A request is refused when those before it would take longer. */
  readonly queueMs: number
  /** Later nothing is answered but 91. */
  readonly timeBudgetMs: number
}

/**
 * How many may wait in a lane, by what they are. New requests get half of the ring, reversals three quarters of it, and
 * advices a quarter of their own; and none of them more than can be decided in time at the lane's present speed. That
 * is learnt from batches that were at least half full: of smaller ones nobody knows what more requests would have cost,
 * only that a full one takes no less time.
 */
export class Admission {
  readonly #limits: AdmissionLimits
  #perRequestMs = FIRST_GUESS_MS
  #lastDoneMs = Number.NEGATIVE_INFINITY
  #room: Readonly<Record<Precedence, number>>

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
    this.#room = this.#measured()
  }

  /** Milliseconds of the lane's time that a request takes in a full batch. */
  get perRequestMs(): number {
    return this.#perRequestMs
  }

  /** How many may wait, by what they are: requests and reversals in one queue, advices in another. */
  get room(): Readonly<Record<Precedence, number>> {
    return this.#room
  }

  /**
   * Whether there is room for one more.
   * @param queued all that wait in its queue
   * @param ofLink those of its link among them
   */
  refusalOf(precedence: Precedence, queued: number, ofLink: number): 'ring_full' | 'link_share' | undefined {
    const free = this.#room[precedence] - queued
    if (free <= 0) return 'ring_full'
    return ofLink >= LINK_SHARE * free ? 'link_share' : undefined
  }

  /** Learns from a durable batch; instants of one monotonic clock. */
  learn(size: number, beganMs: number, doneMs: number): void {
    // Batches overlap: of the time, only what passed since the one before belongs to this one.
    const tookMs = doneMs - Math.max(beganMs, this.#lastDoneMs)
    this.#lastDoneMs = doneMs
    const { batchMax } = this.#limits
    const known = this.#perRequestMs
    const isTelling = 2 * size >= batchMax
    // A full batch takes no less than a small one: with a slow disk that is known before the first flood.
    const perRequestMs = tookMs / (isTelling ? size : batchMax)
    if (tookMs <= 0 || size === 0 || (!isTelling && perRequestMs <= known)) return
    this.#perRequestMs += NEWEST * (Math.min(perRequestMs, OUTLIER * known) - known)
    this.#room = this.#measured()
  }

  #measured(): Record<Precedence, number> {
    const { ringCapacity, batchMax, queueMs, timeBudgetMs } = this.#limits
    const inTime = (ms: number) => Math.floor(ms / this.#perRequestMs) - BATCHES_AHEAD * batchMax
    const quarter = Math.max(1, Math.floor(ringCapacity / 4))
    // Whatever the speed, batches can be full.
    return {
      request: Math.min(2 * quarter, Math.max(batchMax, inTime(Math.min(queueMs, timeBudgetMs)))),
      reversal: Math.min(3 * quarter, Math.max(2 * batchMax, inTime(timeBudgetMs))),
      advice: Math.min(quarter, Math.max(batchMax, Math.floor(inTime(timeBudgetMs) / ADVICE_ONE_IN))),
    }
  }
}
