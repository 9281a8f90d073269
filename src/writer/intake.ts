import type { DueHold } from './hold-sweeper.ts'
import type { LaneLimits } from './lane-options.ts'
import type { EarlyReason, LaneObserver } from './observer.ts'
import { Ring } from './ring.ts'
import { answerWithout, takeWorks, type UnderWay, type Work } from './work.ts'

const DUE_HOLDS_MAX = 4_096
export const DUE_HOLDS_PER_BATCH = 32
/** Batches whose requests may come back: one sent, one open, one being taken. */
const BATCHES_OUT = 3

/** What waits for a lane: requests and holds that are past their time. Bounded; who waits too long is answered 91. */
export class Intake {
  readonly #lane: number
  readonly #observer: LaneObserver
  readonly #ring: Ring<Work>
  #dueHolds: DueHold[] = []

  constructor(lane: number, limits: LaneLimits, observer: LaneObserver) {
    this.#lane = lane
    this.#observer = observer
    this.#ring = new Ring(limits.ringCapacity, BATCHES_OUT * limits.batchMax)
  }

  /** Requests that wait. */
  get size(): number {
    return this.#ring.size
  }

  get isEmpty(): boolean {
    return this.#ring.size === 0 && this.#dueHolds.length === 0
  }

  /** @returns false when there is no room */
  push(work: Work): boolean {
    return this.#ring.push(work)
  }

  /** @returns false when there is no room */
  pushHold(hold: DueHold): boolean {
    if (this.#dueHolds.length >= DUE_HOLDS_MAX) return false
    this.#dueHolds.push(hold)
    return true
  }

  /** Takes requests for a batch (see `takeWorks`); those whose time is over are answered. */
  take(max: number, nowMs: number, ahead: readonly [...UnderWay[], UnderWay]): Work[] {
    return takeWorks(this.#ring, max, nowMs, ahead, (work) => this.early91(work, 'budget'))
  }

  /** Takes holds for a batch. */
  takeHolds(): DueHold[] {
    return this.#dueHolds.splice(0, DUE_HOLDS_PER_BATCH)
  }

  /** What was taken waits again, before all others. */
  putBack(works: readonly Work[], dueHolds: readonly DueHold[]): void {
    this.#ring.unshift(works)
    this.#dueHolds.unshift(...dueHolds)
  }

  /** Answers what has waited too long. */
  answerLate(nowMs: number): void {
    for (let next = this.#ring.peek(); next !== undefined && next.deadlineMs <= nowMs; next = this.#ring.peek()) {
      this.#ring.shift()
      this.early91(next, 'budget')
    }
  }

  /** Answers all that wait. */
  refuseAll(reason: EarlyReason): void {
    for (let next = this.#ring.shift(); next !== undefined; next = this.#ring.shift()) this.early91(next, reason)
  }

  /** Answers a request 91: nothing of it is posted. */
  early91(work: Work, reason: EarlyReason): void {
    this.#observer.early91?.(this.#lane, reason)
    answerWithout(work, 'not-in-time')
  }
}
