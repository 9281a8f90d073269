import { connect } from '../store/connection.ts'
import { purgeNotifications } from '../store/notification-delivery.ts'
import type { DeliveryOptions } from './delivery-options.ts'
import type { NamedJob } from './scheduler.ts'

const DAY_MS = 86_400_000
/** Few at once: each is a short transaction beside the lanes' commits. */
const ROWS_AT_ONCE = 2_000

/** The job that deletes what was delivered long ago. */
export function purgeJob({ url, rules, clock }: Pick<DeliveryOptions, 'url' | 'rules' | 'clock'>): NamedJob {
  return {
    name: 'notification-purge',
    cron: '15 2 * * *',
    description: `delete notifications that ended ${rules.keepDays} days ago`,
    async run(signal) {
      const client = await connect({ url, name: 'mizan notification purge', role: 'mizan_app' })
      try {
        const beforeMs = clock.now() - rules.keepDays * DAY_MS
        let total = 0
        for (let gone = ROWS_AT_ONCE; gone === ROWS_AT_ONCE && !signal.aborted; total += gone) {
          gone = await purgeNotifications(client, beforeMs, ROWS_AT_ONCE)
        }
        return `${total} notifications deleted`
      } finally {
        await client.end()
      }
    },
  }
}
