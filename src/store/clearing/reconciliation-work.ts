import type { Client } from '../connection.ts'

/** What a level of a run compared: rows by what they are, and matches by the rule that found them. */
export interface LevelCounts {
  readonly compared: Readonly<Record<string, number>>
  readonly matched: Readonly<Record<string, number>>
}

/** What the comparisons of a run are given. Dates are yyyy-mm-dd. */
export interface ReconciliationScope {
  readonly businessDate: string
  /** The date as of which money has to be there. */
  readonly asOf: string
  /** Business dates that are compared item by item: this one, and earlier ones with open exceptions. */
  readonly dates: readonly string[]
  /** How many days back unfinished business is looked for. */
  readonly lookBackDays: number
}

/** A kind of break, as far as the run needs it. */
export interface BreakScope {
  readonly name: string
  /** Owner of its accounts. */
  readonly number: number
  readonly level: string
  /**
   * By what a run judges it: `dates` = it is compared for business dates, and an exception of another date stays as it
   * is; `state` = how things stand now, whatever its date.
   */
  readonly judged: 'dates' | 'state'
}

/**
 * Makes the tables that a run collects in; they live as long as the connection. What was collected before is gone.
 * Comparisons insert into `found_match` and `found_break`.
 */
export async function prepareWork(client: Client, breaks: readonly BreakScope[]): Promise<void> {
  await client.query(`
    create temp table if not exists found_match (like reconciliation_match excluding constraints);
    alter table found_match drop column if exists run_id;
    create temp table if not exists found_break (
      break text not null, key text not null, business_date date not null, value_at_risk_piasters bigint not null,
      account bigint, difference_piasters bigint not null default 0, summary text not null, detail jsonb not null default '{}',
      primary key (break, key));
    create temp table if not exists judged_date (level text not null, business_date date not null, primary key (level, business_date));
    create temp table if not exists judged_break (
      name text primary key, number integer not null, level text not null, by_date boolean not null);
    truncate found_match, found_break, judged_date, judged_break`)
  await client.query(
    `insert into judged_break select x.name, x.number, x.level, x.judged = 'dates'
     from jsonb_to_recordset($1::jsonb) as x(name text, number integer, level text, judged text)`,
    [JSON.stringify(breaks)],
  )
}

/** Forgets the breaks found; the levels that come next are merged by themselves. */
export async function clearFound(client: Client): Promise<void> {
  await client.query('truncate found_break')
}

/** Notes for which business dates a level is compared. */
export async function judgeDates(client: Client, level: string, dates: readonly string[]): Promise<void> {
  await client.query(`insert into judged_date select $1, d from unnest($2::date[]) d on conflict do nothing`, [
    level,
    dates,
  ])
}

/** Business dates that have open exceptions of a level which a run judges by date, the oldest first. */
export async function datesWithOpenExceptions(
  client: Client,
  levels: readonly string[],
  { businessDate, lookBackDays }: Pick<ReconciliationScope, 'businessDate' | 'lookBackDays'>,
): Promise<string[]> {
  const { rows } = await client.query<{ business_date: string }>(
    `select distinct business_date from reconciliation_exception
     where state in ('open', 'assigned', 'waiting') and level = any ($1)
       and business_date < $2 and business_date >= $2::date - $3::integer
     order by 1`,
    [levels, businessDate, lookBackDays],
  )
  return rows.map((row) => row.business_date)
}

/** Counts of matches that a run found, by rule. */
export async function countMatches(client: Client): Promise<Record<string, number>> {
  const { rows } = await client.query<{ name: string; n: string }>(
    `select r.name, count(*) as n from found_match m join reconciliation_rule r on r.number = m.rule
     group by r.name, r.number order by r.number`,
  )
  return Object.fromEntries(rows.map(({ name, n }) => [name, Number(n)]))
}

/**
 * Brings the matches that stand in line with those found: the same inputs leave every row as it is.
 * @returns how many stand for the dates that were compared
 */
