import { randomUUID } from 'node:crypto'
import { describeError, MizanError } from '../errors.ts'
import type { Client } from '../store/connection.ts'
import { beginRun, endRun, isQueueTaken, type JobRun, lastRuns, runOfTicket } from '../store/job-runs.ts'
import { type KeptConnection, keptConnection } from '../store/kept-connection.ts'
import type { Enqueue } from '../store/notification-reader.ts'
import * as events from '../telemetry/job-events.ts'
import type { Logger } from '../telemetry/logger.ts'
import { closeQueue, enqueueDeliveries, type JobQueue, openQueue } from './queue.ts'

/** What runs at its times, once however many processes there are. */
export interface NamedJob {
  /** Lower case, digits and hyphens, up to 48 characters. */
  readonly name: string
  /** Five fields, Cairo time: `30 3 * * *`. */
  readonly cron: string
  /** What it does, for whoever lists the jobs. */
  readonly description: string
  /**
   * Does the work. It must bear being cut off and begun again.
   * @param signal is aborted when the switch stops
   * @returns what came of it in words; kept with the run
   */
  run(signal: AbortSignal): Promise<string>
}

/** Jobs that this process runs at their times. */
export interface Scheduler {
  /** Stops taking jobs and waits for what runs. */
  close(): Promise<void>
}

/** A job as people see it. */
export interface ScheduledJob {
  readonly name: string
  readonly cron: string
  readonly description: string
  readonly last: JobRun | undefined
}

interface Ticket {
  readonly triggeredBy?: string
  readonly description?: string
}

const TIME_ZONE = 'Africa/Cairo'
const PREFIX = 'job.'
const NAME = /^[a-z][a-z0-9-]{1,47}$/
/** A run whose process dies is begun again after this time. */
const HEARTBEAT_SECONDS = 30
const LONGEST_RUN_SECONDS = 12 * 3_600
const RETRIES = 3
const RETRY_SECONDS = 60
const WAIT_POLL_MS = 100
/** A job is taken off the queue so soon after its run has ended, unless its process died in between. */
const TAKEN_OFF_MS = 5_000
const TAKEN_OFF_POLL_MS = 10

/**
 * Takes jobs over: each has a queue of its own that holds one run at most, whoever triggers it. A time that passed
 * while no process ran is made up for once. What was scheduled before and is no more is taken off.
 * @param ended told of each run that ended, and whether the job was done
 */
export async function startScheduler(
  boss: JobQueue,
  url: string,
  jobs: readonly NamedJob[],
  log: Logger,
  ended: (job: string, isDone: boolean) => void,
): Promise<Scheduler> {
  const stopping = new AbortController()
  const connection = keptConnection({ url, name: 'mizan job runs', role: 'mizan_app', queryTimeoutMs: 10_000 })
  const known = new Set(jobs.map(({ name }) => queueOf(name)))
  for (const { name } of await boss.getSchedules()) {
    if (name.startsWith(PREFIX) && !known.has(name)) await boss.unschedule(name)
  }
  for (const job of jobs) {
    const queue = queueOf(job.name)
    const options = {
      retryLimit: RETRIES,
      retryDelay: RETRY_SECONDS,
      retryBackoff: true,
      expireInSeconds: LONGEST_RUN_SECONDS,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      // Whoever triggers a job need not wait for the next look.
      notify: true,
    }
    await boss.createQueue(queue, { policy: 'exclusive', ...options })
    const { description } = job
    await boss.schedule(queue, job.cron, { description }, { tz: TIME_ZONE, missed: 'once' })
    await boss.work<Ticket>(queue, async ([one]) => {
      if (one === undefined) return
      const signal = AbortSignal.any([stopping.signal, one.signal])
      const from = { id: one.id, triggeredBy: one.data?.triggeredBy ?? 'schedule' }
      await runJob(job, from, signal, connection, log).then(
        () => ended(job.name, true),
        (error: unknown) => {
          // What a stop cut off is begun again by the next process.
          if (!stopping.signal.aborted) ended(job.name, false)
          throw error
        },
      )
    })
  }
  return {
    async close() {
      stopping.abort()
      for (const { name } of jobs) await boss.offWork(queueOf(name), { wait: true })
      await connection.close()
    },
  }
}

