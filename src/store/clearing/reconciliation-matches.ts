import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../connection.ts'
import { withoutLoops } from './reconciliation-work.ts'

/**
 * Rows that are written at once: some twenty megabytes of journal, which a disk takes between two commits of the
 * writer.
 */
const PART_ROWS = 100_000
/** Between two parts, for the commits of others. */
const REST_MS = 20
/** Percent of the pages that are looked at to find where the parts begin. */
const SAMPLE_PERCENT = 1

/** The dates of a run have their places. Outside of its transaction: what it locks is free again at once. */
export async function prepareMatches(client: Client): Promise<void> {
  await client.query('select prepare_reconciliation_matches(array(select distinct business_date from judged_date))')
}

/**
 * Brings the matches that stand in line with those found, part by part in the order of their index: the same inputs
 * leave every row as it is. Run it in a transaction, and nobody sees half of it.
 * @param partRows rows of a part, more or less
 * @returns how many stand for the dates that were compared
 */
export async function mergeMatches(
  client: Client,
  runId: number,
  { partRows = PART_ROWS, signal }: { readonly partRows?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<{ total: number; added: number; removed: number }> {
  await client.query('create index if not exists found_match_authorization on found_match (authorization_id)')
  await client.query('analyze found_match')
  // Only matches of the dates that were compared are looked at: those of all days before are many more.
  const { rows } = await client.query<{ dates: string[] | null; n: string }>(
    `select (select array_agg(distinct business_date)::text[] from judged_date) as dates, (select count(*) from found_match) as n`,
  )
  const [{ dates, n } = { dates: null, n: '0' }] = rows
  const starts = Number(n) <= partRows ? [] : await partStarts(client, partRows)
  let added = 0
  let removed = 0
  for (const [index, to] of [...starts, undefined].entries()) {
    signal?.throwIfAborted()
    const part = { runId, dates: dates ?? [], from: index === 0 ? undefined : starts[index - 1], to }
    const changed = await withoutLoops(client, () => mergePart(client, part))
    added += changed.added
    removed += changed.removed
    if (to !== undefined) await sleep(REST_MS)
  }
  return { total: Number(n), added, removed }
}

/** Authorizations with which all parts but the first begin; parts are of about the same size. */
async function partStarts(client: Client, partRows: number): Promise<string[]> {
  const { rows } = await client.query<{ start: string }>(
    `select distinct authorization_id as start
     from (select authorization_id, row_number() over (order by authorization_id) as n
           from found_match tablesample system (${SAMPLE_PERCENT}) repeatable (1)) s
     where n % $1::bigint = 0 order by 1`,
    [Math.max(1, Math.round((partRows * SAMPLE_PERCENT) / 100))],
  )
  return rows.map(({ start }) => start)
}

interface Part {
  readonly runId: number
  readonly dates: readonly string[]
  /** Authorizations from this one on; undefined: from the first. */
  readonly from: string | undefined
  /** To before this one; undefined: to the last. */
  readonly to: string | undefined
}

async function mergePart(client: Client, { runId, dates, from, to }: Part) {
  const bounds = [from ?? String(-(2n ** 63n)), to ?? String(2n ** 63n - 1n)]
  const isIn = (row: string, first: number) =>
    `${row}.authorization_id >= $${first}::bigint and ${row}.authorization_id ${to === undefined ? '<=' : '<'} $${first + 1}::bigint`
  const isSame = `f.business_date = m.business_date and f.file_id = m.file_id and f.item = m.item
    and f.authorization_id = m.authorization_id and f.instruction_id = m.instruction_id
    and f.statement_id = m.statement_id and f.entry = m.entry`
  const removed = await client.query(
    `delete from reconciliation_match m using reconciliation_rule r, judged_date j
     where r.number = m.rule and j.level = r.level and j.business_date = m.business_date and m.business_date = any ($1::date[])
       and ${isIn('m', 2)}
       and not exists (
         select from found_match f
         where ${isIn('f', 2)} and ${isSame} and f.rule = m.rule and f.amount_piasters = m.amount_piasters)`,
    [dates, ...bounds],
  )
  const added = await client.query(
    `insert into reconciliation_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry,
       amount_piasters, run_id)
     select distinct on (f.authorization_id, f.instruction_id, f.file_id, f.item, f.statement_id, f.entry, f.business_date)
            f.business_date, f.rule, f.authorization_id, f.file_id, f.item, f.instruction_id, f.statement_id, f.entry,
            f.amount_piasters, $1::bigint
     from found_match f
     where ${isIn('f', 3)} and not exists (
       select from reconciliation_match m where m.business_date = any ($2::date[]) and ${isIn('m', 3)} and ${isSame})
     order by f.authorization_id, f.instruction_id, f.file_id, f.item, f.statement_id, f.entry, f.business_date, f.rule`,
    [runId, dates, ...bounds],
  )
  return { removed: removed.rowCount ?? 0, added: added.rowCount ?? 0 }
}

/**
 * Drops the matches of dates that ended before a day and hold nothing open; runs and exceptions stay. A date whose
 * matches somebody reads for long is left for another time.
 * @returns the dates that were dropped, and how many were left because somebody reads
 */
export async function dropMatches(
  client: Client,
  before: string,
  signal?: AbortSignal,
): Promise<{ readonly dropped: readonly string[]; readonly busy: number }> {
  const { rows } = await client.query<{ day: string }>(
    'select d::text as day from reconciliation_match_dates_done($1) d',
    [before],
  )
  const dropped: string[] = []
  let busy = 0
  for (const { day } of rows) {
    if (signal?.aborted === true) break
    try {
      await client.query('select drop_reconciliation_matches($1, $2)', [day, before])
      dropped.push(day)
    } catch (error) {
      if (!isLocked(error)) throw error
      busy += 1
    }
  }
  return { dropped, busy }
}

/** Whether a lock could not be had in time (SQLSTATE 55P03). */
function isLocked(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '55P03'
}
