import { onConnection } from '../clearing/delivery/day-files.ts'
import { deliverDue } from '../clearing/delivery/deliver-step.ts'
import { fetchFiles, polledInWords } from '../clearing/delivery/fetch-run.ts'
import type { FileReceivers } from '../clearing/delivery/inbox.ts'
import type { DeliveryOptions } from '../clearing/delivery/options.ts'
import type { DeliveryMetrics } from '../telemetry/delivery-metrics.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { NamedJob } from './scheduler.ts'

export interface ClearingInboxJobOptions {
  readonly url: string
  readonly delivery: DeliveryOptions
  readonly receivers: FileReceivers
  readonly metrics: DeliveryMetrics
  readonly nowMs: () => number
  readonly log: Logger
}

const SECOND_MS = 1_000

/** The job that fetches files of partners, delivers what waits of days that are done, and says how delivery stands. */
export function clearingInboxJob(options: ClearingInboxJobOptions): NamedJob {
  const { url, delivery, receivers, metrics, nowMs, log } = options
  return {
    name: 'clearing-inbox',
    cron: '*/5 * * * *',
    description:
      'fetch files of partners and hand them on; deliver what waits for its next attempt or is to be sent again',
    async run(signal) {
      const work = { signal, nowMs, log, progress: () => undefined }
      const due = await onConnection(url, 'mizan clearing deliver', (client) => deliverDue(client, delivery, work))
      const { polled, standing } = await fetchFiles(url, delivery, receivers, work)
      const { oldestUndeliveredMs: oldest, firstExpiryMs = 0 } = standing
      metrics.waiting.set(standing.waiting)
      metrics.failed.set(standing.failed)
      metrics.oldestUndeliveredSeconds.set(oldest === undefined ? 0 : (nowMs() - oldest) / SECOND_MS)
      metrics.acknowledgementsOverdue.set(standing.acknowledgementsOverdue)
      metrics.fetchedWaiting.set(standing.fetchedWaiting)
      metrics.fetchesRefused.set(standing.fetchesRefused)
      metrics.certificateExpiry.set(firstExpiryMs / SECOND_MS)
      const delivered = due?.map(({ words }) => `; ${words}`).join('') ?? ''
      return polledInWords(polled) + delivered
    },
  }
}
