import { type LedgerCheck, sql, sqlCheck } from './check.ts'

const { classOf, isDebt, isSubsidy, kindOf, ownerOf, tailOf } = sql

/** Invariant 1: what is debited is credited, in the same unit. */
const balancedPostings = sqlCheck({
  name: 'postings-balance',
  holds: 'debits equal credits in every unit and every authorization',
  lookFurther: 'Look at the group in the view "transfers", or with mizan explain.',
  with: `
    pair as (
      select ${kindOf('debit')} as debit_kind, ${kindOf('credit')} as credit_kind, count(*) as rows,
             sum(amount) as amount, min(group_id) as group_id, bool_or(amount <= 0 or debit = credit) as malformed
      from transfer group by 1, 2),
    unit as (
      select p.*, d.unit as debit_unit, c.unit as credit_unit
      from pair p left join account_kind d on d.kind = p.debit_kind left join account_kind c on c.kind = p.credit_kind),
    bad as (
      select format('group %s: %s transfer(s) from account kind %s (%s) to kind %s (%s)', group_id, rows, debit_kind,
                    coalesce(debit_unit, 'unknown'), credit_kind, coalesce(credit_unit, 'unknown')) as what
      from unit where malformed or debit_unit is null or credit_unit is distinct from debit_unit)`,
  checked: 'select coalesce(sum(rows), 0) from unit',
  note: `select coalesce(string_agg(format('%s %s', total, debit_unit), ', ' order by debit_unit), 'nothing')
           || ' debited and credited (EGP in piasters)'
         from (select debit_unit, sum(amount) as total from unit group by debit_unit) u`,
})

/** Invariant 5, first half: which accounts may meet, and whose they are. */
const subsidyNeverMoney = sqlCheck({
  name: 'subsidy-never-money',
  holds: 'no transfer takes subsidy value to money, to cash or to another household',
  lookFurther: 'mizan explain with the group number shows who asked for it.',
  with: `
    crossing as (
      select lane, business_date, group_id, leg, debit, credit from transfer
      where ${isSubsidy('debit')} <> ${isSubsidy('credit')}
         or (${isSubsidy('debit')} and (kind > 8 or ${tailOf('debit')} <> ${tailOf('credit')}))
         or (${isDebt('debit')} or ${isDebt('credit')}) and ${ownerOf('debit')} <> ${ownerOf('credit')}
         or (${classOf('debit')} = 1 and ${classOf('credit')} = 1)
         or (${classOf('debit')} = 6 and ${classOf('credit')} = 6)),
    household_side as (
      select lane, business_date, group_id, leg, debit, credit,
             case when ${classOf('debit')} in (1, 6) then ${ownerOf('debit')} else ${ownerOf('credit')} end as owner
      from transfer where ${classOf('debit')} in (1, 6) or ${classOf('credit')} in (1, 6)),
    stranger as (
      select s.lane, s.business_date, s.group_id, s.leg, s.debit, s.credit
      from household_side s
      left join authorization_journal a
        on a.lane = s.lane and a.business_date = s.business_date and a.id = s.group_id
      left join command_journal c on c.lane = s.lane and c.id = s.group_id
      where (a.id is not null or c.id is not null) and s.owner is distinct from coalesce(a.household_id, c.household_id)),
    bad as (
      select format('group %s leg %s: from %s to %s', group_id, leg, debit, credit) as what
      from (select * from crossing union select * from stranger) t
      union all
      select format('hold %s: from %s to %s', id, debit, credit) from hold
      where ${classOf('debit')} <> 6 or ${classOf('credit')} <> 7 or ${ownerOf('debit')} <> household_id)`,
  checked: '(select count(*) from transfer) + (select count(*) from hold)',
})

/**
 * Invariant 5, second half, and 8: what a reversal or refund gives back goes where it came from, once. Kinds: taken 2,
 * 10 to 15 and 21; given back 3, 16, 17, 24 by a message that names its original; taken again 6, 20 by the reversal of
 * such a refund; 19 and unlinked 16 answer for themselves. What was posted for a hold is one original with it: a
 * reversal may name either.
 */
const givenBackOnce = sqlCheck({
  name: 'given-back-once',
  holds: 'what is given back goes to the accounts and period it was taken from, and never more of it than was taken',
  lookFurther: 'mizan explain with the number of the original lists its reversals and refunds.',
  with: `
    named as (
      select t.lane, t.kind, t.debit, t.credit, t.amount, t.period,
             case when t.kind in (6, 20) and o.original_id is not null then o.original_id else a.original_id end as root,
             t.kind in (6, 20) and o.original_id is not null as again
      from transfer t
      join authorization_journal a on a.lane = t.lane and a.business_date = t.business_date and a.id = t.group_id
      left join authorization_journal o on o.lane = a.lane and o.id = a.original_id
      where t.kind in (3, 6, 16, 17, 19, 20, 24) and not (t.kind = 16 and a.original_id is null)),
    return_leg as (
      select n.lane, n.kind, n.debit, n.credit, n.amount, n.period, n.again, coalesce(h.id, n.root) as root
      from named n
      left join authorization_journal c on c.lane = n.lane and c.id = n.root and c.mti like '02%'
        and c.transaction_type <> '20'
      left join authorization_journal h on h.lane = c.lane and h.id = c.original_id and h.mti like '01%'),
    given as (
      select lane, root, case when again then debit else credit end as into_account,
             case when again then credit else debit end as from_account, period,
             sum(case when again then -amount else amount end) as amount
      from return_leg group by 1, 2, 3, 4, 5),
    member as (
      select distinct lane, root, root as id from given
      union
      select c.lane, h.id, c.id
      from (select distinct lane, root from given) g
      join authorization_journal h on h.lane = g.lane and h.id = g.root and h.mti like '01%'
      join authorization_journal c on c.lane = h.lane and c.original_id = h.id and c.mti like '02%'
        and c.transaction_type <> '20'),
    taken as (
      select t.lane, m.root, t.debit as into_account, t.credit as from_account, t.period,
             sum(t.amount) as amount
      from member m
      join transfer t on t.lane = m.lane and t.group_id = m.id
      where t.kind in (2, 10, 11, 12, 13, 14, 15, 16, 18, 21)
      group by 1, 2, 3, 4, 5),
    bad as (
      select format('authorization %s: %s given back to account %s period %s, %s was taken there', g.root, g.amount,
                    g.into_account, g.period, coalesce(t.amount, 0)) as what
      from given g
      left join taken t on t.lane = g.lane and t.root = g.root and t.into_account = g.into_account
        and t.from_account = g.from_account and t.period = g.period
      where g.root is null or g.amount > coalesce(t.amount, 0) or g.amount < 0)`,
  checked: 'select count(*) from transfer where kind in (3, 6, 16, 17, 19, 20, 24)',
})

export const postingChecks: readonly LedgerCheck[] = [balancedPostings, subsidyNeverMoney, givenBackOnce]
