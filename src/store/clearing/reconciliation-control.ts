import type { Client } from '../connection.ts'
import { numbersOf } from './reconciliation-items.ts'
import type { LevelCounts } from './reconciliation-work.ts'

/**
 * Control accounts as they must be after settlement, against the ledger. What is due to outlets and institutions (7001
 * to 7006, 7009) is what the last posted run left, what was posted since and what came to nothing; what is in transit
 * (7007) is what was instructed and not booked, and what was corrected of it; disputes (7008) are those that are open;
 * suspense (7010) is what open exceptions hold; the state's funds (8006) are what was made payable of its programmes,
 * less what it paid. Corrections that the writer has still to post count as posted. Runs after the other levels were
 * merged: what an exception explains is no break here.
 */
export async function compareControlAccounts(
  client: Client,
  { asOf, lookBackDays }: { readonly asOf: string; readonly lookBackDays: number },
): Promise<LevelCounts['compared']> {
  await keepPayables(client)
  const { rows } = await client.query<Record<string, string>>(
    `with ${dues}, ${transit}, ${others},
     expected as (
       select x.account, sum(x.piasters) as piasters from (
         select d.account, d.closing as piasters from settlement_due d join run r using (business_date, cycle)
         union all select account, piasters from since
         union all select account, piasters from failed
         union all select 7006 * 100000000000 + outlet_id, purchases_piasters + subsidy_piasters from settlement_holdback where released_date is null
         union all select 7007 * 100000000000 + bank, piasters from instructed
         union all select 7007 * 100000000000 + bank, piasters from booked
         union all select account, piasters from corrected
         union all select account, piasters from disputed
         union all select account, piasters from held
         union all select account, piasters from funds) x
       group by x.account),
     ledger as (
       select x.account, sum(x.piasters) as piasters from (
         select b.account, b.posted as piasters from balance b where b.household_id = 0
         union all select account, piasters from pending) x
       where x.account / 100000000000 in (7001, 7002, 7003, 7004, 7005, 7006, 7007, 7008, 7009, 7010, 8006)
       group by x.account),
     both_legs as materialized (
       select coalesce(l.account, e.account) as account, coalesce(l.piasters, 0) as ledger, coalesce(e.piasters, 0) as expected
       from ledger l full join expected e on e.account = l.account
       where case coalesce(l.account, e.account) / 100000000000
               when 7007 then true when 7010 then true when 7008 then (select not yes from is_presenting)
               else (select yes from is_settled) end),
     broken as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, account, difference_piasters, summary, detail)
       -- What was corrected is gone from the ledger: with it the difference is whole.
       select 'control-account-open', 'account:' || b.account, $1::date, abs(b.ledger - b.expected + coalesce(x.suspended_piasters, 0)),
              b.account, b.ledger - b.expected + coalesce(x.suspended_piasters + x.settled_piasters, 0),
              format('account %s (%s of %s) has %s piasters, %s are explained', b.account, k.name, b.account % 100000000000, b.ledger, b.expected),
              jsonb_build_object('account', b.account, 'ledgerPiasters', b.ledger, 'expectedPiasters', b.expected)
       from both_legs b
       join account_kind k on k.kind = b.account / 100000000000
       left join reconciliation_exception x on x.break = 'control-account-open' and x.key = 'account:' || b.account
       where b.ledger <> b.expected on conflict do nothing returning 1)
     select (select count(*) from both_legs) as accounts, (select count(*) from broken) as broken`,
    [asOf, lookBackDays],
  )
  return numbersOf(rows[0])
}

/** What a posted run made payable never changes: summed once, so that a run of the reconciliation adds up few rows. */
async function keepPayables(client: Client): Promise<void> {
  await client.query(
    `insert into reconciliation_payable (business_date, cycle, programme, payable_piasters)
     select p.business_date, p.cycle, p.programme, sum(p.payable_piasters)
     from settlement_run r join settlement_payable p on p.business_date = r.business_date and p.cycle = r.cycle
     where r.state <> 'computed'
       and not exists (select from reconciliation_payable k where k.business_date = r.business_date and k.cycle = r.cycle)
     group by 1, 2, 3 on conflict do nothing`,
  )
}

/**
 * Outlets and institutions. A date that is known when the statement begins spares it the days of the journal before.
 */
