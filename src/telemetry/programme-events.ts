import type { Logger } from './logger.ts'

/** Versions of programmes were published or withdrawn while the switch runs, and it follows. */
export function programmesChanged(log: Logger, fields: { generation: number; versions: number }): void {
  log.info({ event: 'programmes_changed', ...fields }, 'published programmes taken over')
}

/** Published programmes cannot be read or do not pass the checks; those in use stay in use. */
export function programmesFailed(log: Logger, error: unknown): void {
  log.error(
    { event: 'programmes_failed', err: error },
    'published programmes cannot be taken over; those in use stay in use until they can be',
  )
}
