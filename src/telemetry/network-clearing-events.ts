import type { Logger } from './logger.ts'

/** A clearing file of the card network was processed. */
export function networkFileProcessed(
  log: Logger,
  fields: { file: string; transactions: number; exceptions: number; duplicates: number; resumed: boolean },
): void {
  const { exceptions } = fields
  const what = exceptions === 0 ? 'nothing is left open' : `${exceptions} exception(s) wait for somebody`
  log[exceptions === 0 ? 'info' : 'warn'](
    { event: 'network_file_processed', ...fields },
    `${fields.file} processed: ${what}`,
  )
}

/** A clearing file of the card network was refused as a whole. */
export function networkFileRefused(log: Logger, fields: { file: string; refusal: string; reason: string }): void {
  log.error(
    { event: 'network_file_refused', ...fields },
    `${fields.file} refused, and nothing of it counts: ${fields.reason}; it stands in in/rejected`,
  )
}

/** A clearing file could not be finished now; the job goes on with it. */
export function networkFileWaits(log: Logger, fields: { file: string }, error: unknown): void {
  log.error(
    { event: 'network_file_waits', ...fields, err: error },
    `${fields.file} is not done: the next run goes on with it`,
  )
}
