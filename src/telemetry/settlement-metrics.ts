import { Gauge, type Registry } from 'prom-client'

/** Metrics of settlement. */
export interface SettlementMetrics {
  /** By state; those that ended well are not counted. */
  readonly instructions: Gauge<'state'>
  readonly instructionPiasters: Gauge<'state'>
  readonly overdue: Gauge
  readonly oldestUnreleasedSeconds: Gauge
  /** By bank. */
  readonly outstandingPiasters: Gauge<'bank'>
  readonly shortPiasters: Gauge<'bank'>
  /** By account, as the ledger names it. */
  readonly unreconciledPiasters: Gauge<'account'>
  readonly suspendedOutlets: Gauge
  /** Of the last run. */
  readonly withoutTariff: Gauge
  readonly accountsWaiting: Gauge<'reason'>
}

/** Makes the metrics of settlement on a registry. */
export function createSettlementMetrics(registry: Registry): SettlementMetrics {
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name: `mizan_settlement_${name}`, help, labelNames, registers: [registry] })
  return {
    instructions: gauge(
      'instructions',
      'Payment instructions under way, and those that failed and no run has taken up; rejected or returned: see `mizan settlement instructions`',
      ['state'],
    ),
    instructionPiasters: gauge('instruction_piasters', 'What these instructions come to, in piasters', ['state']),
    overdue: gauge(
      'instructions_overdue',
      'Payment instructions whose value date is over and of which no statement has shown all; above 0: ask the bank',
    ),
    oldestUnreleasedSeconds: gauge(
      'oldest_unreleased_seconds',
      'Age of the oldest run whose payments two people have not released; 0 = none; beyond some hours outlets are paid late',
    ),
    outstandingPiasters: gauge(
      'outstanding_piasters',
      'Instructed at a bank and not seen on its statement, in piasters (account 7007); below zero it is to be collected',
      ['bank'],
    ),
    shortPiasters: gauge(
      'short_piasters',
      'By how much what is instructed at a bank exceeds what the ledger has there (8007), in piasters; above 0: fund the account',
      ['bank'],
    ),
    unreconciledPiasters: gauge(
      'unreconciled_piasters',
      'Piasters on accounts that return to zero when everything is matched, whatever their sign; growing from day to day: `mizan reconcile exceptions`',
      ['account'],
    ),
    suspendedOutlets: gauge('suspended_outlets', 'Outlets whose payouts are stopped: `mizan settlement suspensions`'),
    withoutTariff: gauge(
      'without_tariff',
      'Payables of the last run for which no tariff says what they are worth; above 0 and not meant so: `mizan settlement show`',
    ),
    accountsWaiting: gauge(
      'accounts_waiting',
      'Accounts that the last run left something on, by reason; no-account, no-bank, no-institution: master data are missing',
      ['reason'],
    ),
  }
}
