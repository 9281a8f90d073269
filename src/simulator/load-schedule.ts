/** A stretch of a load at one rate. */
export interface LoadStage {
  readonly ratePerSecond: number
  readonly seconds: number
}

interface Stretch extends LoadStage {
  readonly startMs: number
  /** Requests before it. */
  readonly before: number
}

/** When each request of an open loop is meant to leave: one stage after the other, each at its rate. */
export class LoadSchedule {
  readonly #stretches: readonly Stretch[]
  /** Requests in all. */
  readonly total: number
  readonly durationMs: number

  constructor(stages: readonly LoadStage[]) {
    const stretches: Stretch[] = []
    let startMs = 0
    let before = 0
    for (const stage of stages) {
      stretches.push({ ...stage, startMs, before })
      startMs += stage.seconds * 1_000
      before += Math.round(stage.ratePerSecond * stage.seconds)
    }
    this.#stretches = stretches
    this.total = before
    this.durationMs = startMs
  }

  /** Requests that are due after so many milliseconds; the first of a stage is due when it begins. */
  due(elapsedMs: number): number {
    const stretch = this.#last(({ startMs }) => startMs <= elapsedMs)
    if (stretch === undefined) return 0
    const inStage = Math.floor(((elapsedMs - stretch.startMs) * stretch.ratePerSecond) / 1_000) + 1
    return stretch.before + Math.min(inStage, Math.round(stretch.ratePerSecond * stretch.seconds))
  }

  /** Milliseconds after the start at which a request is meant to leave. @param index from 0 */
  intendedMs(index: number): number {
    const stretch = this.#last(({ before }) => before <= index)
    if (stretch === undefined) return 0
    return stretch.startMs + ((index - stretch.before) * 1_000) / stretch.ratePerSecond
  }

  #last(condition: (stretch: Stretch) => boolean): Stretch | undefined {
    for (let at = this.#stretches.length - 1; at >= 0; at--) {
      const stretch = this.#stretches[at] as Stretch
      if (condition(stretch)) return stretch
    }
    return undefined
  }
}
