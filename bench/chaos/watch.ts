import { requestStates } from '../../src/simulator/load-record.ts'
import { Histogram } from '../histogram.ts'
import type { Session } from '../session.ts'

/** Where a fault is: it strikes, it is mended, and the first request sent after that is approved. */
interface Times {
  readonly struckMs: number
  mendedMs: number
  recoveredMs: number
}

/** What happened around faults of one kind, added up. */
export class KindFigures {
  faults = 0
  /** From the end of the fault to the first approval of a request that was meant to leave after that, milliseconds. */
  readonly recoveryMs: number[] = []
  /** Longest time without an approval from the fault's beginning to the recovery, milliseconds. */
  readonly silenceMs: number[] = []
  /** Latencies of requests meant to leave from the fault to the recovery, and of those after it. */
  readonly during = new Histogram()
  readonly after = new Histogram()
  refused = 0
  repeats = 0
  reversals = 0
  linksLost = 0
}

/** Notes each answer of a load against the fault that is being played. */
export class FaultWatch {
  readonly #session: Session
  #times: Times | undefined
  #figures: KindFigures | undefined
  #before: KindFigures | undefined
  #lastApprovalMs = 0
  #longestSilenceMs = 0
  #refused = 0
  #onRecovered: (() => void) | undefined

  constructor(session: Session) {
    this.#session = session
  }

  /** For the load: a request was answered. */
  answered(sequence: number): void {
    const { record } = this.#session
    const nowMs = performance.now()
    const intendedMs = record.intendedMs[sequence] as number
    const isApproved = record.state[sequence] === requestStates.approved
    if (record.state[sequence] === requestStates.refused) this.#refused += 1
    const times = this.#times
    if (isApproved) {
      if (times?.recoveredMs === Number.POSITIVE_INFINITY) {
        const from = Math.max(this.#lastApprovalMs, times.struckMs)
        this.#longestSilenceMs = Math.max(this.#longestSilenceMs, nowMs - from)
      }
      this.#lastApprovalMs = nowMs
    }
    if (times === undefined) return
    if (isApproved && intendedMs >= times.mendedMs && times.recoveredMs === Number.POSITIVE_INFINITY) {
      times.recoveredMs = nowMs
      this.#onRecovered?.()
    }
    const histogram =
      intendedMs < times.struckMs
        ? this.#before?.after
        : intendedMs < times.recoveredMs
          ? this.#figures?.during
          : this.#figures?.after
    histogram?.record((nowMs - intendedMs) * 1_000)
  }

  /** A fault strikes now. */
  begin(figures: KindFigures): void {
    this.#before = this.#figures
    this.#figures = figures
    this.#longestSilenceMs = 0
    const never = Number.POSITIVE_INFINITY
    this.#times = { struckMs: performance.now(), mendedMs: never, recoveredMs: never }
  }

  /** It is mended. @returns whether a request sent from now on was approved in time */
  async recovered(withinMs: number): Promise<boolean> {
    const times = this.#times
    const figures = this.#figures
    if (times === undefined || figures === undefined) return true
    times.mendedMs = performance.now()
    const inTime = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), withinMs)
      this.#onRecovered = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
    this.#onRecovered = undefined
    if (!inTime) return false
    figures.recoveryMs.push(times.recoveredMs - times.mendedMs)
    figures.silenceMs.push(this.#longestSilenceMs)
    return true
  }

  /** What was counted so far; the difference of two belongs to what happened between. */
  get counts(): { refused: number; repeats: number; reversals: number; linksLost: number } {
    const { generator } = this.#session
    const { repeats = 0, reversals = 0 } = generator.followUps?.counts ?? {}
    return { refused: this.#refused, repeats, reversals, linksLost: generator.linksLost }
  }
}
