import { civilDate } from './calendar.ts'
import { breakNames } from './clearing/reconciliation/breaks.ts'
import { type AgeingRow, ageingOf, bankingDaysOn } from './clearing/reconciliation/view.ts'
import { reconciliationJob } from './jobs/reconciliation-job.ts'
import type { NamedJob } from './jobs/scheduler.ts'
import type { ReconciliationRun } from './store/clearing/reconciliation-runs.ts'
import { keptConnection } from './store/kept-connection.ts'
import type { SwitchBase } from './switch-base.ts'
import type { Parts } from './switch-parts.ts'
import type { ReconciliationMetrics } from './telemetry/clearing-reconciliation-metrics.ts'
import { reconciliationDone } from './telemetry/reconciliation-events.ts'

/** How often the open exceptions are counted. */
const EVERY_MS = 60_000

/** The daily reconciliation of ledger, clearing and bank, and what metrics say of open exceptions. */
export function openClearingReconciliation(
  { config, database, clock, log, metrics }: SwitchBase,
  parts: Parts,
): readonly NamedJob[] {
  const { url } = database
  const connection = keptConnection({ url, name: 'mizan exceptions', role: 'mizan_app', queryTimeoutMs: 10_000 })
  const look = async () => {
    try {
      const today = civilDate(clock.now())
      const rows = await connection.use(async (client) => ageingOf(client, today, await bankingDaysOn(client, today)))
      setOpen(metrics.reconciliation, rows)
    } catch {
      // The gauges keep what was counted last; that the database is away is told elsewhere.
    }
  }
  let looking = look()
  const timer = setInterval(() => {
    looking = looking.then(look)
  }, EVERY_MS)
  timer.unref()
  parts.add(async () => {
    clearInterval(timer)
    await looking
    await connection.close()
  })
  const settings = config.clearing.reconciliation
  const onRun = (run: ReconciliationRun | undefined) => {
    metrics.reconciliation.runs.child(run === undefined ? 'failed' : 'done').inc()
    if (run === undefined) return
    setRun(metrics.reconciliation, run)
    const { id, businessDate, matched, opened, resolved, openAfter: open } = run
    reconciliationDone(log, { run: id, businessDate, matched, opened, resolved, open })
    looking = looking.then(look)
  }
  return [reconciliationJob({ url, cron: settings.cron, settings, clock, onRun })]
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
