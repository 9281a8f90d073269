import type { Client } from '../connection.ts'
import { numbersOf } from './reconciliation-items.ts'
import type { LevelCounts } from './reconciliation-work.ts'

/**
 * What outlets are to be paid for subsidies against what they dispensed and the tariff, to the piaster: quantity by the
 * journal, units × tariff by the payable's own step, and the ledger's postings of the run.
 */
export async function compareSubsidyPayables(client: Client, businessDate: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with ${payables}, ${filed}
     select (select count(*) from both_legs) as outlets, (select count(*) from sums) as programmes,
            (select count(*) from broken) + (select count(*) from astray) as broken`,
    [businessDate],
  )
  return numbersOf(rows[0])
}

/** What outlets redeemed, and what is payable to them, with the break of each outlet. */
const payables = `
     runs as (
       select r.business_date, min(r.covers_from) as covers_from, bool_and(r.state <> 'computed') as posted
       from settlement_run r where r.business_date = $1::date group by r.business_date),
     redeemed as (
       select t.outlet_id, t.programme, sum(t.units) as quantity
       from (
         select case when t.kind = 3 then t.debit else t.credit end % 100000000000 as outlet_id,
                (t.debit / 100000000000 % 100)::smallint as programme, case when t.kind = 3 then -t.amount else t.amount end as units
         -- Dates that are known when the statement begins spare it all other days of the journal.
         from transfer t
         where t.business_date between (select covers_from from runs) and (select business_date from runs) and t.kind in (2, 3, 6)) t
       group by 1, 2),
     payable as (
       select p.outlet_id, p.programme, sum(p.quantity) as quantity, sum(p.payable_piasters) as payable,
              sum(case
                when p.piasters_per_unit is not null then p.quantity * p.piasters_per_unit
                when p.permille_of_value is not null then round(p.quantity::numeric * p.permille_of_value / 1000)
                else 0 end) as by_tariff
       from settlement_payable p where p.business_date = $1::date group by 1, 2),
     both_legs as materialized (
       select coalesce(r.outlet_id, p.outlet_id) as outlet_id, coalesce(r.programme, p.programme) as programme,
              coalesce(r.quantity, 0) as redeemed, coalesce(p.quantity, 0) as quantity, coalesce(p.payable, 0) as payable,
              coalesce(p.by_tariff, 0) as by_tariff
       from redeemed r full join payable p on p.outlet_id = r.outlet_id and p.programme = r.programme),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, account, summary, detail)
       select 'subsidy-payable-differs', format('payable:%s:%s:%s', $1::date, outlet_id, programme), $1::date,
              abs(payable - by_tariff), 7005 * 100000000000 + outlet_id,
              format('outlet %s, programme %s: %s redeemed and %s settled; payable %s piasters, by the tariff %s', outlet_id, programme,
                redeemed, quantity, payable, by_tariff),
              jsonb_build_object('outletId', outlet_id, 'programme', programme, 'redeemed', redeemed, 'settled', quantity,
                'payablePiasters', payable, 'tariffPiasters', by_tariff)
       from both_legs where exists (select from runs) and (redeemed <> quantity or payable <> by_tariff)
       on conflict do nothing returning 1)`

/** What the subsidy files of the programmes say, with the break of each programme. */
const filed = `
     -- A file and the run round once for what an outlet redeemed on an entitlement date; where a run covers several business
     -- dates, the files of each have rounded for themselves, by less than a piaster for each item of a tariff by value.
     filed as (
       select (f.totals ->> 'programme')::smallint as programme, sum((f.totals ->> 'payablePiasters')::bigint) as payable,
              sum(f.items) as items
       from clearing_file f
       where f.direction = 'out' and f.type = 'SUB' and f.state not in ('selected', 'superseded') and f.totals ? 'payablePiasters'
         and f.business_date between (select covers_from from runs) and (select business_date from runs)
       group by 1),
     sums as (
       select f.programme, f.payable as filed, coalesce(p.payable, 0) as payable,
              case when p.by_value and (select covers_from < business_date from runs) then f.items else 0 end as slack
       from filed f left join (
         select p.programme, sum(p.payable_piasters) as payable, bool_or(p.permille_of_value is not null) as by_value
         from settlement_payable p where p.business_date = $1::date group by 1) p on p.programme = f.programme),
     astray as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select 'subsidy-payable-differs', format('files:%s:%s', $1::date, programme), $1::date, abs(filed - payable),
              format('programme %s: its subsidy files say %s piasters, the run of settlement pays %s', programme, filed, payable),
              jsonb_build_object('programme', programme, 'filedPiasters', filed, 'payablePiasters', payable)
       from sums s
       where abs(filed - payable) > slack
         -- What an outlet is paid wrongly is told of the outlet.
         and not exists (select from both_legs b where b.programme = s.programme and (b.redeemed <> b.quantity or b.payable <> b.by_tariff))
       on conflict do nothing returning 1)`

/**
 * What each programme issued, over the nation: redeemed, expired, converted and left, less what was advanced. By the
 * balances, and by the journal: the last trial balance of a business day, and what was posted since; the two have to be
 * the same, class by class.
 */
export async function checkIssuance(client: Client, asOf: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with last_day as (select coalesce(max(b.business_date), '-infinity') as date from business_day_balance b),
     since as materialized (
       select t.debit / 100000000000 as debit, t.credit / 100000000000 as credit, sum(t.amount) as amount
       from transfer t where t.business_date > (select date from last_day) and t.kind <= 8 group by 1, 2),
     journal as (
       select x.kind, sum(x.amount) as posted
       from (
         select b.kind::bigint as kind, b.balance as amount from business_day_balance b where b.business_date = (select date from last_day)
         union all select credit, amount from since
         union all select debit, -amount from since) x
       where x.kind / 1000 in (1, 2, 3, 4, 5, 9) group by 1),
     kept as (
       select b.account / 100000000000 as kind, sum(b.posted) as posted
       from balance b where b.account / 100000000000000 in (1, 2, 3, 4, 5, 9) group by 1),
     kinds as (
       select coalesce(k.kind, j.kind) as kind, coalesce(k.posted, 0) as kept, coalesce(j.posted, 0) as posted
       from kept k full join journal j on j.kind = k.kind),
     programmes as materialized (
       select kind % 1000 as tail,
              -coalesce(sum(kept) filter (where kind / 1000 = 3), 0) as issued,
              coalesce(sum(kept) filter (where kind / 1000 = 2), 0) as redeemed, coalesce(sum(kept) filter (where kind / 1000 = 4), 0) as expired,
              coalesce(sum(kept) filter (where kind / 1000 = 5), 0) as converted, coalesce(sum(kept) filter (where kind / 1000 = 1), 0) as remaining,
              -coalesce(sum(kept) filter (where kind / 1000 = 9), 0) as advanced,
              sum(posted) as unbalanced, bool_or(kept <> posted) as differs,
              string_agg(format('%s of %s by the journal is %s', k.name, kind % 100, posted), ', ' order by kind)
                filter (where kept <> posted) as words
       from kinds left join account_kind k using (kind) group by 1),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select 'issuance-not-conserved', 'programme:' || tail, $1::date, 0,
              format('programme %s: issued %s and advanced %s, but redeemed %s, expired %s, converted %s and left %s%s', tail % 100, issued,
                advanced, redeemed, expired, converted, remaining, coalesce('; ' || words, '')),
              jsonb_build_object('programme', tail % 100, 'issued', issued, 'advanced', advanced, 'redeemed', redeemed, 'expired', expired,
                'converted', converted, 'remaining', remaining, 'byJournal', not differs)
       from programmes where issued + advanced <> redeemed + expired + converted + remaining or unbalanced <> 0 or differs
       on conflict do nothing returning 1)
     select (select count(*) from programmes) as programmes, (select count(*) from broken) as broken`,
    [asOf],
  )
  return numbersOf(rows[0])
}
