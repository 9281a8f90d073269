import { Gauge, type Registry } from 'prom-client'
import { FastCounter } from './counters.ts'

/** Metrics of the reconciliation of ledger, clearing and bank. */
export interface ReconciliationMetrics {
  /** By break. */
  readonly open: Gauge
  readonly atRiskPiasters: Gauge
  readonly oldestDays: Gauge
  readonly overdue: Gauge
  /** By outcome: done, failed. */
  readonly runs: FastCounter
  readonly lastRunSeconds: Gauge
  readonly lastRunTimestamp: Gauge
  readonly lastMatched: Gauge
}

/** Makes the metrics of reconciliation on a registry. */
export function createReconciliationMetrics(registry: Registry): ReconciliationMetrics {
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] })
  return {
    open: gauge('mizan_reconciliation_open_exceptions', 'Exceptions that are open, by kind of break', ['break']),
    atRiskPiasters: gauge('mizan_reconciliation_at_risk_piasters', 'Piasters at risk in open exceptions', ['break']),
    oldestDays: gauge('mizan_reconciliation_oldest_days', 'Age of the oldest open exception in days', ['break']),
    overdue: gauge('mizan_reconciliation_overdue_exceptions', 'Open exceptions past the days of their break'),
    runs: new FastCounter(registry, 'mizan_reconciliation_runs_total', 'Runs of the reconciliation by how they ended', [
      'outcome',
    ]),
    lastRunSeconds: gauge('mizan_reconciliation_last_run_seconds', 'How long the last run took'),
    lastRunTimestamp: gauge('mizan_reconciliation_last_run_timestamp_seconds', 'When the last run ended'),
    lastMatched: gauge('mizan_reconciliation_last_matched', 'What the last run matched'),
  }
}
