import { MizanError, TurnTaken } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'
import type { Client } from '../connection.ts'
import type { LevelCounts } from './reconciliation-work.ts'

/** A run of the reconciliation of a business date. */
export interface ReconciliationRun {
  readonly id: number
  readonly businessDate: string
  readonly startedAtMs: number
  readonly endedAtMs: number | undefined
  readonly requestedBy: string
  readonly state: 'running' | 'done' | 'failed'
  readonly levels: Readonly<Record<string, LevelCounts>>
  readonly matched: number
  /** Breaks that it found, whether they were known or not. */
  readonly found: number
  readonly opened: number
  readonly resolved: number
  /** Exceptions that were open when it ended, of all dates. */
  readonly openAfter: number
  readonly valueAtRiskPiasters: number
  readonly words: string | undefined
}

/** How a run ended. */
export interface RunEnd {
  readonly state: 'done' | 'failed'
  readonly levels: Readonly<Record<string, LevelCounts>>
  readonly matched: number
  readonly found: number
  readonly opened: number
  readonly resolved: number
  readonly words: string
}

interface Row {
  readonly id: string
  readonly business_date: string
  readonly started_at: Date
  readonly ended_at: Date | null
  readonly requested_by: string
  readonly state: ReconciliationRun['state']
  readonly levels: Record<string, LevelCounts>
  readonly matched: string
  readonly found: string
  readonly opened: string
  readonly resolved: string
  readonly open_after: string
  readonly value_at_risk_piasters: string
  readonly words: string | null
}

const LOCK = "hashtext('mizan reconciliation')"

/**
 * Lets one run go on at a time, until the connection ends or {@link endTurn}.
 * @throws TurnTaken when another run is under way
 */
export async function takeTurn(client: Client): Promise<void> {
  const { rows } = await client.query<{ taken: boolean }>(`select pg_try_advisory_lock(${LOCK}) as taken`)
  if (rows[0]?.taken !== true) {
    throw new TurnTaken('a reconciliation runs already; mizan reconcile show tells how far it is')
  }
}

/** Ends the turn that {@link takeTurn} took. */
export async function endTurn(client: Client): Promise<void> {
  await client.query(`select pg_advisory_unlock(${LOCK})`)
}

/** Notes that a run has begun; one that a dead process left behind is noted as failed. */
export async function beginRun(
  client: Client,
  {
    businessDate,
    requestedBy,
    now,
  }: { readonly businessDate: string; readonly requestedBy: string; readonly now: Date },
): Promise<number> {
  await client.query(
    `update reconciliation_run set state = 'failed', ended_at = $1, words = 'it was cut off' where state = 'running'`,
    [now],
  )
  const { rows } = await client.query<{ id: string }>(
    `insert into reconciliation_run (business_date, started_at, requested_by) values ($1, $2, $3) returning id`,
    [businessDate, now, requestedBy],
  )
  return Number(rows[0]?.id)
}

/** Notes how a run ended, and what is open now. */
export async function endRun(client: Client, id: number, end: RunEnd, now: Date): Promise<ReconciliationRun> {
  const { rows } = await client.query<Row>(
    `update reconciliation_run r set state = $2, ended_at = $3, levels = $4, matched = $5, found = $6, opened = $7,
       resolved = $8, words = left($9, 500), open_after = o.n, value_at_risk_piasters = o.piasters
     from (select count(*) as n, coalesce(sum(value_at_risk_piasters), 0) as piasters from reconciliation_exception
           where state in ('open', 'assigned', 'waiting')) o
     where r.id = $1 returning r.*`,
    [id, end.state, now, JSON.stringify(end.levels), end.matched, end.found, end.opened, end.resolved, end.words],
  )
  return runOf(rows[0] as Row)
}

/** Runs, the newest first. */
export async function listRuns(
  client: Queryable,
  filter: {
    readonly businessDate?: string | undefined
    readonly beforeId?: number | undefined
    readonly limit: number
  },
): Promise<ReconciliationRun[]> {
  const { rows } = await client.query<Row>(
    `select * from reconciliation_run
     where ($1::date is null or business_date = $1) and ($2::bigint is null or id < $2) order by id desc limit $3`,
    [filter.businessDate ?? null, filter.beforeId ?? null, filter.limit],
  )
  return rows.map(runOf)
}

/** @throws MizanError NOT_FOUND */
export async function readRun(client: Queryable, id: number): Promise<ReconciliationRun> {
  const { rows } = await client.query<Row>('select * from reconciliation_run where id = $1', [id])
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no reconciliation run ${id}`)
  return runOf(row)
}

function runOf(row: Row): ReconciliationRun {
  return {
    id: Number(row.id),
    businessDate: row.business_date,
    startedAtMs: row.started_at.getTime(),
    endedAtMs: row.ended_at?.getTime(),
    requestedBy: row.requested_by,
    state: row.state,
    levels: row.levels,
    matched: Number(row.matched),
    found: Number(row.found),
    opened: Number(row.opened),
    resolved: Number(row.resolved),
    openAfter: Number(row.open_after),
    valueAtRiskPiasters: Number(row.value_at_risk_piasters),
    words: row.words ?? undefined,
  }
}
