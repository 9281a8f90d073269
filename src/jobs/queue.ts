import type { Db, JobInsert, PgBoss } from 'pg-boss'
import { JOB_SCHEMA } from '../store/job-schema.ts'
import type { DeliveryTurn } from '../store/notification-delivery.ts'
import type { TransactionPort } from '../store/notification-outbox.ts'
import { poolTarget } from '../store/primary.ts'

/** The queue of jobs, open. */
export type JobQueue = PgBoss

/** Messages that wait for their turn, and those whose job was given up. */
export const DELIVERY_QUEUE = 'notification.delivery'
export const DEAD_QUEUE = 'notification.dead'

/** How a queue is opened. */
export interface QueueOptions {
  readonly url: string
  /** Whether this process also keeps the queue in order and triggers what is due; a command only adds jobs. */
  readonly works: boolean
  readonly onError: (error: unknown) => void
}

/** Few connections, and one that listens, of a role that cannot change tables: the lanes come first. */
const CONNECTIONS = 3
const STATEMENT_TIMEOUT_MS = 30_000
const STOP_MS = 10_000

/**
 * Opens the queue. Its schema must be there ({@link prepareJobSchema}).
 * @throws whatever keeps the database from being reached
 */
export async function openQueue({ url, works, onError }: QueueOptions): Promise<JobQueue> {
  // Loaded by whoever opens a queue: it costs every start and every command a tenth of a second.
  const queue = await import('pg-boss')
  const boss = new queue.PgBoss({
    ...poolTarget(url),
    application_name: 'mizan jobs',
    options: `-c role=mizan_app -c jit=off -c statement_timeout=${STATEMENT_TIMEOUT_MS}`,
    schema: JOB_SCHEMA,
    max: works ? CONNECTIONS : 1,
    migrate: false,
    createSchema: false,
    schedule: works,
    supervise: works,
    useListenNotify: works,
    // Both are for the owner of the tables.
    reindex: false,
    monitorVacuum: false,
  })
  boss.on('error', onError)
  await boss.start()
  return boss
}

/** Closes the queue after the jobs under way, or a few seconds. Idempotent. */
export async function closeQueue(boss: JobQueue): Promise<void> {
  await boss.stop({ graceful: true, timeout: STOP_MS })
}

/** What a job carries: messages of their turns that go at the same time. */
export interface DeliveryJob {
  readonly turns: readonly DeliveryTurn[]
}

/** A message that waits for its turn; `waitMs` absent = it goes now. */
export interface WaitingTurn extends DeliveryTurn {
  readonly important?: boolean
  readonly waitMs?: number
}

/** Messages of a job, at most: each job costs the database some ten times what a message in one does. */
const TURNS_MAX = 25
/** From here on waits are rounded up to whole seconds, so that what failed together goes together. */
const PRECISE_MS = 5_000

/**
 * How many messages are put into one job. A job is kept to half a second of sending because it is not interrupted: an
 * important message that comes meanwhile waits until the job is done.
 * @param ratePerSecond messages that may be sent in a second
 */
export function turnsOfJob(ratePerSecond: number): number {
  return Math.min(TURNS_MAX, Math.max(1, Math.floor(ratePerSecond / 2)))
}

/** Adds the jobs of messages, so many in each, through the transaction that says that they wait. */
export async function enqueueDeliveries(
  boss: JobQueue,
  waiting: readonly WaitingTurn[],
  port: TransactionPort,
  turnsMax: number,
): Promise<void> {
  const together = Map.groupBy(waiting, ({ important, waitMs }) => `${important === true} ${roundedMs(waitMs)}`)
  // The queue goes by the machine's clock, whatever clock dates decisions.
  const nowMs = Date.now()
  const inserts: JobInsert<DeliveryJob>[] = []
  for (const group of together.values()) {
    const waitMs = roundedMs(group[0]?.waitMs)
    const when = waitMs === 0 ? {} : { startAfter: new Date(nowMs + waitMs) }
    const priority = group[0]?.important === true ? 1 : 0
    for (let from = 0; from < group.length; from += turnsMax) {
      const turns = group.slice(from, from + turnsMax).map(({ id, turn }) => ({ id, turn }))
      inserts.push({ data: { turns }, priority, ...when })
    }
  }
  await boss.insert(DELIVERY_QUEUE, inserts, { db: port as Db })
}

function roundedMs(waitMs = 0): number {
  return waitMs < PRECISE_MS ? Math.max(0, waitMs) : Math.ceil(waitMs / 1_000) * 1_000
}
