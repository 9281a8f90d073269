import { type LedgerCheck, sql, sqlCheck } from './check.ts'

const { classOf, isDebt } = sql

/** Invariant 2: the balance rows are the fold of the journal. A wallet is a balance per period, all else one. */
const balancesEqualJournal = sqlCheck({
  name: 'balances-equal-journal',
  holds: 'every balance equals the sum of its transfers, and what it holds that of its open holds',
  lookFurther: 'Compare the view "balances" with "entries" of the account; the journal is right.',
  with: `
    entry as (
      select lane, debit as account, case when ${classOf('debit')} = 1 then period else 0 end as period, -amount as posted,
             0 as held from transfer
      union all
      select lane, credit, case when ${classOf('credit')} = 1 then period else 0 end, amount, 0 from transfer
      union all
      select lane, debit, 0, 0, amount from hold
      union all
      select h.lane, h.debit, 0, 0, -e.captured - e.released
      from hold_event e join hold h on h.lane = e.lane and h.id = e.id),
    fold as (
      select lane, account, period, sum(posted) as posted, sum(held) as held from entry group by 1, 2, 3),
    bad as (
      select format('account %s period %s: %s posted and %s held, the journal says %s and %s', coalesce(b.account, f.account),
                    coalesce(b.period, f.period), b.posted, b.held, f.posted, f.held) as what
      from balance b
      full join fold f on f.lane = b.lane and f.account = b.account and f.period = b.period
      where coalesce(b.posted, 0) <> coalesce(f.posted, 0) or coalesce(b.held, 0) <> coalesce(f.held, 0))`,
  checked: 'select count(*) from balance',
})

/**
 * Invariant 2: what a household could spend never fell below zero, and what it owes never above. Within one
 * authorization a hold is drawn on first, then its transfers post in order of their legs, then a hold is made.
 */
const neverBelowFloor = sqlCheck({
  name: 'never-below-floor',
  holds: 'no wallet or postal account is below zero after any row of the journal, and no debt above',
  lookFurther: 'Follow the account through the view "entries", in order of group_id and leg.',
  with: `
    event as (
      select lane, debit as account, period, group_id as id, 1 as phase, leg, -amount as change
      from transfer where ${classOf('debit')} in (1, 6)
      union all
      select lane, credit, period, group_id, 1, leg, amount from transfer where ${classOf('credit')} in (1, 6)
      union all
      select lane, debit, 0, id, 2, 0::smallint, -amount from hold
      union all
      select h.lane, h.debit, 0, e.by_id, 0, 0::smallint, e.captured + e.released
      from hold_event e join hold h on h.lane = e.lane and h.id = e.id
      union all
      select lane, debit, 0, group_id, 1, leg, amount from transfer where ${isDebt('debit')}
      union all
      select lane, credit, 0, group_id, 1, leg, -amount from transfer where ${isDebt('credit')}),
    running as (
      select account, period, id,
             sum(change) over (partition by lane, account, period order by id, phase, leg) as available
      from event),
    bad as (
      select format('account %s period %s falls to %s with %s', account, period, available, id) as what
      from running where available < 0)`,
  checked: 'select count(*) from transfer',
})

export const balanceChecks: readonly LedgerCheck[] = [balancesEqualJournal, neverBelowFloor]
