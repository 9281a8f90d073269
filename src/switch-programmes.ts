import { followProgrammes, type LiveProgrammes } from './store/programme-watch.ts'
import type { Logger } from './telemetry/logger.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { programmesChanged, programmesFailed } from './telemetry/programme-events.ts'

/**
 * Reads the published programmes, and follows them from then on: what is published decides from the next batch.
 * @throws MizanError PROGRAMME_INVALID, STORE_UNAVAILABLE
 */
export async function openProgrammes(url: string, metrics: Metrics, log: Logger): Promise<LiveProgrammes> {
  const programmes = await followProgrammes({
    url,
    onChange: ({ generation, catalogue }) => {
      metrics.programmeVersions.set(catalogue.versions.length)
      metrics.programmeChanges.inc()
      programmesChanged(log, { generation, versions: catalogue.versions.length })
    },
    onError: (error) => {
      metrics.programmeFailures.inc()
      programmesFailed(log, error)
    },
  })
  metrics.programmeVersions.set(programmes.catalogue.versions.length)
  return programmes
}
