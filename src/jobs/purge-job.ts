import type { Clock } from '../calendar.ts'
import { type Client, connect } from '../store/connection.ts'
import { purgeNotifications } from '../store/notification-delivery.ts'
import { purgeOutbound } from '../store/outbound-message.ts'
import { DAY_MS } from '../time-units.ts'
import type { NamedJob } from './scheduler.ts'

/** Few at once: each is a short transaction beside the lanes' commits. */
const ROWS_AT_ONCE = 2_000

interface PurgeOptions {
  readonly url: string
  readonly clock: Clock
  /** Days for which what has ended is kept. */
  readonly keepDays: number
}

/** What is purged, and the words for it. */
interface Purged {
  readonly subject: string
  readonly cron: string
  readonly things: string
  readonly ended: string
  /** Deletes at most so many that ended before an instant. @returns how many */
  purge(client: Client, beforeMs: number, max: number): Promise<number>
}

/** The job that deletes what was delivered long ago. */
export function notificationPurgeJob(options: PurgeOptions): NamedJob {
  const words = { subject: 'notification', things: 'notifications', ended: 'ended' }
  return purgeJob(options, { ...words, cron: '15 2 * * *', purge: purgeNotifications })
}

/** The job that deletes messages of our own that were acknowledged, or dropped, long ago; dead letters stay. */
export function outboundPurgeJob(options: PurgeOptions): NamedJob {
  const words = { subject: 'outbound', things: 'messages of our own', ended: 'were done' }
  return purgeJob(options, { ...words, cron: '45 2 * * *', purge: purgeOutbound })
}

function purgeJob({ url, clock, keepDays }: PurgeOptions, { subject, cron, things, ended, purge }: Purged): NamedJob {
  return {
    name: `${subject}-purge`,
    cron,
    description: `delete ${things} that ${ended} ${keepDays} days ago`,
    async run(signal) {
      const client = await connect({ url, name: `mizan ${subject} purge`, role: 'mizan_app' })
      try {
        const beforeMs = clock.now() - keepDays * DAY_MS
        let total = 0
        for (let gone = ROWS_AT_ONCE; gone === ROWS_AT_ONCE && !signal.aborted; total += gone) {
          gone = await purge(client, beforeMs, ROWS_AT_ONCE)
        }
        return `${total} ${things} deleted`
      } finally {
        await client.end()
      }
    },
  }
}
