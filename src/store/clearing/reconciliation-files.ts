import type { Client } from '../connection.ts'
import { numbersOf } from './reconciliation-items.ts'
import type { LevelCounts } from './reconciliation-work.ts'

/**
 * Earlier business dates whose files have to be looked at: the other side refused one of ours by now, or a file of the
 * network of that date came since the last run.
 */
export async function datesWithFileNews(
  client: Client,
  { businessDate, lookBackDays }: { readonly businessDate: string; readonly lookBackDays: number },
): Promise<string[]> {
  const { rows } = await client.query<{ business_date: string }>(
    `select distinct f.business_date from clearing_file f
     where f.business_date < $1 and f.business_date >= $1::date - $2::integer
       and (f.direction = 'out' and f.type in ('CTF', 'SUB') and f.state = 'rejected'
         or f.direction = 'in' and f.type = 'ITF'
            and f.created_at >= coalesce((select max(r.started_at) from reconciliation_run r where r.state = 'done'), '-infinity'))
     order by 1`,
    [businessDate, lookBackDays],
  )
  return rows.map((row) => row.business_date)
}

/**
 * Files of a date against their items: count and gross amount of each, and that every item's file is there. A file of
 * the card scheme that was refused by the other side is a break of its own.
 */
export async function compareFiles(client: Client, businessDate: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with sums as (
       select i.file_id, count(*) as items, sum(i.amount_piasters) as gross
       from (
         select file_id, amount_piasters from clearing_item where business_date = $1::date
         union all
         select file_id, amount_piasters from outgoing_dispute_item where file_date = $1::date) i
       group by i.file_id),
     -- A subsidy file is paid by what outlets dispensed in all: its items have no amounts.
     files as materialized (
       select coalesce(f.id, s.file_id) as id, f.id is not null as known, f.name, f.state, f.items,
              case when f.type = 'SUB' then 0 else f.gross_piasters end as gross, coalesce(s.items, 0) as items_there,
              coalesce(s.gross, 0) as gross_there
       from (select * from clearing_file where direction = 'out' and type in ('CTF', 'SUB') and business_date = $1::date
               and state <> 'superseded') f
       full join sums s on s.file_id = f.id),
     matched as (
       insert into found_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry, amount_piasters)
       select $1::date, 20, 0, id, 0, 0, 0, 0, gross from files where known and items = items_there and gross = gross_there
       returning 1),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select case when not known or state = 'selected' then 'missing-file' when state = 'rejected' then 'file-refused'
                else 'file-totals-differ' end,
              'file:' || id, $1::date,
              case when not known or state in ('selected', 'rejected') then gross_there else abs(gross - gross_there) end,
              case
                when not known then format('%s item(s) of %s name file %s, which is not there', items_there, $1::date, id)
                when state = 'selected' then format('file %s with %s item(s) was never written', name, items_there)
                when state = 'rejected' then format('file %s was refused by who it was sent to', name)
                else format('file %s says %s item(s) of %s piasters, its items are %s of %s piasters', name, items, gross, items_there,
                  gross_there) end,
              jsonb_strip_nulls(jsonb_build_object('fileId', id, 'name', name, 'items', items, 'piasters', gross, 'itemsThere', items_there,
                'piastersThere', gross_there))
       from files
       where not known or state in ('selected', 'rejected') or items <> items_there or gross <> gross_there
       on conflict do nothing returning 1)
     select (select count(*) from files) as files, (select count(*) from matched) as matched, (select count(*) from broken) as broken`,
    [businessDate],
  )
  return numbersOf(rows[0])
}

/**
 * What the network's report says of a file's business (TC 46) against the items that came with it: issuer's
 * interchange, debits and credits. Files without a report are not compared.
 */
export async function compareNetworkTotals(client: Client, businessDate: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with files as (
       select f.id, f.name from clearing_file f
       where f.direction = 'in' and f.business_date = $1::date and exists (select from network_total t where t.file_id = f.id)),
     -- What it settles with us as an issuer: the interchange where it is told apart, else the total.
     said as (
       select distinct on (t.file_id) t.file_id, t.items, t.debits, t.credits
       from (
         select t.file_id, t.amount_type, sum(t.items) as items, sum(t.debit_piasters) as debits, sum(t.credit_piasters) as credits
         from network_total t join files f on f.id = t.file_id
         where t.report = 'V2' and t.mode = 'issuer' and t.amount_type in ('interchange', 'total') and t.currency in ('818', 'EGP', '')
         group by t.file_id, t.amount_type) t
       order by t.file_id, t.amount_type),
     there as (
       select n.file_id, count(*) as items,
              sum(case when n.transaction_code in ('05', '07', '16', '26', '35', '37') then n.amount_piasters else 0 end) as debits,
              sum(case when n.transaction_code in ('06', '15', '17', '25', '27', '36') then n.amount_piasters else 0 end) as credits,
              -- An item whose code contradicts its authorization may be reported as what it should have been: the item is told, once.
              sum(case when n.reason = 'contradiction' and n.transaction_code in ('05', '07') then -n.amount_piasters
                       when n.reason = 'contradiction' and n.transaction_code = '06' then n.amount_piasters else 0 end) as turned
       from network_item n join files f on f.id = n.file_id
       where n.transaction_code in ('05', '06', '07', '25', '26', '27', '15', '16', '17', '35', '36', '37') group by n.file_id),
     legs as (
       select f.id, f.name, coalesce(s.items, 0) as items, coalesce(s.debits, 0) as debits, coalesce(s.credits, 0) as credits,
              coalesce(t.items, 0) as items_there, coalesce(t.debits, 0) as debits_there, coalesce(t.credits, 0) as credits_there,
              coalesce(t.turned, 0) as turned
       from files f join said s on s.file_id = f.id left join there t on t.file_id = f.id),
     both_legs as materialized (
       select l.*, items in (0, items_there) and (debits = debits_there and credits = credits_there
                or debits = debits_there + turned and credits = credits_there - turned) as agrees
       from legs l),
     matched as (
       insert into found_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry, amount_piasters)
       select $1::date, 21, 0, id, 0, 0, 0, 0, debits - credits from both_legs
       where agrees returning 1),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select 'file-totals-differ', 'totals:' || id, $1::date, abs(debits - debits_there) + abs(credits - credits_there),
              format('the network reports %s item(s), debits %s and credits %s for file %s; its items are %s, %s and %s', items, debits,
                credits, name, items_there, debits_there, credits_there),
              jsonb_build_object('fileId', id, 'name', name, 'debitPiasters', debits, 'creditPiasters', credits,
                'debitPiastersThere', debits_there, 'creditPiastersThere', credits_there)
       from both_legs where not agrees
       on conflict do nothing returning 1)
     select (select count(*) from files) as reports, (select count(*) from matched) as matched, (select count(*) from broken) as broken`,
    [businessDate],
  )
  return numbersOf(rows[0])
}

/**
 * Files that were refused on their way in. One that was refused for its place in a sequence says that another is
 * missing: it is mended when the file itself was taken later. A repeat stays one until somebody has told the sender.
 */
export async function findRefusedFiles(client: Client, dates: readonly string[]): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with refused as materialized (
       select case r.code when 'repeated' then 'duplicate-file' when 'out-of-sequence' then 'missing-file' else 'file-refused' end as break,
              r.name, r.sha256, min(r.id) as id, r.reason, r.code, min((r.at at time zone 'Africa/Cairo')::date) as day
       from network_file_refusal r
       where (r.at at time zone 'Africa/Cairo')::date = any ($1::date[])
         and (r.code = 'repeated' or not exists (
           select from clearing_file f where f.direction = 'in' and encode(f.sha256, 'hex') = r.sha256))
       group by 1, r.name, r.sha256, r.reason, r.code),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select break, 'refused:' || left(sha256, 32), day, 0, format('network file %s was refused: %s', name, reason),
              jsonb_build_object('name', name, 'code', code, 'sha256', sha256)
       from refused on conflict do nothing returning 1)
     select (select count(*) from refused) as refused, (select count(*) from broken) as broken`,
    [dates],
  )
  return numbersOf(rows[0])
}
