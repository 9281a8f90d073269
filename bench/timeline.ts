import { type LoadRecord, requestStates } from '../src/simulator/load-record.ts'
import { Histogram } from './histogram.ts'

const SLOT_MS = 250
const WINDOW_SLOTS = 4

interface Slot {
  /** Of the requests meant to leave in it. */
  readonly latency: Histogram
  refusedLater: number
  /** Answers that came in it. */
  decided: number
  refused: number
}

/** What a stretch of a run came to. */
export interface Stretch {
  readonly seconds: number
  /** Answers of a decision that came in it, a second; and all answers. */
  readonly decidedPerSecond: number
  readonly answeredPerSecond: number
  /** Part of the answers that were refusals (91, 96, 30). */
  readonly refusedShare: number
  /** Latency of the answers to requests that were meant to leave in it. */
  readonly latency: Histogram
}

/** A run in slots of a quarter of a second: when answers came, and how long the requests of each slot waited. */
export class Timeline {
  readonly #slots: Slot[] = []
  #startMs: number | undefined

  /** When the first request was meant to leave, by `performance.now()`; not a number before its answer came. */
  get startMs(): number {
    return this.#startMs ?? Number.NaN
  }

  /**
   * Takes an answer to a request of the load.
   * @returns when the request was meant to leave, in milliseconds from the start of the run
   */
  answer(record: LoadRecord, sequence: number, microseconds: number): number {
    const intendedMs = record.intendedMs[sequence] as number
    // The first answer of the run is that of its first request, or near enough to a slot's width.
    this.#startMs ??= intendedMs
    const refused = record.state[sequence] === requestStates.refused
    this.#record(intendedMs - this.#startMs, microseconds / 1_000, refused)
    return intendedMs - this.#startMs
  }

  #record(intendedMs: number, latencyMs: number, refused: boolean): void {
    const asked = this.#slot(intendedMs)
    asked.latency.record(latencyMs * 1_000)
    if (refused) asked.refusedLater += 1
    const came = this.#slot(intendedMs + latencyMs)
    if (refused) came.refused += 1
    else came.decided += 1
  }

  #slot(atMs: number): Slot {
    const index = Math.max(0, Math.floor(atMs / SLOT_MS))
    for (let at = this.#slots.length; at <= index; at++) {
      this.#slots.push({ latency: new Histogram(), refusedLater: 0, decided: 0, refused: 0 })
    }
    return this.#slots[index] as Slot
  }

  /** What happened from one instant to another, in milliseconds from the start. */
  stretch(fromMs: number, toMs: number): Stretch {
    const slots = this.#slots.slice(Math.round(fromMs / SLOT_MS), Math.round(toMs / SLOT_MS))
    const latency = new Histogram()
    let decided = 0
    let refused = 0
    for (const slot of slots) {
      latency.add(slot.latency)
      decided += slot.decided
      refused += slot.refused
    }
    const seconds = (toMs - fromMs) / 1_000
    return {
      seconds,
      decidedPerSecond: decided / seconds,
      answeredPerSecond: (decided + refused) / seconds,
      refusedShare: decided + refused === 0 ? 0 : refused / (decided + refused),
      latency,
    }
  }

  /** Each second of the run: answers that came in it, and latency of the requests that were meant to leave in it. */
  seconds() {
    const perSecond = []
    for (let atMs = 0; atMs < this.#slots.length * SLOT_MS; atMs += 1_000) {
      const { decidedPerSecond, answeredPerSecond, latency } = this.stretch(atMs, atMs + 1_000)
      const ms = (share: number) => Math.round(latency.percentile(share) / 1_000)
      perSecond.push({ decided: decidedPerSecond, answered: answeredPerSecond, p50_ms: ms(0.5), p99_ms: ms(0.99) })
    }
    return perSecond
  }

  /** The highest p99 of any second of a stretch, in milliseconds: what is normal there. */
  worstSecondMs(fromMs: number, toMs: number): number {
    let worst = 0
    this.#eachSecond(fromMs, toMs, (_atMs, second) => {
      worst = Math.max(worst, second.percentile(0.99) / 1_000)
      return true
    })
    return worst
  }

  /**
   * How long after an instant a second begins whose p99 is normal and in which nothing was refused.
   * @returns milliseconds; undefined when none does before `toMs`
   */
  recoveryMs(fromMs: number, toMs: number, normalMs: number): number | undefined {
    let found: number | undefined
    this.#eachSecond(fromMs, toMs, (atMs, second, refused) => {
      if (refused > 0 || second.percentile(0.99) / 1_000 > normalMs) return true
      found = atMs - fromMs
      return false
    })
    return found
  }

  #eachSecond(
    fromMs: number,
    toMs: number,
    visit: (atMs: number, second: Histogram, refused: number) => boolean,
  ): void {
    const last = Math.min(Math.round(toMs / SLOT_MS), this.#slots.length) - WINDOW_SLOTS
    for (let at = Math.round(fromMs / SLOT_MS); at <= last; at++) {
      const second = new Histogram()
      let refused = 0
      for (const slot of this.#slots.slice(at, at + WINDOW_SLOTS)) {
        second.add(slot.latency)
        refused += slot.refusedLater
      }
      if (!visit(at * SLOT_MS, second, refused)) return
    }
  }
}
