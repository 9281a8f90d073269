import { setTimeout as sleep } from 'node:timers/promises'
import { prepareJobSchema } from '../store/job-schema.ts'
import * as events from '../telemetry/job-events.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type Delivery, startDelivery } from './delivery.ts'
import type { DeliveryOptions } from './delivery-options.ts'
import { notificationPurgeJob } from './purge-job.ts'
import { closeQueue, type JobQueue, openQueue } from './queue.ts'
import { type NamedJob, type Scheduler, startScheduler } from './scheduler.ts'

/** What runs beside the lanes. */
export interface JobsOptions {
  readonly url: string
  readonly jobs: readonly NamedJob[]
  readonly delivery: DeliveryOptions
  readonly log: Logger
}

/** Jobs and delivery, starting or running. */
export interface Jobs {
  /** Resolves when jobs run. */
  readonly ready: Promise<void>
  /** Looks at the outbox now. */
  poll(): Promise<void>
  /** Stops after what is under way. Idempotent. */
  close(): Promise<void>
}

interface Running {
  readonly boss: JobQueue
  readonly scheduler: Scheduler
  readonly delivery: Delivery
}

const RETRY_MS = 5_000
/** Each worker of the queue says that the database is away each time it looks. */
const ERROR_EVERY_MS = 30_000

/**
 * Starts jobs and delivery without anybody waiting for them: the switch answers whether they run or not, and what keeps
 * them from running is tried again.
 */
export function startJobs(options: JobsOptions): Jobs {
  const stopping = new AbortController()
  let running: Running | undefined
  const starting = (async () => {
    while (!stopping.signal.aborted) {
      try {
        running = await open(options)
        const adapter = options.delivery.adapter?.name ?? 'none'
        events.jobsStarted(options.log, { jobs: options.jobs.length, notifications: adapter })
        return
      } catch (error) {
        events.jobQueueFailed(options.log, error)
        await sleep(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
      }
    }
  })()
  let closing: Promise<void> | undefined
  return {
    ready: starting,
    async poll() {
      await running?.delivery.poll()
    },
    close() {
      stopping.abort()
      closing ??= starting.then(() => (running === undefined ? undefined : shut(running)))
      return closing
    },
  }
}

async function open({ url, jobs, delivery: deliveryOptions, log }: JobsOptions): Promise<Running> {
  await prepareJobSchema(url)
  const boss = await openQueue({ url, works: true, onError: saidRarely((error) => events.jobQueueFailed(log, error)) })
  try {
    const purge = notificationPurgeJob({ ...deliveryOptions, keepDays: deliveryOptions.rules.keepDays })
    const { jobFailing } = deliveryOptions.metrics
    const ended = (job: string, isDone: boolean) => jobFailing.set({ job }, isDone ? 0 : 1)
    const scheduler = await startScheduler(boss, url, [...jobs, purge], log, ended)
    const delivery = await startDelivery(deliveryOptions, boss)
    return { boss, scheduler, delivery }
  } catch (error) {
    await closeQueue(boss).catch(() => undefined)
    throw error
  }
}

async function shut({ boss, scheduler, delivery }: Running): Promise<void> {
  await delivery.close()
  await scheduler.close()
  await closeQueue(boss)
}

function saidRarely(say: (error: unknown) => void): (error: unknown) => void {
  let saidMs = Number.NEGATIVE_INFINITY
  return (error) => {
    if (performance.now() - saidMs < ERROR_EVERY_MS) return
    saidMs = performance.now()
    say(error)
  }
}