async function runJob(
  job: NamedJob,
  ticket: { readonly id: string; readonly triggeredBy: string },
  signal: AbortSignal,
  connection: KeptConnection,
  log: Logger,
): Promise<void> {
  const startedMs = performance.now()
  const run = await connection.use((client) => beginRun(client, job.name, ticket.id, ticket.triggeredBy))
  try {
    const detail = await job.run(signal)
    await connection.use((client) => endRun(client, run, true, detail))
    events.jobDone(log, { job: job.name, tookMs: Math.round(performance.now() - startedMs) })
  } catch (error) {
    events.jobFailed(log, { job: job.name, tookMs: Math.round(performance.now() - startedMs) }, error)
    await connection.use((client) => endRun(client, run, false, describeError(error)))
    // The queue repeats it after a while, a few times.
    throw error
  }
}

/** The jobs of an installation with their last runs, by name. */
export async function listJobs(client: Client, boss: JobQueue): Promise<ScheduledJob[]> {
  const runs = await lastRuns(client)
  const schedules = await boss.getSchedules()
  return schedules
    .filter(({ name }) => name.startsWith(PREFIX))
    .map(({ name, cron, data }) => {
      const job = name.slice(PREFIX.length)
      return { name: job, cron, description: (data as Ticket | null)?.description ?? '', last: runs.get(job) }
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * Triggers a job now; the switch that runs jobs carries it out.
 * @param waitMs how long to wait for its end
 * @returns the run; undefined when it has not ended by then
 * @throws MizanError NOT_FOUND when there is no such job; BAD_INPUT when it runs or waits already
 */
export async function triggerJob(
  client: Client,
  boss: JobQueue,
  name: string,
  triggeredBy: string,
  waitMs: number,
): Promise<JobRun | undefined> {
  const queue = queueOf(name)
  if (!NAME.test(name) || (await boss.getSchedules(queue)).length === 0) {
    throw new MizanError('NOT_FOUND', `there is no job ${name}; mizan job list names them`)
  }
  const ticket = await takeTicket(client, boss, queue, triggeredBy)
  if (ticket === undefined) throw new MizanError('BAD_INPUT', `job ${name} runs already, or waits to run`)
  const deadline = performance.now() + waitMs
  for (;;) {
    const run = await runOfTicket(client, ticket)
    if (run?.end !== undefined || performance.now() >= deadline) return run?.end === undefined ? undefined : run
    await new Promise((resolve) => setTimeout(resolve, WAIT_POLL_MS))
  }
}

/**
 * A run that has just ended is still in the way until its job is taken off the queue.
 * @returns undefined when it is taken
 */
async function takeTicket(
  client: Client,
  boss: JobQueue,
  queue: string,
  triggeredBy: string,
): Promise<string | undefined> {
  const deadline = performance.now() + TAKEN_OFF_MS
  for (;;) {
    const ticket = await boss.send(queue, { triggeredBy }, { id: randomUUID() })
    if (ticket !== null) return ticket
    if (performance.now() >= deadline || (await isQueueTaken(client, queue))) return undefined
    await new Promise((resolve) => setTimeout(resolve, TAKEN_OFF_POLL_MS))
  }
}

/**
 * Opens the queue for a command: it adds and reads jobs, and runs none.
 * @throws MizanError NOT_FOUND when no switch has run jobs in this database yet
 */
export async function withQueue<T>(url: string, work: (boss: JobQueue) => Promise<T>): Promise<T> {
  const boss = await openQueue({ url, works: false, onError: () => undefined }).catch((cause: unknown) => {
    if (!/not installed/.test(describeError(cause))) throw cause
    throw new MizanError(
      'NOT_FOUND',
      'no switch has run jobs here yet; mizan start does, unless jobs.enabled is false',
      {
        cause,
      },
    )
  })
  try {
    return await work(boss)
  } finally {
    await closeQueue(boss)
  }
}

/**
 * Makes the jobs of single messages, by a queue that is opened for them.
 * @throws MizanError NOT_FOUND where no switch has run jobs
 */
export function enqueueAt(url: string): Enqueue {
  return (turns, port) => withQueue(url, (boss) => enqueueDeliveries(boss, turns, port, 1))
}

function queueOf(job: string): string {
  return `${PREFIX}${job}`
}
