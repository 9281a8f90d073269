import type { Client } from '../connection.ts'
import type { LevelCounts } from './reconciliation-work.ts'

/** Days around a date in which an item may stand in the file of another date: beyond them nobody mends a file. */
const NEAR_DAYS = 45
/** Piasters of an item of the card scheme's file, from the household's side: above zero it pays. */
const signed = `case when i.transaction_code in ('05', '07', '26') then i.amount_piasters else -i.amount_piasters end`

/**
 * What was posted on a date between households and the card scheme against what stands in files for it (A and B), by
 * the transaction that it belongs to: a reversal and a completion belong to their original, so that what was posted and
 * taken back on one date is nothing, as it is in the file. Purchases stand on 7004 whatever brings them; cash on 7003
 * is the scheme's when a link of its own brought it. What the network presented never goes out again.
 */
const schemeItems = `
  with moved as materialized (
    select t.lane, t.group_id as id, sum(case when t.debit / 100000000000 = 6001 then t.amount else -t.amount end) as piasters,
           bool_or(7003 in (t.debit / 100000000000, t.credit / 100000000000)) as is_cash, bool_or(t.kind in (17, 19, 20)) as is_back
    from transfer t
    where t.business_date = $1::date and t.kind between 10 and 20 and t.kind <> 13
      and (t.debit / 100000000000 in (7003, 7004) or t.credit / 100000000000 in (7003, 7004))
    group by t.lane, t.group_id),
  day as materialized (
    select m.id, m.lane, m.piasters, m.is_back, coalesce(o.original_id, a.original_id, a.id) as family
    from moved m
    join authorization_journal a on a.id = m.id and a.lane = m.lane and a.business_date = $1::date
    left join lateral (
      select o.original_id, o.link from authorization_journal o
      where a.original_id is not null and o.id = a.original_id and o.lane + 0 = a.lane and o.business_date <= $1::date limit 1
    ) o on true
    where a.link <> 'clearing' and not (m.is_back and coalesce(o.link, '') = 'clearing')
      and (not m.is_cash or (case when m.is_back then coalesce(o.link, a.link) else a.link end) in (select r.link from clearing_rail r))),
  posted as (
    select d.family, min(d.lane) as lane, sum(d.piasters) as piasters, count(*) as legs, min(d.id) as id,
           bool_and(d.is_back) as is_reversal
    from day d group by d.family),
  filed as (
    select coalesce(d.family, i.original_id, i.authorization_id) as family, sum(${signed}) as piasters, min(i.file_id) as file_id,
           min(i.number) as number, min(i.authorization_id) as id, count(*) as items
    from clearing_item i left join day d on d.id = i.authorization_id
    where i.business_date = $1::date and i.programme = 0
    group by 1),
  both_legs as materialized (
    select coalesce(p.family, f.family) as family, coalesce(p.id, f.id) as id, p.piasters as posted, f.piasters as filed, f.file_id,
           f.number, p.is_reversal, p.legs
    from posted p full join filed f on f.family = p.family
    where coalesce(p.piasters, 0) <> 0 or coalesce(f.piasters, 0) <> 0 or p.legs > 1),`

const agreed = `
  matched as (
    insert into found_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry, amount_piasters)
    select $1::date, case when f.file_id is null then 7 else 1 end, id, coalesce(file_id, 0), coalesce(number, 0), 0, 0, 0,
           coalesce(posted, 0)
    from both_legs f where coalesce(posted, 0) = coalesce(filed, 0) order by id),`

