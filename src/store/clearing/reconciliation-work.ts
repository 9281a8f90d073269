import type { Client } from '../connection.ts'

/** What a level of a run compared: rows by what they are, and matches by the rule that found them. */
export interface LevelCounts {
  readonly compared: Readonly<Record<string, number>>
  readonly matched: Readonly<Record<string, number>>
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
  /**
   * Whether its difference is measured in the ledger, so that what was corrected is gone from it; else it stays as it
   * was found.
   */
  readonly inLedger: boolean
}

/**
 * Makes the tables that a run collects in; they live as long as the connection. What was collected before is gone.
 * Comparisons insert into `found_match` and `found_break`.
 */
export async function prepareWork(client: Client, breaks: readonly BreakScope[]): Promise<void> {
  await client.query(`
    create temp table if not exists found_match (like reconciliation_match excluding constraints);
    alter table found_match drop column if exists run_id;
    drop index if exists pg_temp.found_match_authorization;
    create temp table if not exists found_break (
      break text not null, key text not null, business_date date not null, value_at_risk_piasters bigint not null,
      account bigint, difference_piasters bigint not null default 0, summary text not null, detail jsonb not null default '{}',
      primary key (break, key));
    create temp table if not exists judged_date (level text not null, business_date date not null, primary key (level, business_date));
    create temp table if not exists judged_break (
      name text primary key, number integer not null, level text not null, by_date boolean not null, in_ledger boolean not null);
    truncate found_match, found_break, judged_date, judged_break`)
  await client.query(
    `insert into judged_break select x.name, x.number, x.level, x.judged = 'dates', x."inLedger"
     from jsonb_to_recordset($1::jsonb) as x(name text, number integer, level text, judged text, "inLedger" boolean)`,
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
  { businessDate, lookBackDays }: { readonly businessDate: string; readonly lookBackDays: number },
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

/**
 * Compares sides that may be millions of rows, and that nobody has counted since they came: whatever the planner takes
 * them for, a loop over all of both is never the way. In a transaction.
 */
export async function withoutLoops<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('set local enable_nestloop = off')
  const result = await work()
  await client.query('set local enable_nestloop = on')
  return result
}

/** Counts of matches that a run found, by rule. */
export async function countMatches(client: Client): Promise<Record<string, number>> {
  const { rows } = await client.query<{ name: string; n: string }>(
    `select r.name, count(*) as n from found_match m join reconciliation_rule r on r.number = m.rule
     group by r.name, r.number order by r.number`,
  )
  return Object.fromEntries(rows.map(({ name, n }) => [name, Number(n)]))
}
