import { unexpectedError } from './telemetry/events.ts'
import type { Logger } from './telemetry/logger.ts'

/** What has been started and how each is stopped, in the order of starting. */
export class Parts {
  readonly #log: Logger
  readonly #stops: (() => unknown)[] = []

  constructor(log: Logger) {
    this.#log = log
  }

  /** Remembers how to stop what was just started. */
  add(stop: () => unknown): void {
    this.#stops.push(stop)
  }

  /** Stops everything, the last first; what cannot be stopped is logged and the rest goes on. Idempotent. */
  async stop(): Promise<void> {
    for (;;) {
      const stop = this.#stops.pop()
      if (stop === undefined) return
      try {
        await stop()
      } catch (error) {
        unexpectedError(this.#log, { where: 'stop' }, error)
      }
    }
  }
}
