import { civilDate } from './calendar.ts'
import { breakNames } from './clearing/reconciliation/breaks.ts'
import { type AgeingRow, ageingOf, bankingDaysOn } from './clearing/reconciliation/view.ts'
import { matchPurgeJob } from './jobs/match-purge-job.ts'
import { reconciliationJob } from './jobs/reconciliation-job.ts'
import type { NamedJob } from './jobs/scheduler.ts'
import type { ReconciliationRun } from './store/clearing/reconciliation-runs.ts'
import type { SwitchBase } from './switch-base.ts'
import { lookEachMinute } from './switch-look.ts'
import type { Parts } from './switch-parts.ts'
import type { ReconciliationMetrics } from './telemetry/clearing-reconciliation-metrics.ts'
import { reconciliationDone } from './telemetry/reconciliation-events.ts'

/** The daily reconciliation of ledger, clearing and bank, and what metrics say of open exceptions. */
export function openClearingReconciliation(base: SwitchBase, parts: Parts): readonly NamedJob[] {
  const { config, clock, log, metrics } = base
  const { url } = base.database
  const look = lookEachMinute(base, parts, 'mizan exceptions', async (client) => {
    const today = civilDate(clock.now())
    setOpen(metrics.reconciliation, await ageingOf(client, today, await bankingDaysOn(client, today)))
  })
  const settings = config.clearing.reconciliation
  const onRun = (run: ReconciliationRun | undefined) => {
    metrics.reconciliation.runs.child(run === undefined ? 'failed' : 'done').inc()
    if (run === undefined) return
    setRun(metrics.reconciliation, run)
    const { id, businessDate, matched, opened, resolved, openAfter: open } = run
    reconciliationDone(log, { run: id, businessDate, matched, opened, resolved, open })
    look()
  }
  const { cron, keepMatchesDays, lookBackDays } = settings
  return [
    reconciliationJob({ url, cron, settings, clock, onRun }),
    matchPurgeJob({ url, clock, keepMatchesDays, lookBackDays }),
  ]
}

function setOpen(metrics: ReconciliationMetrics, rows: readonly AgeingRow[]): void {
  for (const name of breakNames) {
    const row = rows.find((one) => one.break === name)
    metrics.open.set({ break: name }, row?.exceptions ?? 0)
    metrics.atRiskPiasters.set({ break: name }, Number(row?.valueAtRiskPiasters ?? 0))
    metrics.oldestDays.set({ break: name }, row?.oldestDays ?? 0)
  }
  metrics.overdue.set(rows.reduce((sum, { overdue }) => sum + overdue, 0))
}

function setRun(
  metrics: ReconciliationMetrics,
  { startedAtMs, endedAtMs = startedAtMs, matched }: ReconciliationRun,
): void {
  metrics.lastRunSeconds.set((endedAtMs - startedAtMs) / 1_000)
  metrics.lastRunTimestamp.set(endedAtMs / 1_000)
  metrics.lastMatched.set(matched)
}
