import { addDays, businessDate, type Clock, formatDate } from '../calendar.ts'
import { askCutover, knowBusinessDays } from '../store/clearing/business-day-ask.ts'
import { connect } from '../store/connection.ts'
import type { NamedJob } from './scheduler.ts'

/** When days end by themselves. */
export interface CutoverJobOptions {
  readonly url: string
  readonly clock: Clock
  /** Minutes after Cairo midnight at which the business day ends. */
  readonly cutoverMinutes: number
  /** Does what is to be done of the days that were asked for; resolves when it can do no more. */
  readonly goOn: () => Promise<void>
}

/** The clock that triggers the job may be a little ahead of that which dates the day. */
const EARLY_MS = 60_000
const MINUTES = 60

/** The job that asks for the end of the business day at its time, and of the days before it that nobody ended. */
export function cutoverJob({ url, clock, cutoverMinutes, goOn }: CutoverJobOptions): NamedJob {
  return {
    name: 'cutover',
    cron: `${cutoverMinutes % MINUTES} ${Math.floor(cutoverMinutes / MINUTES)} * * *`,
    description: 'close the business day: mizan cutover status',
    async run() {
      const byClock = businessDate(clock.now() + EARLY_MS, cutoverMinutes)
      const over = addDays(byClock, -1)
      const client = await connect({ url, name: 'mizan cutover job', role: 'mizan_app' })
      try {
        const first = await knowBusinessDays(client, byClock)
        if (first === undefined || first > over) return 'no business day is over'
        const { asked } = await askCutover(client, { date: over, byClock, by: 'schedule' })
        await goOn()
        return asked.length === 0
          ? `${formatDate(over)} was ended already`
          : `ended ${asked.map(formatDate).join(', ')}`
      } finally {
        await client.end()
      }
    },
  }
}
