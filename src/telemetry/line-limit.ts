import { SECOND_MS } from '../time-units.ts'
import { systemTiming } from '../timing.ts'

/** Bounds how often something is logged, so that neither a peer nor a fault can fill a disk with lines. */
export class LineLimit {
  readonly #perSecond: number
  readonly #monotonicMs: () => number
  #beganMs = Number.NEGATIVE_INFINITY
  #said = 0
  #leftOut = 0

  constructor(perSecond: number, monotonicMs: () => number = systemTiming.monotonicMs) {
    this.#perSecond = perSecond
    this.#monotonicMs = monotonicMs
  }

  /** Says it unless it was said often enough within a second; with how many lines were left out since the last one. */
  say(line: (left: { leftOut?: number }) => void): void {
    const nowMs = this.#monotonicMs()
    if (nowMs - this.#beganMs >= SECOND_MS) {
      this.#beganMs = nowMs
      this.#said = 0
    }
    if (this.#said >= this.#perSecond) {
      this.#leftOut += 1
      return
    }
    this.#said += 1
    const leftOut = this.#leftOut
    this.#leftOut = 0
    line(leftOut === 0 ? {} : { leftOut })
  }
}

/** Limits by name. The names are those of links and events, of which there are few. */
export function lineLimits(perSecond: number): (name: string) => LineLimit {
  const limits = new Map<string, LineLimit>()
  return (name) => {
    let limit = limits.get(name)
    if (limit === undefined) {
      limit = new LineLimit(perSecond)
      limits.set(name, limit)
    }
    return limit
  }
}
