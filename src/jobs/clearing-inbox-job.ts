import { onConnection } from '../clearing/delivery/day-files.ts'
import { deliverDue } from '../clearing/delivery/deliver-step.ts'
import { fetchFiles, polledInWords } from '../clearing/delivery/fetch-run.ts'
import type { FileReceivers } from '../clearing/delivery/inbox.ts'
import type { DeliveryOptions } from '../clearing/delivery/options.ts'
import { datesToDeliver } from '../store/clearing/deliver.ts'
import { type DeliveryStanding, deliveryStanding } from '../store/clearing/deliver-standing.ts'
import type { DeliveryMetrics } from '../telemetry/delivery-metrics.ts'
import type { Logger } from '../telemetry/logger.ts'
import { SECOND_MS } from '../time-units.ts'
import type { WaitedForJob } from './waited-for-job.ts'

export interface ClearingInboxJobOptions {
  readonly url: string
  readonly delivery: DeliveryOptions
  readonly receivers: FileReceivers
  readonly metrics: DeliveryMetrics
  readonly nowMs: () => number
  readonly log: Logger
}

function show(standing: DeliveryStanding, { metrics, nowMs }: ClearingInboxJobOptions): void {
  const { oldestUndeliveredMs: oldest, firstExpiryMs = 0 } = standing
  metrics.waiting.set(standing.waiting)
  metrics.failed.set(standing.failed)
  metrics.oldestUndeliveredSeconds.set(oldest === undefined ? 0 : (nowMs() - oldest) / SECOND_MS)
  metrics.acknowledgementsOverdue.set(standing.acknowledgementsOverdue)
  metrics.fetchedWaiting.set(standing.fetchedWaiting)
  metrics.fetchesRefused.set(standing.fetchesRefused)
  metrics.certificateExpiry.set(firstExpiryMs / SECOND_MS)
}

/** The job that fetches files of partners, delivers what waits of days that are done, and says how delivery stands. */
export function clearingInboxJob(options: ClearingInboxJobOptions): WaitedForJob {
  const { url, delivery, receivers, nowMs, log } = options
  return {
    name: 'clearing-inbox',
    cron: '*/5 * * * *',
    description:
      'fetch files of partners and hand them on; deliver what waits for its next attempt or is to be sent again',
    look: () =>
      onConnection(url, 'mizan clearing inbox', async (client) => {
        if (delivery.inboxes.length > 0 || (await datesToDeliver(client, nowMs(), 1)).length > 0) return
        show(await deliveryStanding(client, nowMs()), options)
        return 'nothing is to be delivered, and no partner has a place where files are fetched'
      }),
    async run(signal) {
      const work = { signal, nowMs, log, progress: () => undefined }
      const due = await onConnection(url, 'mizan clearing deliver', (client) => deliverDue(client, delivery, work))
      const { polled, standing } = await fetchFiles(url, delivery, receivers, work)
      show(standing, options)
      const delivered = due?.map(({ words }) => `; ${words}`).join('') ?? ''
      return polledInWords(polled) + delivered
    },
  }
}
