import type { Clock } from '../calendar.ts'
import { connect } from '../store/connection.ts'
import { purgeOutbound } from '../store/outbound-message.ts'
import type { NamedJob } from './scheduler.ts'

const DAY_MS = 86_400_000
/** Few at once: each is a short transaction beside the lanes' commits. */
const ROWS_AT_ONCE = 2_000

/** The job that deletes messages of our own that were acknowledged, or dropped, long ago; dead letters stay. */
export function outboundPurgeJob(options: {
  readonly url: string
  readonly clock: Clock
  readonly keepDays: number
}): NamedJob {
  const { url, clock, keepDays } = options
  return {
    name: 'outbound-purge',
    cron: '45 2 * * *',
    description: `delete messages of our own that were done ${keepDays} days ago`,
    async run(signal) {
      const client = await connect({ url, name: 'mizan outbound purge', role: 'mizan_app' })
      try {
        const beforeMs = clock.now() - keepDays * DAY_MS
        let total = 0
        for (let gone = ROWS_AT_ONCE; gone === ROWS_AT_ONCE && !signal.aborted; total += gone) {
          gone = await purgeOutbound(client, beforeMs, ROWS_AT_ONCE)
        }
        return `${total} messages of our own deleted`
      } finally {
        await client.end()
      }
    },
  }
}
