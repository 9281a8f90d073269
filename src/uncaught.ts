import { processFailed } from './telemetry/events.ts'
import type { Logger } from './telemetry/logger.ts'

/** Exit status of a process that a defect ended; docs/operations.md, Restart. */
export const DEFECT_STATUS = 70

/**
 * From now on what is thrown and caught by nobody, a rejected promise too, ends this process with {@link DEFECT_STATUS} and a
 * line of the log, masked as all are. Node's own words would be many lines, with whatever the message holds. Nothing goes
 * on: what was under way when it was thrown is in no known state, and the journal has all that was answered.
 * @param log asked for at that time
 */
export function endOnDefect(log: () => Logger): void {
  process.on('uncaughtException', (error, how) => {
    try {
      processFailed(log(), { how }, error)
    } finally {
      process.exit(DEFECT_STATUS)
    }
  })
}
