import { describeError, MizanError } from '../errors.ts'
import type { Logger } from './logger.ts'

/** A clearing file is at its receiver's. @param fields `outcome` is `was-there` when it had been brought before */
export function fileDelivered(
  log: Logger,
  fields: { file: string; destination: string; attempt: number; outcome: string },
): void {
  log.info({ event: 'clearing_file_delivered', ...fields }, 'clearing file delivered')
}

export function deliveryFailed(
  log: Logger,
  fields: { file: string; destination: string; attempt: number },
  error: unknown,
): void {
  log.warn({ event: 'clearing_delivery_failed', ...fields, ...failure(error) }, 'clearing file not delivered')
}

/** Receivers have not answered in time; said each time it is looked at. */
export function acknowledgementsOverdue(log: Logger, fields: { files: readonly string[]; businessDate: string }): void {
  log.error({ event: 'clearing_acknowledgement_overdue', ...fields }, 'receivers of clearing files have not answered')
}

/** A receiver does not take a file. */
export function fileRejected(log: Logger, fields: { file: string; source: string; reason: string }): void {
  log.error({ event: 'clearing_file_rejected', ...fields }, 'clearing file rejected by its receiver')
}

export function fileFetched(log: Logger, fields: { file: string; source: string; type: string }): void {
  log.info({ event: 'clearing_file_fetched', ...fields }, 'clearing file fetched')
}

/** A fetched file is not taken: `reason` is a stable name. */
export function fetchRefused(
  log: Logger,
  fields: { file: string; source: string; reason: string; words: string },
): void {
  log.error({ event: 'clearing_fetch_refused', ...fields }, 'fetched clearing file refused')
}

export function inboxFailed(log: Logger, fields: { source: string }, error: unknown): void {
  log.warn({ event: 'clearing_inbox_failed', ...fields, ...failure(error) }, 'files of a partner cannot be fetched')
}

function failure(error: unknown): { code?: string; reason: string } {
  return { ...(error instanceof MizanError ? { code: error.code } : {}), reason: describeError(error) }
}
