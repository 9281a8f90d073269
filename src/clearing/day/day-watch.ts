import type { CivilDate } from '../../calendar.ts'
import { type ChangeWatch, watchChanges } from '../../store/change-watch.ts'
import { type DaysSeen, lookAtDays } from '../../store/clearing/business-day.ts'
import * as events from '../../telemetry/day-events.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { DayRun } from './machine.ts'

/** How days are watched. */
export interface DayWatchOptions {
  readonly url: string
  readonly log: Logger
  /** Does what is to be done, as `runDays` does. */
  readonly run: (signal: AbortSignal) => Promise<DayRun>
  /** Between two looks at what waits, is blocked or failed. */
  readonly lookAgainMs: number
  /** Gets what is seen at each look. */
  readonly onSeen?: (seen: DaysSeen) => void
  readonly onClosed?: (dates: readonly CivilDate[]) => void
}

/** Days of a running switch. */
export interface DayWatch {
  /** Goes on with what was asked for now; resolves when the run is over. */
  poll(): Promise<void>
  /** Cuts a run that is under way off and stops. Idempotent. */
  close(): Promise<void>
}

/**
 * Closes the days whose end was asked for, at once when that is notified, and looks again at what could not go on. All
 * processes that run jobs may do this: one at a time does.
 */
export function watchDays(options: DayWatchOptions): DayWatch {
  const stopping = new AbortController()
  const watch: ChangeWatch = watchChanges<DaysSeen>({
    url: options.url,
    name: 'mizan day watch',
    channel: 'mizan_cutover',
    intervalMs: options.lookAgainMs,
    look: async (client) => {
      const seen = await lookAtDays(client)
      options.onSeen?.(seen)
      return seen.closing > 0 ? seen : undefined
    },
    onChange: async () => {
      const { closed } = await options.run(stopping.signal)
      if (closed.length > 0) options.onClosed?.(closed)
    },
    onError: (error) => {
      if (!stopping.signal.aborted) events.dayWatchFailed(options.log, error)
    },
  })
  return {
    poll: () => watch.poll(),
    close() {
      stopping.abort()
      return watch.close()
    },
  }
}
