import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'

/** A run by its business date and cycle. */
export interface RunKey {
  readonly businessDate: CivilDate
  readonly cycle: number
}

export type RunState = 'computed' | 'posted' | 'written' | 'released'

/** A run of settlement. */
export interface SettlementRun extends RunKey {
  readonly coversFrom: CivilDate
  readonly valueDate: CivilDate
  readonly state: RunState
  readonly totals: Readonly<Record<string, unknown>>
  readonly releasedBy: string | undefined
}

interface RunRow {
  readonly business_date: string
  readonly cycle: number
  readonly covers_from: string
  readonly value_date: string
  readonly state: RunState
  readonly totals: Record<string, unknown>
  readonly released_by: string | null
}

const runColumns = 'business_date, cycle, covers_from, value_date, state, totals, released_by'

/** Keys of a run as parameters. */
export const keyOf = ({ businessDate, cycle }: RunKey): [string, number] => [formatDate(businessDate), cycle]

/** Lets one run of the installation be made at a time; until the transaction ends. */
export async function lockSettlement(client: Queryable): Promise<void> {
  await client.query("select pg_advisory_xact_lock(hashtext('mizan settlement'))")
}

/** A run, if it was made. */
export async function findRun(client: Queryable, key: RunKey): Promise<SettlementRun | undefined> {
  const { rows } = await client.query<RunRow>(
    `select ${runColumns} from settlement_run where business_date = $1 and cycle = $2`,
    keyOf(key),
  )
  return rows[0] === undefined ? undefined : runOf(rows[0])
}

/** The run of a later date that covers a date which has none of its own. */
export async function findLaterRun(client: Queryable, businessDate: CivilDate): Promise<SettlementRun | undefined> {
  const { rows } = await client.query<RunRow>(
    `select ${runColumns} from settlement_run where covers_from <= $1 and business_date > $1 and cycle = 1
       and not exists (select from settlement_run own where own.business_date = $1)`,
    [formatDate(businessDate)],
  )
  return rows[0] === undefined ? undefined : runOf(rows[0])
}

/** The last runs, the newest first. */
export async function listRuns(client: Queryable, limit: number): Promise<SettlementRun[]> {
  const { rows } = await client.query<RunRow>(
    `select ${runColumns} from settlement_run order by business_date desc, cycle desc limit $1`,
    [limit],
  )
  return rows.map(runOf)
}

/** Notes a run that is about to be computed. */
export async function addRun(
  client: Queryable,
  run: RunKey & { readonly coversFrom: CivilDate; readonly valueDate: CivilDate },
): Promise<void> {
  await client.query(
    `insert into settlement_run (business_date, cycle, covers_from, value_date, state) values ($1, $2, $3, $4, 'computed')`,
    [...keyOf(run), formatDate(run.coversFrom), formatDate(run.valueDate)],
  )
}

/** Moves a run to its next state; one that is there or further stays. */
export async function advanceRun(client: Queryable, key: RunKey, from: RunState, to: RunState): Promise<void> {
  await client.query('update settlement_run set state = $4 where business_date = $1 and cycle = $2 and state = $3', [
    ...keyOf(key),
    from,
    to,
  ])
}

/** Notes what a run came to, once. */
export async function noteTotals(
  client: Queryable,
  key: RunKey,
  totals: Readonly<Record<string, unknown>>,
): Promise<void> {
  await client.query('update settlement_run set totals = $3 where business_date = $1 and cycle = $2', [
    ...keyOf(key),
    JSON.stringify(totals),
  ])
}

function runOf(row: RunRow): SettlementRun {
  return {
    businessDate: parseDate(row.business_date),
    cycle: row.cycle,
    coversFrom: parseDate(row.covers_from),
    valueDate: parseDate(row.value_date),
    state: row.state,
    totals: row.totals,
    releasedBy: row.released_by ?? undefined,
  }
}