export async function mergeMatches(
  client: Client,
  runId: number,
): Promise<{ total: number; added: number; removed: number }> {
  await client.query('analyze found_match')
  // What stands may have grown since anybody counted it: a loop over a million rows is never the way.
  await client.query('set local enable_nestloop = off')
  const removed = await client.query(
    `delete from reconciliation_match m using reconciliation_rule r, judged_date j
     where r.number = m.rule and j.level = r.level and j.business_date = m.business_date
       and not exists (
         select from found_match f
         where f.business_date = m.business_date and f.file_id = m.file_id and f.item = m.item
           and f.authorization_id = m.authorization_id and f.instruction_id = m.instruction_id
           and f.statement_id = m.statement_id and f.entry = m.entry and f.rule = m.rule
           and f.amount_piasters = m.amount_piasters)`,
  )
  const added = await client.query(
    `insert into reconciliation_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry,
       amount_piasters, run_id)
     select f.business_date, f.rule, f.authorization_id, f.file_id, f.item, f.instruction_id, f.statement_id, f.entry,
            f.amount_piasters, $1
     from found_match f
     where not exists (
       select from reconciliation_match m
       where m.business_date = f.business_date and m.file_id = f.file_id and m.item = f.item
         and m.authorization_id = f.authorization_id and m.instruction_id = f.instruction_id
         and m.statement_id = f.statement_id and m.entry = f.entry)
     on conflict do nothing`,
    [runId],
  )
  await client.query('set local enable_nestloop = on')
  const { rows } = await client.query<{ n: string }>('select count(*) as n from found_match')
  return { total: Number(rows[0]?.n ?? 0), added: added.rowCount ?? 0, removed: removed.rowCount ?? 0 }
}

/** What a run did to exceptions. */
export interface MergedBreaks {
  readonly found: number
  readonly opened: number
  readonly reopened: number
  readonly resolved: number
}

/** Which exceptions are brought in line, and as of when. */
export interface MergeOptions {
  readonly runId: number
  readonly asOf: string
  readonly now: Date
  readonly levels: readonly string[]
}

/** Who closes an exception whose other side a run found. */
export const RUN_ACTOR = 'reconciliation'

/**
 * Brings exceptions in line with the breaks found: a new one is opened, one that a run had closed or that has another
 * amount now is opened again, one whose break is gone is resolved. What people closed stays closed while its amount is the
 * same.
 */
export async function mergeBreaks(client: Client, { runId, asOf, now, levels }: MergeOptions): Promise<MergedBreaks> {
  await client.query('analyze found_break')
  const found = await client.query<{ n: string }>('select count(*) as n from found_break')
  await wakeWaiting(client, asOf, now)
  const resolved = await resolveGone(client, runId, now, levels)
  const reopened = await reopen(client, runId, asOf, now)
  await updateChanged(client, runId, now)
  const opened = await client.query(
    `with opened as (
       insert into reconciliation_exception (break, key, level, business_date, opened_on, value_at_risk_piasters, account,
         difference_piasters, summary, detail, opened_run, last_run, opened_at)
       select f.break, f.key, j.level, f.business_date, $2, f.value_at_risk_piasters, f.account, f.difference_piasters,
              left(f.summary, 500), f.detail, $1, $1, $3
       from found_break f join judged_break j on j.name = f.break
       order by f.business_date, f.break, f.key
       on conflict (break, key) do nothing returning id, summary, value_at_risk_piasters)
     insert into reconciliation_event (exception_id, at, actor, event, detail)
     select id, $3, '${RUN_ACTOR}', 'opened', jsonb_build_object('run', $1::bigint, 'piasters', value_at_risk_piasters) from opened`,
    [runId, asOf, now],
  )
  return { found: Number(found.rows[0]?.n ?? 0), opened: opened.rowCount ?? 0, reopened, resolved }
}

async function wakeWaiting(client: Client, asOf: string, now: Date): Promise<void> {
  await client.query(
    `with due as (
       update reconciliation_exception
       set state = case when owner is null then 'open' else 'assigned' end, wait_until = null
       where state = 'waiting' and wait_until <= $1 returning id)
     insert into reconciliation_event (exception_id, at, actor, event) select id, $2, '${RUN_ACTOR}', 'due' from due`,
    [asOf, now],
  )
}

