import type { Client } from '../connection.ts'

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
const RUN_ACTOR = 'reconciliation'

/**
 * Brings exceptions in line with the breaks found: a new one is opened, one that a run had closed or that has another
 * amount now is opened again, one whose break is gone is resolved, unless money is in suspense for it. What people
 * closed stays closed while its amount is the same.
 */
export async function mergeBreaks(client: Client, { runId, asOf, now, levels }: MergeOptions): Promise<MergedBreaks> {
  await client.query('analyze found_break')
  const found = await client.query<{ n: string }>('select count(*) as n from found_break')
  await wakeWaiting(client, asOf, now)
  await noteGoneMoved(client, { runId, asOf, now, levels })
  const resolved = await resolveGone(client, { runId, asOf, now, levels })
  const reopened =
    (await reopen(client, runId, asOf, now)) + (await reopenMadeGood(client, { runId, asOf, now, levels }))
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

/**
 * Whether two people have moved money for an exception that a run does not see itself: it is in suspense, or
 * (`in_ledger`: the ledger shows it) was settled. When the break is gone, that money is too much, and the exception
 * stays until it went back.
 */
const isMoved = '(e.suspended_piasters <> 0 or not j.in_ledger and e.settled_piasters <> 0)'

/** The break is gone, and money was moved for it: of one that the ledger shows because it was moved, of others the other side came. */
async function noteGoneMoved(client: Client, { runId, asOf, now, levels }: MergeOptions): Promise<void> {
  await client.query(
    `with left_over as (
       select e.id, case when j.in_ledger then e.suspended_piasters + e.settled_piasters else 0 end as difference
       from reconciliation_exception e join judged_break j on j.name = e.break and j.level = any ($3)
       where e.state in ('open', 'assigned', 'waiting') and ${isMoved}
         and e.opened_on <= $4
         and (not j.by_date or exists (
           select from judged_date d where d.level = j.level and d.business_date = e.business_date))
         and not exists (select from found_break f where f.break = e.break and f.key = e.key)),
     changed as (
       update reconciliation_exception e
       set difference_piasters = l.difference, last_run = $1,
           value_at_risk_piasters = greatest(abs(e.suspended_piasters), abs(l.difference - e.settled_piasters))
       from left_over l where l.id = e.id and l.difference <> e.difference_piasters
       returning e.id, e.value_at_risk_piasters)
     insert into reconciliation_event (exception_id, at, actor, event, comment, detail)
     select id, $2, '${RUN_ACTOR}', 'changed', 'the difference is gone: what was moved for it goes back',
            jsonb_build_object('run', $1::bigint, 'piasters', value_at_risk_piasters) from changed`,
    [runId, now, levels, asOf],
  )
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

/**
 * The break is gone: the other side came, or somebody corrected it. The rule that found the other side is named. What was opened as of
 * a later date than the run looks at stays: that it is not found says nothing of it.
 */
async function resolveGone(client: Client, { runId, asOf, now, levels }: MergeOptions): Promise<number> {
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
               where m.authorization_id = 0 and m.instruction_id = (e.detail ->> 'instructionId')::bigint and m.instruction_id > 0
               union all
               select m.rule
               from (
                 select 0 as id
                 union all
                 select n.posted_id from network_item n
                 where n.file_id = (e.detail ->> 'fileId')::bigint and n.number = (e.detail ->> 'item')::integer
                 union all
                 select i.authorization_id from clearing_item i
                 where i.business_date = e.business_date and i.file_id = (e.detail ->> 'fileId')::bigint
                   and i.number = (e.detail ->> 'item')::integer) a
               join reconciliation_match m on m.authorization_id = a.id and m.instruction_id = 0
                 and m.file_id = (e.detail ->> 'fileId')::bigint and m.item = coalesce((e.detail ->> 'item')::bigint, 0)
                 and m.business_date = e.business_date) m
             join reconciliation_rule r on r.number = m.rule
             where r.level = e.level order by r.confidence desc, r.number limit 1), format('no longer so in run %s', $1::bigint))
       from judged_break j
       where j.name = e.break and j.level = any ($3) and e.state in ('open', 'assigned', 'waiting') and not ${isMoved}
         and e.opened_on <= $4
         and (not j.by_date or exists (
           select from judged_date d where d.level = j.level and d.business_date = e.business_date))
         and not exists (select from found_break f where f.break = e.break and f.key = e.key)
       returning e.id, e.resolution)
     insert into reconciliation_event (exception_id, at, actor, event, comment, detail)
     select id, $2, '${RUN_ACTOR}', 'resolved', resolution, jsonb_build_object('run', $1::bigint) from gone`,
    [runId, now, levels, asOf],
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

/** What people wrote off or gave elsewhere came after all: the other side is too much now by that. */
async function reopenMadeGood(client: Client, { runId, asOf, now, levels }: MergeOptions): Promise<number> {
  const { rowCount } = await client.query(
    `with again as (
       update reconciliation_exception e
       set state = 'open', owner = null, closed_at = null, closed_by = null, resolution = null, last_run = $1, opened_on = $2,
           difference_piasters = 0, value_at_risk_piasters = abs(e.settled_piasters)
       from judged_break j
       where j.name = e.break and j.level = any ($4) and not j.in_ledger and e.state in ('resolved', 'written-off')
         and e.account is not null and e.settled_piasters <> 0 and e.difference_piasters <> 0
         and e.opened_on <= $2
         and exists (select from judged_date d where d.level = j.level and d.business_date = e.business_date)
         and not exists (select from found_break f where f.break = e.break and f.key = e.key)
       returning e.id, e.value_at_risk_piasters)
     insert into reconciliation_event (exception_id, at, actor, event, comment, detail)
     select id, $3, '${RUN_ACTOR}', 'reopened', 'what was given up came after all',
            jsonb_build_object('run', $1::bigint, 'piasters', value_at_risk_piasters) from again`,
    [runId, asOf, now, levels],
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
