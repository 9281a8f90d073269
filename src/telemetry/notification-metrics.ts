import { Gauge, type Registry } from 'prom-client'
import { FastCounter } from './counters.ts'

/** Metrics of notifications, and of the jobs beside them. */
export interface NotificationMetrics {
  readonly waiting: Gauge
  readonly oldestSeconds: Gauge
  /** By state: sent, failed, dead, suppressed. */
  readonly ended: FastCounter
  readonly retries: FastCounter
  /** By job: 1 from a run that failed until one that did not. */
  readonly jobFailing: Gauge<'job'>
}

/** Makes the metrics of notifications on a registry. */
export function createNotificationMetrics(registry: Registry): NotificationMetrics {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] })
  return {
    waiting: gauge(
      'mizan_notifications_waiting',
      'Messages that wait to be sent, up to the limit of the configuration',
    ),
    oldestSeconds: gauge('mizan_notifications_oldest_seconds', 'Age of the oldest message that waits'),
    ended: new FastCounter(registry, 'mizan_notifications_total', 'Messages by what became of them', ['state']),
    retries: new FastCounter(registry, 'mizan_notification_retries_total', 'Messages put off or tried again'),
    jobFailing: new Gauge({
      name: 'mizan_job_failing',
      help: 'Whether the last run of a job failed: 1 it did, 0 it did not',
      labelNames: ['job'],
      registers: [registry],
    }),
  }
}
