import type { Logger } from './logger.ts'

/** A file of a settlement bank was taken. */
export function bankFileTaken(
  log: Logger,
  fields: {
    file: string
    schema: string
    registered: string
    entries: number
    suspense: number
    answers: number
    unexpected: number
  },
): void {
  const open = fields.suspense + fields.unexpected
  const what = open === 0 ? 'nothing is left open' : `${open} item(s) wait for somebody`
  log[open === 0 ? 'info' : 'warn']({ event: 'bank_file_taken', ...fields }, `${fields.file} taken: ${what}`)
}

/** The same bytes had come before. */
export function bankFileRepeated(log: Logger, fields: { file: string; before: string }): void {
  log.warn(
    { event: 'bank_file_repeated', ...fields },
    `${fields.file} came before, as ${fields.before}: it changes nothing`,
  )
}

/** A file of a settlement bank was refused as a whole. */
export function bankFileRefused(log: Logger, fields: { file: string; reason: string }): void {
  log.error(
    { event: 'bank_file_refused', ...fields },
    `${fields.file} refused, and nothing of it counts: ${fields.reason}; it stands in in/rejected`,
  )
}

/** A file in the folder could not be read, or is still being written; it stays there and is looked at again. */
export function bankFileUnread(log: Logger, fields: { file: string; reason: string }): void {
  log.warn({ event: 'bank_file_unread', ...fields }, `${fields.file} is not read now: ${fields.reason}`)
}

/** A statement was booked, and the ledger has another balance than the bank. */
export function bankBalanceDiffers(
  log: Logger,
  fields: { statement: number; bank: number; closingPiasters: string; ledgerPiasters: string },
): void {
  log.error(
    { event: 'bank_balance_differs', ...fields },
    `statement ${fields.statement} closes with another balance than the ledger has at bank ${fields.bank}`,
  )
}

/** Files could not be received or booked now; the next run goes on. */
export function bankFilesWait(log: Logger, fields: { folder: string }, error: unknown): void {
  log.error({ event: 'bank_files_wait', ...fields, err: error }, 'files of banks wait: the next run goes on with them')
}
