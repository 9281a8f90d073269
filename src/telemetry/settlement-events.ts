import type { Logger } from './logger.ts'

/** A business date is settled: its payments wait for two people. */
export function settlementDone(
  log: Logger,
  fields: { businessDate: string; payouts: number; nets: number; postings: number; files: number },
): void {
  log.info({ event: 'settlement_done', ...fields }, 'payments are written; mizan settlement release')
}

/** Something that was redeemed has no tariff, or money goes nowhere for want of master data: somebody has to look. */
export function settlementNeedsData(
  log: Logger,
  fields: { businessDate: string; withoutTariff: number; accountsWithoutBank: number },
): void {
  log.warn(
    { event: 'settlement_needs_data', ...fields },
    'payables without tariff, or accounts that nobody is registered for; mizan settlement show',
  )
}
