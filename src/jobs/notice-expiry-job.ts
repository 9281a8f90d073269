import { connect } from '../store/connection.ts'
import { expireNotices } from '../store/people-cards.ts'
import type { PeopleDesk } from '../store/people-desk.ts'
import type { NamedJob } from './scheduler.ts'

/** The job that cancels the issue of cards that nobody collected in time (RU-9). */
export function noticeExpiryJob(url: string, desk: Omit<PeopleDesk, 'client'>): NamedJob {
  return {
    name: 'notice-expiry',
    cron: '30 1 * * *',
    description: 'cancel the issue of cards that were not collected in time',
    async run() {
      const client = await connect({ url, name: 'mizan notice expiry', role: 'mizan_app' })
      try {
        const asked = await expireNotices({ ...desk, client }, 'job notice-expiry')
        return `${asked} issues to be cancelled`
      } finally {
        await client.end()
      }
    },
  }
}
