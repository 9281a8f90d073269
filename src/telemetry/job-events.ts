import { describeError, MizanError } from '../errors.ts'
import type { Logger } from './logger.ts'

/** Jobs and notifications in the log: counts and names, never a mobile number or what a message says. */

function failure(error: unknown): { code?: string; reason: string } {
  const code = error instanceof MizanError ? error.code : undefined
  return { ...(code === undefined ? {} : { code }), reason: describeError(error) }
}

/** Jobs run in this process from now on. */
export function jobsStarted(log: Logger, fields: { jobs: number; notifications: string }): void {
  log.info({ event: 'jobs_started', ...fields }, 'jobs started')
}

/** The queue cannot be opened or worked; it is tried again. */
export function jobQueueFailed(log: Logger, error: unknown): void {
  log.error({ event: 'job_queue_failed', ...failure(error) }, 'the queue of jobs fails')
}

export function jobDone(log: Logger, fields: { job: string; tookMs: number }): void {
  log.info({ event: 'job_done', ...fields }, 'job done')
}

export function jobFailed(log: Logger, fields: { job: string; tookMs: number }, error: unknown): void {
  log.error({ event: 'job_failed', ...fields, ...failure(error) }, 'job failed')
}

/** What came of a batch of messages. */
export function notificationsHandled(log: Logger, fields: Readonly<Record<string, number>>): void {
  log.debug({ event: 'notifications_handled', ...fields }, 'notifications handled')
}

/** Messages were given up. */
export function notificationsDead(log: Logger, fields: { dead: number }): void {
  log.warn({ event: 'notifications_dead', ...fields }, 'notifications given up; mizan notification list --state dead')
}

/** The outbox cannot be read, or deliveries cannot be written down; it is tried again. */
export function notificationStoreFailed(log: Logger, fields: { where: string }, error: unknown): void {
  log.error({ event: 'notification_store_failed', ...fields, ...failure(error) }, 'notifications cannot be handled')
}