/** The break is gone: the other side came, or somebody corrected it. The rule that found the other side is named. */
async function resolveGone(client: Client, runId: number, now: Date, levels: readonly string[]): Promise<number> {
  const { rowCount } = await client.query(
    `with gone as (
       update reconciliation_exception e
       set state = 'resolved', wait_until = null, last_run = $1, closed_at = $2, closed_by = '${RUN_ACTOR}',
           resolution = coalesce((
             select format('found by rule %s in run %s', r.name, $1::bigint)
             from (
               select m.rule from reconciliation_match m
               where m.authorization_id = (e.detail ->> 'authorizationId')::bigint and m.authorization_id > 0
               union all
               select m.rule from reconciliation_match m
               where m.instruction_id = (e.detail ->> 'instructionId')::bigint and m.instruction_id > 0
               union all
               select m.rule from reconciliation_match m
               where m.business_date = e.business_date and m.file_id = (e.detail ->> 'fileId')::bigint
                 and m.item = coalesce((e.detail ->> 'item')::bigint, 0)) m
             join reconciliation_rule r on r.number = m.rule
             where r.level = e.level order by r.confidence desc, r.number limit 1), format('no longer so in run %s', $1::bigint))
       from judged_break j
       where j.name = e.break and j.level = any ($3) and e.state in ('open', 'assigned', 'waiting')
         and (not j.by_date or exists (
           select from judged_date d where d.level = j.level and d.business_date = e.business_date))
         and not exists (select from found_break f where f.break = e.break and f.key = e.key)
       returning e.id, e.resolution)
     insert into reconciliation_event (exception_id, at, actor, event, comment, detail)
     select id, $2, '${RUN_ACTOR}', 'resolved', resolution, jsonb_build_object('run', $1::bigint) from gone`,
    [runId, now, levels],
  )
  return rowCount ?? 0
}

async function reopen(client: Client, runId: number, asOf: string, now: Date): Promise<number> {
  const { rowCount } = await client.query(
    `with again as (
       update reconciliation_exception e
       set state = 'open', owner = null, closed_at = null, closed_by = null, resolution = null, last_run = $1, opened_on = $2,
           value_at_risk_piasters = f.value_at_risk_piasters, account = f.account,
           difference_piasters = f.difference_piasters, summary = left(f.summary, 500), detail = f.detail
       from found_break f
       where f.break = e.break and f.key = e.key and e.state in ('resolved', 'written-off')
         and (e.closed_by = '${RUN_ACTOR}' or f.value_at_risk_piasters <> e.value_at_risk_piasters
           or f.difference_piasters <> e.difference_piasters)
       returning e.id, e.value_at_risk_piasters)
     insert into reconciliation_event (exception_id, at, actor, event, detail)
     select id, $3, '${RUN_ACTOR}', 'reopened', jsonb_build_object('run', $1::bigint, 'piasters', value_at_risk_piasters) from again`,
    [runId, asOf, now],
  )
  return rowCount ?? 0
}

async function updateChanged(client: Client, runId: number, now: Date): Promise<void> {
  await client.query(
    `with changed as (
       update reconciliation_exception e
       set value_at_risk_piasters = f.value_at_risk_piasters, account = f.account,
           difference_piasters = f.difference_piasters, summary = left(f.summary, 500), detail = f.detail, last_run = $1
       from found_break f
       where f.break = e.break and f.key = e.key and e.state in ('open', 'assigned', 'waiting')
         and (e.value_at_risk_piasters, e.account, e.difference_piasters, e.summary, e.detail) is distinct from
           (f.value_at_risk_piasters, f.account, f.difference_piasters, left(f.summary, 500), f.detail)
       returning e.id, e.value_at_risk_piasters)
     insert into reconciliation_event (exception_id, at, actor, event, detail)
     select id, $2, '${RUN_ACTOR}', 'changed', jsonb_build_object('run', $1::bigint, 'piasters', value_at_risk_piasters) from changed`,
    [runId, now],
  )
}
