import {
  type DeliveryStanding,
  deliveryStanding,
  giveDeliveryLock,
  takeDeliveryLock,
} from '../../store/clearing/deliver-standing.ts'
import { onConnection } from './day-files.ts'
import { type FileReceivers, type PollResult, type PollWork, pollInboxes } from './inbox.ts'
import type { DeliveryOptions } from './options.ts'

/**
 * Fetches what partners have for us, unless another process delivers or fetches at this moment.
 * @returns what came of it, undefined when another one is at it; and how delivery stands
 */
export function fetchFiles(
  url: string,
  options: DeliveryOptions,
  receivers: FileReceivers,
  work: PollWork,
): Promise<{ readonly polled: PollResult | undefined; readonly standing: DeliveryStanding }> {
  return onConnection(url, 'mizan clearing inbox', async (client) => {
    let polled: PollResult | undefined
    if (await takeDeliveryLock(client)) {
      try {
        polled = await pollInboxes(client, options, receivers, work)
      } finally {
        await giveDeliveryLock(client)
      }
    }
    return { polled, standing: await deliveryStanding(client, work.nowMs()) }
  })
}

/** What a look at the places of partners brought, in words. */
export function polledInWords(polled: PollResult | undefined): string {
  if (polled === undefined) return 'another process delivers or fetches files now'
  const { taken, refused, waiting, failed } = polled
  const away = failed === 0 ? '' : `; ${failed} could not be looked at or taken`
  return `${taken} files taken, ${refused} refused, ${waiting} wait${away}`
}
