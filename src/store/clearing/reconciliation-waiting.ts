import type { Client } from '../connection.ts'
import { numbersOf } from './reconciliation-items.ts'
import type { LevelCounts } from './reconciliation-work.ts'

/** Days back in which a run has to have left the money: the last two payout days of whoever is paid once a month. */
const BACK_DAYS = 62

/** Why nothing was paid, where people have to mend something; the index of the table has the same. */
const BLOCKED = `('suspended', 'no-account', 'no-bank', 'no-institution')`

/** What an account has after the last posted run, where a run left it for a reason that people mend, and no run has paid it since. */
const leftUnpaid = `
     last_run as materialized (
       select business_date, cycle from settlement_run where state <> 'computed' order by business_date desc, cycle desc limit 1),
     left_there as (
       select d.account, d.account / 100000000000 as kind, d.closing from settlement_due d join last_run using (business_date, cycle)
       where d.closing <> 0 and d.note in ('cycle', 'suspended', 'no-account', 'no-bank', 'no-institution')),
     -- Until the next payout day of an outlet its note is that of the cycle: what the last one said holds.
     blocked as materialized (
       select d.account, d.business_date, d.cycle, d.note from settlement_due d
       join settlement_run r using (business_date, cycle)
       join left_there using (account)
       where d.note in ${BLOCKED} and r.value_date <= $1::date and d.business_date >= $1::date - ${BACK_DAYS}),
     paid as (
       select a.account, p.business_date, p.cycle from (select distinct account from blocked) a
       cross join lateral (
         select p.business_date, p.cycle from settlement_due p
         where p.account = a.account and p.business_date >= $1::date - ${BACK_DAYS}
           and (p.business_date, p.cycle) <= (select business_date, cycle from last_run)
           and (p.note is null or p.note in ('owes', 'nets-to-zero'))
         order by p.business_date desc, p.cycle desc limit 1) p),
     waiting as materialized (
       select l.account, l.kind, l.account % 100000000000 as owner, l.closing, min(b.business_date) as since,
              (array_agg(b.note order by b.business_date desc, b.cycle desc))[1] as note
       from left_there l
       join blocked b using (account)
       left join paid p on p.account = l.account
       where p.account is null or (b.business_date, b.cycle) > (p.business_date, p.cycle)
       group by l.account, l.kind, l.closing)`

/**
 * Money that runs left on accounts because nobody, or no account, is known to pay it to, or payouts are stopped. Institutions each
 * by their account; outlets are many, and one exception a reason is what people work on.
 * @param before the last value date that is long enough ago
 */
export async function findLeftUnpaid(client: Client, before: string): Promise<LevelCounts['compared']> {
  const { rows } = await client.query<Record<string, string>>(
    `with ${leftUnpaid},
     of_institutions as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select 'left-unpaid', 'account:' || w.account, w.since, abs(w.closing),
              format('account %s (%s of %s) has %s piasters, and no institution is registered to settle for it',
                w.account, k.name, w.owner, w.closing),
              jsonb_build_object('account', w.account, 'reason', w.note, 'piasters', w.closing)
       from waiting w join account_kind k on k.kind = w.kind
       where w.kind between 7002 and 7004 on conflict do nothing returning 1),
     of_outlets as (
       insert into found_break (break, key, business_date, value_at_risk_piasters, summary, detail)
       select 'left-unpaid', 'outlets:' || w.note, min(w.since), abs(sum(w.closing)),
              format('%s outlet(s) wait for %s piasters: %s', count(distinct w.owner), sum(w.closing),
                case w.note when 'suspended' then 'their payouts are stopped' when 'no-account' then 'they have no bank account'
                  when 'no-bank' then 'their bank is not known here' else 'their wholesaler is not registered' end),
              jsonb_build_object('reason', w.note, 'outlets', count(distinct w.owner), 'piasters', sum(w.closing),
                'some', to_jsonb((array_agg(distinct w.owner order by w.owner))[1:10]))
       from waiting w where w.kind not between 7002 and 7004 group by w.note on conflict do nothing returning 1)
     select (select count(*) from waiting) as accounts,
            (select count(*) from of_institutions) + (select count(*) from of_outlets) as broken`,
    [before],
  )
  return numbersOf(rows[0])
}
