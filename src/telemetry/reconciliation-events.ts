import type { Logger } from './logger.ts'

/** An acquirer's totals of a business date are not Mizan's. */
export function acquirerTotalsDiffer(
  log: Logger,
  fields: { link: string; acquirer: string; businessDate: number; mti: string },
): void {
  log.warn({ event: 'acquirer_totals_differ', ...fields }, 'an acquirer counts otherwise; mizan acquirer-totals')
}