/** Compares what was posted by messages of the card scheme with the items of its files. */
export async function compareSchemeItems(client: Client, businessDate: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `${schemeItems} ${agreed}
     later as materialized (
       select b.*, x.business_date as other_date, x.file_id as other_file,
              -- Left out of its file on an earlier date, which has it by now.
              b.posted is null and (
                exists (select from found_match m where m.authorization_id = b.id and m.file_id = b.file_id and m.business_date < $1::date)
                or exists (select from reconciliation_match m where m.authorization_id = b.id and m.authorization_id > 0
                             and m.file_id = b.file_id and m.business_date < $1::date)) as made_up
       from both_legs b
       left join lateral (
         select i.business_date, i.file_id from clearing_item i
         where i.programme = 0 and i.authorization_id = b.id and i.business_date <> $1::date
           and i.business_date between $1::date - ${NEAR_DAYS} and $1::date + ${NEAR_DAYS}
           and case when b.posted is null then i.business_date < $1::date else i.business_date > $1::date end
         order by i.business_date limit 1) x on true
       where coalesce(b.posted, 0) <> coalesce(b.filed, 0)),
     -- Left out of its file, and in the file of a later date.
     late as (
       insert into found_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry, amount_piasters)
       select $1::date, 1, id, other_file, 0, 0, 0, 0, posted from later where filed is null and other_file is not null
       returning 1),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select case
                when filed is null and is_reversal and posted < 0 then 'reversal-after-clearing'
                when filed is null then 'missing-item'
                when posted is null and other_file is not null then 'duplicate-item'
                when posted is null then 'cleared-not-authorised'
                when abs(posted - filed) = 1 then 'rounding'
                else 'amount-differs' end,
              'item:' || id || ':0', $1::date, abs(coalesce(posted, 0) - coalesce(filed, 0)),
              case
                when filed is null then format('authorization %s posted %s piasters, and no file has it', id, posted)
                when posted is null and other_file is not null then format('authorization %s stands in file %s of %s already', id, other_file, other_date)
                when posted is null then format('item %s of file %s: authorization %s posted nothing', number, file_id, id)
                else format('item %s of file %s has %s piasters, authorization %s posted %s', number, file_id, filed, id, posted) end,
              jsonb_strip_nulls(jsonb_build_object('authorizationId', id, 'fileId', file_id, 'item', number, 'postedPiasters', posted,
                'filedPiasters', filed))
       from later where not (filed is null and other_file is not null) and not made_up
       on conflict do nothing returning 1)
     select (select count(*) from posted) as posted, (select count(*) from filed) as filed,
            (select count(*) from both_legs where coalesce(posted, 0) = coalesce(filed, 0)) + (select count(*) from late) as matched,
            (select count(*) from broken) as broken`,
    [businessDate],
  )
  return numbersOf(rows[0])
}

/**
 * Compares what was redeemed and taken back at outlets with the items of the subsidy files, in units: without
 * tolerance.
 */
export async function compareSubsidyItems(client: Client, businessDate: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with posted as (
       select t.group_id as id, (t.debit / 100000000000 % 100)::integer as programme,
              sum(case when t.kind = 3 then -t.amount else t.amount end)::bigint as units,
              min(case when t.kind = 3 then t.debit else t.credit end) % 100000000000 as outlet_id
       from transfer t where t.business_date = $1::date and t.kind in (2, 3, 6)
       group by 1, 2),
     filed as (
       select i.authorization_id as id, i.programme::integer as programme,
              case when i.transaction_code = 'RT' then -i.quantity else i.quantity end as units,
              i.file_id, i.number, i.outlet_id
       from clearing_item i where i.business_date = $1::date and i.programme > 0),
     both_legs as materialized (
       select coalesce(p.id, f.id) as id, coalesce(p.programme, f.programme) as programme, p.units as posted, f.units as filed,
              f.file_id, f.number, coalesce(p.outlet_id, f.outlet_id) as outlet_id
       from posted p full join filed f on f.id = p.id and f.programme = p.programme),
     matched as (
       insert into found_match (business_date, rule, authorization_id, file_id, item, instruction_id, statement_id, entry, amount_piasters)
       select $1::date, 1, id, file_id, number, 0, 0, 0, 0 from both_legs where posted = filed order by id),
     -- At risk is what the outlet would be paid for the difference.
     astray as (
       select b.*, round(abs(coalesce(b.posted, 0) - coalesce(b.filed, 0))
                * coalesce(p.piasters_per_unit, p.permille_of_value::numeric / 1000, 0)) as piasters
       from both_legs b
       left join lateral (
         select p.piasters_per_unit, p.permille_of_value from settlement_payable p
         where p.business_date = $1::date and p.outlet_id = b.outlet_id and p.programme = b.programme
         order by p.cycle, p.entitlement_date desc limit 1) p on true
       where b.posted is distinct from b.filed),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select case when filed is null then 'missing-item' when posted is null then 'cleared-not-authorised' else 'amount-differs' end,
              'item:' || id || ':' || programme, $1::date, piasters,
              case
                when filed is null then format('authorization %s redeemed %s of programme %s, and no subsidy file has it', id, posted, programme)
                when posted is null then format('item %s of file %s: authorization %s redeemed nothing of programme %s', number, file_id, id, programme)
                else format('item %s of file %s has %s of programme %s, authorization %s redeemed %s', number, file_id, filed, programme, id, posted) end,
              jsonb_strip_nulls(jsonb_build_object('authorizationId', id, 'programme', programme, 'outletId', outlet_id, 'fileId', file_id,
                'item', number, 'postedUnits', posted, 'filedUnits', filed))
       from astray on conflict do nothing returning 1)
     -- Counted where they meet: a list that is read twice would be kept, and a day's is millions.
     select count(posted) as posted, count(filed) as filed, count(*) filter (where posted = filed) as matched,
            (select count(*) from broken) as broken
     from both_legs`,
    [businessDate],
  )
  return numbersOf(rows[0])
}

/** Counts of a row, by column. */
export function numbersOf(row: Readonly<Record<string, string>> | undefined): Record<string, number> {
  return Object.fromEntries(Object.entries(row ?? {}).map(([name, value]) => [name, Number(value)]))
}
