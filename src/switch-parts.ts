import { unexpectedError } from './telemetry/events.ts'
import type { Logger } from './telemetry/logger.ts'

/** A part that has not stopped by then is left to the end of the process. */
const PART_STOP_MS = 20_000

/** What has been started and how each is stopped, in the order of starting. */
export class Parts {
  readonly #log: Logger
  readonly #stops: { readonly stop: () => unknown; readonly timeoutMs: number }[] = []

  constructor(log: Logger) {
    this.#log = log
  }

  /** Remembers how to stop what was just started; a stop that gives false was not as it should be. */
  add(stop: () => unknown, timeoutMs = PART_STOP_MS): void {
    this.#stops.push({ stop, timeoutMs })
  }

  /**
   * Stops everything, the last first. What cannot be stopped, or takes too long, is logged and the rest goes on.
   * Idempotent.
   * @param allMs time for all together; what has not stopped by then is told to, and not waited for
   * @returns whether everything stopped as it should
   */
  async stop(allMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    const endMs = performance.now() + allMs
    let isClean = true
    for (;;) {
      const part = this.#stops.pop()
      if (part === undefined) return isClean
      const timeoutMs = Math.max(0, Math.min(part.timeoutMs, endMs - performance.now()))
      try {
        if ((await within(timeoutMs, part.stop)) === false) isClean = false
      } catch (error) {
        isClean = false
        unexpectedError(this.#log, { where: 'stop' }, error)
      }
    }
  }
}

/** Waits for work, and no longer than so. */
export async function within(timeoutMs: number, work: () => unknown): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`a part has not stopped in ${Math.round(timeoutMs)} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([work(), late])
  } finally {
    clearTimeout(timer)
  }
}
