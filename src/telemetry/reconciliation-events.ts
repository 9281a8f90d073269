import type { Logger } from './logger.ts'

/** An acquirer's totals of a business date are not Mizan's. */
export function acquirerTotalsDiffer(
  log: Logger,
  fields: { link: string; acquirer: string; businessDate: number; mti: string },
): void {
  log.warn({ event: 'acquirer_totals_differ', ...fields }, 'an acquirer counts otherwise; mizan acquirer-totals')
}

/** A business date was reconciled. */
export function reconciliationDone(
  log: Logger,
  fields: { run: number; businessDate: string; matched: number; opened: number; resolved: number; open: number },
): void {
  if (fields.open === 0) log.info({ event: 'reconciliation_done', ...fields }, 'ledger, clearing and bank agree')
  else log.warn({ event: 'reconciliation_done', ...fields }, 'exceptions are open; mizan reconcile exceptions')
}
