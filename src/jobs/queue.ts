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

/** A message of its turn; `atMs` absent = now. */
export interface DeliveryJob extends DeliveryTurn {
  readonly important?: boolean
  readonly waitMs?: number
}

/** Adds the jobs of messages, through the transaction that says that they wait. */
export async function enqueueDeliveries(
  boss: JobQueue,
  jobs: readonly DeliveryJob[],
  port: TransactionPort,
): Promise<void> {
  const inserts = jobs.map(
    ({ id, turn, important, waitMs }): JobInsert<DeliveryTurn> => ({
      data: { id, turn },
      priority: important === true ? 1 : 0,
      // The queue goes by the machine's clock, whatever clock dates decisions.
      ...(waitMs === undefined || waitMs <= 0 ? {} : { startAfter: new Date(Date.now() + waitMs) }),
    }),
  )
  await boss.insert(DELIVERY_QUEUE, inserts, { db: port as Db })
}
