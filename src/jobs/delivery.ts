import { setTimeout as sleep } from 'node:timers/promises'
import type { DeliveryOptions } from './delivery-options.ts'
import { Dispatcher } from './dispatcher.ts'
import { DEAD_QUEUE, DELIVERY_QUEUE, type DeliveryJob, type JobQueue, turnsOfJob } from './queue.ts'
import { Sender } from './sender.ts'

/** Delivery of notifications, running. */
export interface Delivery {
  /** Looks at the outbox now; resolves when what was there has been taken. */
  poll(): Promise<void>
  /** Stops after the messages that are on their way. Idempotent. */
  close(): Promise<void>
}

/** How often the outbox is looked at. */
const OUTBOX_EVERY_MS = 500
/** How often the queue is asked for messages; of new ones, and of what is tried again soon, the worker is told. */
const POLL_SECONDS = 0.5
const DEAD_POLL_SECONDS = 5
const SOON_MS = 5_000
/** Messages that are read at once, and their number in jobs. */
const MESSAGES_MAX = 100
const JOBS_MIN = 2
const DEAD_JOBS_MAX = 100
/** A process that dies holds its messages this long, at least. */
const EXPIRE_SECONDS = 300
const HEARTBEAT_SECONDS = 20
/** Times that a message may cost a process its life, or its database, before it is given up. */
const CRASHES_MAX = 20
const CRASH_RETRY_SECONDS = 1
const CRASH_RETRY_MAX_SECONDS = 600
/** Done jobs are of no use: the row of the delivery says all. */
const KEEP_SECONDS = 3_600
const RETENTION_SECONDS = 60 * 86_400

/** Starts delivery: the outbox is taken into the queue, and messages of the queue are sent. */
export async function startDelivery(options: DeliveryOptions, boss: JobQueue): Promise<Delivery> {
  await createQueues(boss)
  const stopping = new AbortController()
  const dispatcher = new Dispatcher(options, boss)
  const alarm = new Alarm(() => boss.notifyWorker(worker))
  const sender = new Sender(options, boss, (waitMs) => {
    if (waitMs <= SOON_MS) alarm.ringIn(waitMs)
  })
  const workOptions = {
    batchSize: jobsAtOnce(options.rules.ratePerSecond),
    pollingIntervalSeconds: POLL_SECONDS,
    burstWhenBatchFull: true,
  }
  const worker = await boss.work<DeliveryJob>(DELIVERY_QUEUE, workOptions, async (jobs) => {
    await sender.handle(
      jobs.map(({ data }) => data),
      stopping.signal,
    )
    // What a stop left undone is brought again.
    if (stopping.signal.aborted) throw new Error('the switch stops')
  })
  await boss.work<DeliveryJob>(
    DEAD_QUEUE,
    { batchSize: DEAD_JOBS_MAX, pollingIntervalSeconds: DEAD_POLL_SECONDS },
    (jobs) => sender.bury(jobs.map(({ data }) => data)),
  )
  let looking: Promise<void> = Promise.resolve()
  const poll = () => {
    looking = looking.then(async () => {
      if (stopping.signal.aborted) return
      if ((await dispatcher.run(stopping.signal)) > 0) boss.notifyWorker(worker)
    })
    return looking
  }
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      await poll()
      await sleep(OUTBOX_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  })()
  return {
    poll,
    async close() {
      stopping.abort()
      alarm.stop()
      await loop
      await boss.offWork(DELIVERY_QUEUE, { wait: true })
      await boss.offWork(DEAD_QUEUE, { wait: true })
      await dispatcher.close()
      await sender.close()
      await options.adapter?.close()
    },
  }
}

/** Jobs that hold about as many messages as go in a second. */
function jobsAtOnce(ratePerSecond: number): number {
  const messages = Math.min(MESSAGES_MAX, ratePerSecond)
  return Math.max(JOBS_MIN, Math.ceil(messages / turnsOfJob(ratePerSecond)))
}

/** Queues that exist keep their settings; these are brought up to date. */
export async function createQueues(boss: JobQueue): Promise<void> {
  await boss.createQueue(DEAD_QUEUE)
  const settings = {
    retryLimit: CRASHES_MAX,
    retryDelay: CRASH_RETRY_SECONDS,
    retryBackoff: true,
    retryDelayMax: CRASH_RETRY_MAX_SECONDS,
    expireInSeconds: EXPIRE_SECONDS,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    deleteAfterSeconds: KEEP_SECONDS,
    retentionSeconds: RETENTION_SECONDS,
    deadLetter: DEAD_QUEUE,
  }
  await boss.createQueue(DELIVERY_QUEUE, settings)
  await boss.updateQueue(DELIVERY_QUEUE, settings)
}

/** Rings once at the earliest of the times that it was given. */
class Alarm {
  readonly #ring: () => void
  #timer: NodeJS.Timeout | undefined
  #atMs = Number.POSITIVE_INFINITY

  constructor(ring: () => void) {
    this.#ring = ring
  }

  ringIn(waitMs: number): void {
    const atMs = performance.now() + waitMs
    if (atMs >= this.#atMs) return
    this.stop()
    this.#atMs = atMs
    this.#timer = setTimeout(() => {
      this.#atMs = Number.POSITIVE_INFINITY
      this.#ring()
    }, waitMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#atMs = Number.POSITIVE_INFINITY
  }
}
