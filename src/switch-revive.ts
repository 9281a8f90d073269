import type { Config } from './config/config.ts'
import { type DatabaseHandle, reviveDatabase } from './store/database-location.ts'
import type { Parts } from './switch-parts.ts'
import * as events from './telemetry/events.ts'
import type { Logger } from './telemetry/logger.ts'
import { MINUTE_MS, SECOND_MS } from './time-units.ts'

/** A server that dies again and again is left longer and longer in peace. */
const PAUSE_MAX_MS = MINUTE_MS

/**
 * Starts the embedded server again when it has died: killed for memory, or ended by itself on a full disk. No service
 * manager knows of it, so nobody else would before morning; the lanes come back by themselves. Does nothing for a server
 * of one's own.
 */
export function reviveWhenDead(config: Config, database: DatabaseHandle, log: Logger, parts: Parts): void {
  if (database.embedded === undefined) return
  let pauseMs = SECOND_MS
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  const look = async () => {
    try {
      const onLog = (step: string) => events.databaseProgress(log, { step })
      const hadDied = await reviveDatabase(config, database, { onLog })
      if (hadDied) events.databaseRevived(log)
      pauseMs = hadDied ? Math.min(2 * pauseMs, PAUSE_MAX_MS) : SECOND_MS
    } catch (error) {
      events.databaseNotRevived(log, error)
      pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)
    }
  }
  let looking: Promise<void> = Promise.resolve()
  const later = () => {
    if (isClosed) return
    timer = setTimeout(() => {
      looking = look().then(later)
    }, pauseMs).unref()
  }
  later()
  parts.add(async () => {
    isClosed = true
    clearTimeout(timer)
    await looking
  })
}
