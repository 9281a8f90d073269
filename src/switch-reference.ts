import type { ChangeWatch } from './store/change-watch.ts'
import { connect } from './store/connection.ts'
import { loadReferenceData, type ReferenceData } from './store/reference-data.ts'
import { watchReferenceData } from './store/reference-watch.ts'
import type { Logger } from './telemetry/logger.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { referenceChanged, referenceFailed, referenceRowsLeftOut } from './telemetry/reference-events.ts'

/** Master data of a running switch, which follows what people change. */
export interface LiveReference {
  readonly data: ReferenceData
  readonly watch: ChangeWatch
}

/**
 * Reads outlets, terminals and rollout, and follows their changes from then on.
 * @throws MizanError STORE_UNAVAILABLE, CONFIG_INVALID
 */
export async function openReferenceData(url: string, metrics: Metrics, log: Logger): Promise<LiveReference> {
  const client = await connect({ url, name: 'mizan reference data', role: 'mizan_app' })
  const data = await loadReferenceData(client).finally(() => client.end())
  metrics.referenceOutlets.set(data.outletCount)
  const noteFaults = (faults: readonly string[]) => {
    if (faults.length === 0) return
    metrics.referenceFailures.inc()
    referenceRowsLeftOut(log, faults)
  }
  noteFaults(data.faults)
  const watch = watchReferenceData({
    url,
    tables: data,
    onChange: ({ faults, ...change }) => {
      metrics.referenceOutlets.set(data.outletCount)
      metrics.referenceChanges.inc()
      referenceChanged(log, change)
      noteFaults(faults)
    },
    onError: (error) => {
      metrics.referenceFailures.inc()
      referenceFailed(log, error)
    },
  })
  return { data, watch }
}
