import { addDays, type Clock, civilDate, formatDate } from '../calendar.ts'
import { dropMatches } from '../store/clearing/reconciliation-matches.ts'
import { connect } from '../store/connection.ts'
import type { NamedJob } from './scheduler.ts'

/** An item is looked for in files so many days off: matches of those are wanted as long. */
const NEAR_DAYS = 46

/** The job that drops the matches of business dates long ago; what a run came to, and exceptions, stay. */
export function matchPurgeJob(options: {
  readonly url: string
  readonly clock: Clock
  readonly keepMatchesDays: number
  readonly lookBackDays: number
}): NamedJob {
  const { url, clock, keepMatchesDays, lookBackDays } = options
  // What is compared again is not dropped.
  const keepDays = Math.max(keepMatchesDays, lookBackDays + 1, NEAR_DAYS)
  return {
    name: 'reconciliation-purge',
    cron: '25 2 * * *',
    description: `drop matches of business dates that ended ${keepDays} days ago and have nothing open`,
    async run(signal) {
      const client = await connect({ url, name: 'mizan reconcile purge', role: 'mizan_app' })
      try {
        const before = formatDate(addDays(civilDate(clock.now()), -keepDays))
        const { dropped, busy } = await dropMatches(client, before, signal)
        const left = busy === 0 ? '' : `; ${busy} left, because somebody reads matches`
        return `matches of ${dropped.length} date(s) dropped${left}`
      } finally {
        await client.end()
      }
    },
  }
}
