import { describeError } from '../errors.ts'
import type { Logger } from './logger.ts'

/** Something of backups is not as it should be; said once until that changes. */
export function backupsNotInOrder(log: Logger, fields: { problems: readonly string[] }): void {
  log.error({ event: 'backups_not_in_order', ...fields }, 'backups are not in order; the switch goes on')
}

export function backupsInOrder(log: Logger, fields: { lastBackup: string | undefined }): void {
  log.info({ event: 'backups_in_order', ...fields }, 'backups are in order')
}

/** How backups stand cannot be found out; said once until it can. */
export function backupsUnknown(log: Logger, error: unknown): void {
  log.warn({ event: 'backups_unknown', reason: describeError(error) }, 'backups cannot be looked at')
}
