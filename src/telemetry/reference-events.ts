import type { Logger } from './logger.ts'

/** Master data changed while the switch runs, and it follows. */
export function referenceChanged(log: Logger, fields: { generation: number; outlets: number }): void {
  log.info({ event: 'reference_changed', ...fields }, 'outlets and rollout taken over')
}

/** Changes of master data cannot be read; what is in use stays in use. */
export function referenceFailed(log: Logger, error: unknown): void {
  log.error(
    { event: 'reference_failed', err: error },
    'outlets and rollout cannot be read; those in use stay in use until they can be',
  )
}

/** Rows named in one line of the log; the number of all stands beside them. */
const ROWS_SHOWN = 20

/** Rows of master data that no rule takes: what hangs on them is closed, and all the rest is served. */
export function referenceRowsLeftOut(log: Logger, faults: readonly string[]): void {
  log.error(
    { event: 'reference_rows_left_out', rows: faults.length, faults: faults.slice(0, ROWS_SHOWN) },
    'rows of outlets or rollout cannot be read; what hangs on them is not served until they are corrected',
  )
}
