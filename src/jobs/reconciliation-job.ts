import { type Clock, civilDate } from '../calendar.ts'
import { type ReconcileSettings, reconcile } from '../clearing/reconciliation/reconcile.ts'
import { lastClosedDate } from '../clearing/reconciliation/view.ts'
import { MizanError } from '../errors.ts'
import type { ReconciliationRun } from '../store/clearing/reconciliation-runs.ts'
import { connect } from '../store/connection.ts'
import type { NamedJob } from './scheduler.ts'

/** When and how the last closed business date is reconciled by itself. */
export interface ReconciliationJobOptions {
  readonly url: string
  readonly cron: string
  readonly settings: ReconcileSettings
  readonly clock: Clock
  /** Told how each run ended; undefined = it failed. */
  readonly onRun: (run: ReconciliationRun | undefined) => void
}

/** The daily job that compares ledger, clearing and bank. */
export function reconciliationJob({ url, cron, settings, clock, onRun }: ReconciliationJobOptions): NamedJob {
  return {
    name: 'reconciliation',
    cron,
    description: 'compare ledger, clearing and bank of the last business date that was closed',
    async run(signal) {
      try {
        const businessDate = await closedDate(url)
        if (businessDate === undefined) return 'no business day was closed yet'
        const nowMs = () => clock.now()
        const asOf = civilDate(nowMs())
        const run = await reconcile({ url, businessDate, asOf, requestedBy: 'job', nowMs, settings, signal })
        onRun(run)
        return `${run.businessDate}: ${run.words ?? ''}; ${run.openAfter} open`
      } catch (error) {
        onRun(undefined)
        throw error
      }
    },
  }
}

async function closedDate(url: string) {
  const client = await connect({ url, name: 'mizan reconcile', role: 'mizan_app' })
  try {
    return await lastClosedDate(client)
  } catch (error) {
    if (error instanceof MizanError && error.code === 'NOT_FOUND') return undefined
    throw error
  } finally {
    await client.end()
  }
}