const dues = `
     run as materialized (
       select r.business_date, r.cycle from settlement_run r where r.state <> 'computed'
       order by r.business_date desc, r.cycle desc limit 1),
     -- Nothing is asked of dues while a run is between its computation and its posting.
     is_settled as (select not exists (select from settlement_run r where r.state = 'computed') and exists (select from run) as yes),
     since as (
       select m.account, sum(m.piasters) as piasters
       from (
         select t.credit as account, t.amount as piasters from transfer t
         where t.business_date > (select business_date from run) and t.kind not between 40 and 49 and t.credit / 100000000000 between 7001 and 7004
         union all
         select t.debit, -t.amount from transfer t
         where t.business_date > (select business_date from run) and t.kind not between 40 and 49 and t.debit / 100000000000 between 7001 and 7004) m
       group by m.account),
     -- Where money stands again that was not paid, or came back: see settlement-failure.ts. What came back counts when the
     -- bank has shown it, and may be less than was paid.
     failing as (
       select i.id, i.purpose = 'net' as is_net, i.restored_piasters as taken_up,
              case when i.state = 'returned' then coalesce((
                select sum(e.piasters) from settlement_instruction_event e
                where e.instruction_id = i.id and e.state = 'returned' and e.piasters > 0), 0) end as returned
       from settlement_instruction i
       where i.state in ('rejected', 'returned', 'cancelled') and i.restored_date is null),
     failed_line as (
       (select distinct on (f.id) f.id, f.returned, f.taken_up, l.account, sum(l.piasters) over (partition by f.id) as piasters
        from failing f join settlement_instruction_line l on l.instruction_id = f.id where f.is_net
        order by f.id, l.piasters * sign(sum(l.piasters) over (partition by f.id)) desc, l.account)
       union all
       select f.id, f.returned, f.taken_up, 7009 * 100000000000 + l.account % 100000000000, sum(l.piasters)
       from failing f join settlement_instruction_line l on l.instruction_id = f.id where not f.is_net group by 1, 2, 3, 4),
     failed as (
       select account, case when returned is null then piasters
                else greatest(0, least(piasters, returned - before)) - greatest(0, least(piasters, taken_up - before)) end as piasters
       from (select l.*, coalesce(sum(piasters) over (partition by id order by piasters desc, account
                                    rows between unbounded preceding and 1 preceding), 0) as before
             from failed_line l) l)`

/** Instructed, booked, and moved by two people; of a batch the message says of which business date it is. */
const transit = `
     instructed as materialized (
       select i.id, i.bank, i.state, case i.direction when 'pay' then i.amount_piasters else -i.amount_piasters end as piasters
       from settlement_instruction i join settlement_run r on r.business_date = i.business_date and r.cycle = i.cycle
       where r.state <> 'computed'
         and (i.state in ('prepared', 'released', 'sent', 'accepted')
           or i.state in ('settled', 'returned') and i.business_date >= $1::date - $2::integer)),
     booked as (
       select s.bank, sum(e.amount_piasters - e.suspense_piasters) as piasters
       from bank_entry e join bank_statement s on s.id = e.statement_id
       left join instructed i on i.id = e.matched_instruction
       where s.state = 'booked' and e.kind in (46, 47)
         and (i.id is not null
           or e.matched_instruction is null
              and coalesce(to_date(substring(e.message_id from '-([0-9]{8})-[0-9]+(?:-[0-9]+)?$'), 'YYYYMMDD'), s.statement_date) >= $1::date - $2::integer)
       group by s.bank),
     corrected as (
       select p.account, sum(p.piasters) as piasters
       from reconciliation_exception e
       join judged_break t on t.name = e.break and not t.in_ledger
       join reconciliation_event v on v.exception_id = e.id and v.detail ? 'postings'
       cross join lateral jsonb_to_recordset(v.detail -> 'postings') q(debit bigint, credit bigint, "amountPiasters" bigint)
       cross join lateral (values (q.credit, q."amountPiasters"), (q.debit, -q."amountPiasters")) p(account, piasters)
       left join instructed i on i.id = (e.detail ->> 'instructionId')::bigint
       where e.account is not null and p.account / 100000000000 = 7007
         and (i.id is not null or not e.detail ? 'instructionId' and e.business_date >= $1::date - $2::integer)
       group by p.account)`

const others = `
     -- The network has its money back before the dispute says so.
     is_presenting as (
       select exists (select from network_item n where n.state = 'posting' and n.posting_reference like 'dispute:%') as yes),
     disputed as (
       select 7008 * 100000000000 as account, sum(case d.state when 'represented' then -d.amount_piasters else d.amount_piasters end) as piasters
       from dispute d where d.posted and (d.state in ('raised', 'sent') and not d.credited or d.state = 'represented' and d.credited)),
     held as (
       select case when e.account / 100000000000 = 7010 then e.account else 7010 * 100000000000 + t.number end as account,
              sum(case when e.account / 100000000000 = 7010 then e.difference_piasters - e.settled_piasters else e.suspended_piasters end) as piasters
       from reconciliation_exception e join judged_break t on t.name = e.break
       where e.state in ('open', 'assigned', 'waiting') and e.account is not null
       group by 1),
     funds as (
       select 8006 * 100000000000 + k.programme as account, -k.payable_piasters as piasters from reconciliation_payable k
       union all
       select e.counter_account, e.amount_piasters - e.suspense_piasters from bank_entry e join bank_statement s on s.id = e.statement_id
       where e.kind = 60 and e.counter_account / 100000000000 = 8006 and s.state = 'booked'),
     -- Asked of the writer by two people, and not posted yet.
     pending as (
       select p.account, sum(p.piasters) as piasters
       from command_inbox c
       cross join lateral jsonb_array_elements(c.detail -> 'postings') q(posting)
       cross join lateral (values ((q.posting ->> 2)::bigint, (q.posting ->> 3)::bigint),
                                  ((q.posting ->> 1)::bigint, -(q.posting ->> 3)::bigint)) p(account, piasters)
       where c.done_id is null and c.kind = 'settlement-post'
         and (c.idempotency_key like 'exception:%' or c.idempotency_key like 'dispute:%:raised#%')
       group by p.account)`
