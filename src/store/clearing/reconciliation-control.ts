import type { Client } from '../connection.ts'
import { numbersOf } from './reconciliation-items.ts'
import type { LevelCounts } from './reconciliation-work.ts'

/**
 * Control accounts as they must be after settlement, against the ledger. What is due to outlets and institutions (7001 to 7006,
 * 7009) is what the last posted run left, what was posted since and what came to nothing; what is in transit (7007) is what was
 * instructed and not booked; suspense (7010) is what open exceptions hold. Runs after the other levels were merged: what an
 * exception explains is no break here.
 */
export async function compareControlAccounts(
  client: Client,
  { asOf, lookBackDays }: { readonly asOf: string; readonly lookBackDays: number },
): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with run as materialized (
       select r.business_date, r.cycle from settlement_run r where r.state <> 'computed'
       order by r.business_date desc, r.cycle desc limit 1),
     -- Nothing is asked of dues while a run is between its computation and its posting.
     is_settled as (select not exists (select from settlement_run r where r.state = 'computed') and exists (select from run) as yes),
     since as (
       select m.account, sum(m.piasters) as piasters
       from (
         select t.credit as account, t.amount as piasters from transfer t, run r
         where t.business_date > r.business_date and t.kind not between 40 and 49 and t.credit / 100000000000 between 7001 and 7004
         union all
         select t.debit, -t.amount from transfer t, run r
         where t.business_date > r.business_date and t.kind not between 40 and 49 and t.debit / 100000000000 between 7001 and 7004) m
       group by m.account),
     -- Where money stands again that was not paid, or came back: see settlement-failure.ts. What came back counts when the
     -- bank has shown it, and may be less than was paid.
     failing as (
       select i.id, i.purpose = 'net' as is_net,
              case when i.state = 'returned' then coalesce((
                select sum(e.piasters) from settlement_instruction_event e
                where e.instruction_id = i.id and e.state = 'returned' and e.piasters > 0), 0) end as returned
       from settlement_instruction i
       where i.state in ('rejected', 'returned', 'cancelled') and i.restored_date is null and i.purpose <> 'cover'),
     failed_line as (
       (select distinct on (f.id) f.id, f.returned, l.account, sum(l.piasters) over (partition by f.id) as piasters
        from failing f join settlement_instruction_line l on l.instruction_id = f.id where f.is_net
        order by f.id, l.piasters * sign(sum(l.piasters) over (partition by f.id)) desc, l.account)
       union all
       select f.id, f.returned, 7009 * 100000000000 + l.account % 100000000000, sum(l.piasters)
       from failing f join settlement_instruction_line l on l.instruction_id = f.id where not f.is_net group by 1, 2, 3),
     failed as (
       select account, case when returned is null then piasters else greatest(0, least(piasters, returned - before)) end as piasters
       from (select l.*, coalesce(sum(piasters) over (partition by id order by piasters desc, account
                                    rows between unbounded preceding and 1 preceding), 0) as before
             from failed_line l) l),
     instructed as materialized (
       select i.id, i.bank, i.state, case i.direction when 'pay' then i.amount_piasters else -i.amount_piasters end as piasters
       from settlement_instruction i join settlement_run r on r.business_date = i.business_date and r.cycle = i.cycle
       where i.purpose <> 'cover' and r.state <> 'computed'
         and (i.state in ('prepared', 'released', 'sent', 'accepted')
           or i.state in ('settled', 'returned') and i.business_date >= $1::date - $2::integer)),
     booked as (
       select s.bank, sum(e.amount_piasters - e.suspense_piasters) as piasters
       from bank_entry e join bank_statement s on s.id = e.statement_id
       where s.state = 'booked' and e.kind in (46, 47)
         and case when e.matched_instruction is null then s.statement_date >= $1::date - $2::integer
               else e.matched_instruction in (select id from instructed) end
       group by s.bank),
     held as (
       select case when e.suspended then 7010 * 100000000000 + t.number else e.account end as account,
              e.account as moved_from, e.suspended, e.difference_piasters as piasters
       from reconciliation_exception e join judged_break t on t.name = e.break
       where e.state in ('open', 'assigned', 'waiting') and e.account is not null and e.difference_piasters <> 0),
     expected as (
       select x.account, sum(x.piasters) as piasters from (
         select d.account, d.closing as piasters from settlement_due d join run r using (business_date, cycle)
         union all select account, piasters from since
         union all select account, piasters from failed
         union all select 7006 * 100000000000 + outlet_id, purchases_piasters + subsidy_piasters from settlement_holdback where released_date is null
         union all select 7007 * 100000000000 + bank, piasters from instructed
         union all select 7007 * 100000000000 + bank, piasters from booked
         union all select account, piasters from held where account / 100000000000 = 7010
         union all select moved_from, -piasters from held where suspended and moved_from / 100000000000 = 7007) x
       group by x.account),
     ledger as (
       select b.account, sum(b.posted) as piasters from balance b
       where b.household_id = 0 and b.account / 100000000000 in (7001, 7002, 7003, 7004, 7005, 7006, 7007, 7009, 7010) group by b.account),
     both_legs as materialized (
       select coalesce(l.account, e.account) as account, coalesce(l.piasters, 0) as ledger, coalesce(e.piasters, 0) as expected
       from ledger l full join expected e on e.account = l.account
       where coalesce(l.account, e.account) / 100000000000 in (7007, 7010) or (select yes from is_settled)),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, account, difference_piasters, summary, detail)
       select 'control-account-open', 'account:' || b.account, $1::date, abs(b.ledger - b.expected), b.account, b.ledger - b.expected,
              format('account %s (%s of %s) has %s piasters, %s are explained', b.account, k.name, b.account % 100000000000, b.ledger, b.expected),
              jsonb_build_object('account', b.account, 'ledgerPiasters', b.ledger, 'expectedPiasters', b.expected)
       from both_legs b join account_kind k on k.kind = b.account / 100000000000
       where b.ledger <> b.expected on conflict do nothing returning 1)
     select (select count(*) from both_legs) as accounts, (select count(*) from broken) as broken`,
    [asOf, lookBackDays],
  )
  return numbersOf(rows[0])
}
