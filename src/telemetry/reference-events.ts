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
