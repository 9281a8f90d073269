import type { Logger } from './logger.ts'

/** The keys were opened at a start. */
export function keysOpened(log: Logger, fields: { keys: number; custody: string; module: string }): void {
  log.info({ event: 'keys_opened', ...fields }, 'keys opened')
}

/** Someone changed the keys while the switch runs, and it follows. */
export function keysReloaded(log: Logger, fields: { generation: number; keys: number }): void {
  log.info({ event: 'keys_reloaded', ...fields }, 'keys loaded anew')
}

/** A peer sent a zone key; it is accepted beside the ones before it. */
export function zoneKeyReceived(log: Logger, fields: { name: string; version: number; checkValue: string }): void {
  log.info({ event: 'zone_key_received', ...fields }, 'zone key received')
}

/** A key block that a peer sent was not taken: it is told no more than that, and whoever has to help needs the reason. */
export function zoneKeyRefused(log: Logger, fields: { name: string; reason: string; leftOut?: number }): void {
  log.warn({ event: 'zone_key_refused', ...fields }, 'zone key refused')
}

/** The first message under the newest version of a key came: the time of the older ones ends. */
export function keyConfirmed(
  log: Logger,
  fields: { name: string; version: number; ending: readonly number[]; overlapMs: number },
): void {
  log.info({ event: 'key_confirmed', ...fields }, 'key confirmed by use')
}

/** Keys cannot be read or changed; those in use stay in use. */
export function keyStoreFailed(log: Logger, error: unknown): void {
  log.error({ event: 'key_store_failed', err: error }, 'keys cannot be read or changed; those in use stay in use')
}
