import type { Client } from './connection.ts'
import { JOB_SCHEMA } from './job-schema.ts'

/** A run of a scheduled job. */
export interface JobRun {
  readonly job: string
  readonly triggeredBy: string
  readonly startedAtMs: number
  /** Undefined while it runs, or when it was cut off. */
  readonly end: { readonly atMs: number; readonly done: boolean; readonly detail: string } | undefined
}

interface Row {
  readonly job: string
  readonly triggered_by: string
  readonly started_at: Date
  readonly ended_at: Date | null
  readonly outcome: 'done' | 'failed' | null
  readonly detail: string | null
}

const DETAIL_MAX = 500
const columns = 'job, triggered_by, started_at, ended_at, outcome, detail'

/** Writes down that a run begins. @returns its id */
export async function beginRun(client: Client, job: string, ticket: string, triggeredBy: string): Promise<number> {
  const { rows } = await client.query<{ id: string }>(
    'insert into job_run (job, ticket, triggered_by) values ($1, $2, $3) returning id',
    [job, ticket, triggeredBy],
  )
  return Number(rows[0]?.id)
}

/** Writes down how a run ended. */
export async function endRun(client: Client, id: number, done: boolean, detail: string): Promise<void> {
  await client.query('update job_run set ended_at = clock_timestamp(), outcome = $2, detail = $3 where id = $1', [
    id,
    done ? 'done' : 'failed',
    detail.slice(0, DETAIL_MAX),
  ])
}

/** The last run of each job that ever ran, by name. */
export async function lastRuns(client: Client): Promise<Map<string, JobRun>> {
  const { rows } = await client.query<Row>(
    `with recursive names(job) as (
       (select job from job_run order by job limit 1)
       union all
       select (select r.job from job_run r where r.job > names.job order by r.job limit 1) from names where names.job is not null
     )
     select r.* from names cross join lateral (
       select ${columns} from job_run where job_run.job = names.job order by id desc limit 1) r`,
  )
  return new Map(rows.map((row) => [row.job, runOf(row)]))
}

/** The newest run under a ticket of the queue. */
export async function runOfTicket(client: Client, ticket: string): Promise<JobRun | undefined> {
  const { rows } = await client.query<Row>(
    `select ${columns} from job_run where ticket = $1 order by id desc limit 1`,
    [ticket],
  )
  const [row] = rows
  return row === undefined ? undefined : runOf(row)
}

/**
 * Whether a queue that holds one job at a time holds one that waits or runs. A run has ended some moments before its
 * job is taken off the queue: that one is none.
 */
export async function isQueueTaken(client: Client, queue: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from ${JOB_SCHEMA}.job j
     where j.name = $1 and j.state in ('created', 'retry', 'active')
       and not (j.state = 'active'
                and (select r.ended_at from job_run r where r.ticket = j.id order by r.id desc limit 1) is not null)`,
    [queue],
  )
  return rowCount !== 0
}

function runOf(row: Row): JobRun {
  const { ended_at: endedAt, outcome, detail } = row
  return {
    job: row.job,
    triggeredBy: row.triggered_by,
    startedAtMs: row.started_at.getTime(),
    end: endedAt === null ? undefined : { atMs: endedAt.getTime(), done: outcome === 'done', detail: detail ?? '' },
  }
}
