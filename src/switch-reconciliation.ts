import { type CivilDate, civilDate, civilInstant } from './calendar.ts'
import type { OnReconciliation } from './link/reconciliation.ts'
import { AcquirerReconciliations } from './store/acquirer-totals.ts'
import type { SwitchBase } from './switch-base.ts'
import type { Parts } from './switch-parts.ts'
import { acquirerTotalsDiffer } from './telemetry/reconciliation-events.ts'

/**
 * Answers the reconciliation messages of acquirers from the journal, apart from the lanes.
 * @param current business date of what is decided now
 */
export function openReconciliation(base: SwitchBase, current: () => CivilDate, parts: Parts): OnReconciliation {
  const { database, clock, metrics, log } = base
  const reconciliations = new AcquirerReconciliations(database.url)
  parts.add(() => reconciliations.close())
  return async (request) => {
    const { settlementDate, ...rest } = request
    const nowMs = clock.now()
    const asked = settlementDate === undefined ? current() : nearestDate(settlementDate, nowMs)
    try {
      const found = await reconciliations.reconcile({ ...rest, businessDate: asked })
      metrics.reconciliations.child(request.link, outcomeOf(found.agrees)).inc()
      if (found.agrees === false && !found.isRepeat) {
        const { link, acquirer, mti } = request
        acquirerTotalsDiffer(log, { link, acquirer, mti, businessDate: found.businessDate })
      }
      return found
    } catch (error) {
      metrics.reconciliations.child(request.link, 'failed').inc()
      throw error
    }
  }
}

function outcomeOf(agrees: boolean | undefined): string {
  if (agrees === undefined) return 'asked'
  return agrees ? 'agreed' : 'differed'
}

/** The date of a month and day that is nearest to an instant: messages carry no year. */
function nearestDate(monthAndDay: string, nearMs: number): CivilDate {
  const noon = civilInstant(`${monthAndDay}120000`, nearMs)
  return civilDate(noon ?? nearMs)
}
