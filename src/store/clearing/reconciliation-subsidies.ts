import type { Client } from '../connection.ts'
import { numbersOf } from './reconciliation-items.ts'
import type { LevelCounts } from './reconciliation-work.ts'

/**
 * What outlets are to be paid for subsidies against what they dispensed and the tariff, to the piaster: quantity by the
 * journal, units × tariff by the payable's own step, and the ledger's postings of the run.
 */
export async function compareSubsidyPayables(client: Client, businessDate: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with runs as (
       select r.business_date, min(r.covers_from) as covers_from, bool_and(r.state <> 'computed') as posted
       from settlement_run r where r.business_date = $1::date group by r.business_date),
     redeemed as (
       select t.outlet_id, t.programme, sum(t.units) as quantity
       from (
         select case when t.kind = 3 then t.debit else t.credit end % 100000000000 as outlet_id,
                (t.debit / 100000000000 % 100)::smallint as programme, case when t.kind = 3 then -t.amount else t.amount end as units
         from transfer t, runs r
         where t.business_date between r.covers_from and r.business_date and t.kind in (2, 3, 6)) t
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
       on conflict do nothing returning 1)
     select (select count(*) from both_legs) as outlets, (select count(*) from broken) as broken`,
    [businessDate],
  )
  return numbersOf(rows[0])
}

/** What each programme issued, over the nation: redeemed, expired, converted and left, less what was advanced. */
export async function checkIssuance(client: Client, asOf: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with sums as materialized (
       select (b.account / 100000000000 % 1000) as tail, (b.account / 100000000000000) as class, sum(b.posted) as posted
       from balance b where b.account / 100000000000000 in (1, 2, 3, 4, 5, 9) group by 1, 2),
     programmes as materialized (
       select tail, -coalesce(sum(posted) filter (where class = 3), 0) as issued,
              coalesce(sum(posted) filter (where class = 2), 0) as redeemed, coalesce(sum(posted) filter (where class = 4), 0) as expired,
              coalesce(sum(posted) filter (where class = 5), 0) as converted, coalesce(sum(posted) filter (where class = 1), 0) as remaining,
              -coalesce(sum(posted) filter (where class = 9), 0) as advanced
       from sums group by tail),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select 'issuance-not-conserved', 'programme:' || tail, $1::date, 0,
              format('programme %s: issued %s and advanced %s, but redeemed %s, expired %s, converted %s and left %s', tail % 100, issued,
                advanced, redeemed, expired, converted, remaining),
              jsonb_build_object('programme', tail % 100, 'issued', issued, 'advanced', advanced, 'redeemed', redeemed, 'expired', expired,
                'converted', converted, 'remaining', remaining)
       from programmes where issued + advanced <> redeemed + expired + converted + remaining
       on conflict do nothing returning 1)
     select (select count(*) from programmes) as programmes, (select count(*) from broken) as broken`,
    [asOf],
  )
  return numbersOf(rows[0])
}
