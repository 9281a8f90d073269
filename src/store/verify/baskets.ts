import { type LedgerCheck, sql, sqlCheck } from './check.ts'

const { unitOf } = sql

/**
 * Lines of baskets and refunds, and what is counted against caps. A decision says in its trace what it counted; the
 * counter is the sum of what they say.
 */
const basketsAddUp = sqlCheck({
  name: 'baskets-add-up',
  holds:
    'the lines of a basket come to what its wallets paid, no line comes back twice, and caps count what was decided',
  lookFurther: 'mizan explain with the authorization number shows its lines and what it counted.',
  with: `
    line as (
      select lane, authorization_id as id, sum(granted_piasters) as granted,
             sum(round(quantity * unit_price / 1000.0)) as asked, bool_or(reason = 'OK' and granted > quantity) as odd
      from basket_line group by 1, 2),
    goods as (
      select t.lane, t.group_id as id, sum(t.amount) as amount from transfer t
      where t.kind in (2, 3) and ${unitOf('t.debit')} = 0
        and exists (select from line l where l.lane = t.lane and l.id = t.group_id)
      group by 1, 2),
    returned as (
      select x.lane, a.original_id as id, x.line, sum(x.quantity) as quantity, sum(x.granted_piasters) as granted
      from basket_line x
      join authorization_journal a on a.lane = x.lane and a.id = x.authorization_id and a.transaction_type = '20'
      where not exists (select from authorization_journal u where u.lane = a.lane and u.original_id = a.id
                          and u.mti like '04%' and u.result = 'approved')
      group by 1, 2, 3),
    counted as (
      select a.lane, a.household_id, (e ->> 2)::integer as period, (e ->> 1)::integer as counter,
             sum((e ->> 3)::bigint) as used
      from authorization_journal a
      cross join lateral jsonb_array_elements(a.trace::jsonb) e
      where a.trace like '%"usage.counted"%' and a.result in ('approved', 'partially-approved')
        and e ->> 0 = 'usage.counted'
      group by 1, 2, 3, 4),
    bad as (
      select format('authorization %s: its lines ask %s and grant %s piasters, the message %s and the wallets %s',
                    l.id, l.asked, l.granted, a.amount, coalesce(g.amount, 0)) as what
      from line l
      left join authorization_journal a on a.lane = l.lane and a.id = l.id
      left join goods g on g.lane = l.lane and g.id = l.id
      where (l.asked = a.amount and l.granted = coalesce(g.amount, 0) and not l.odd) is not true
      union all
      select format('authorization %s: %s thousandths of line %s came back, worth %s piasters of subsidy', r.id,
                    r.quantity, r.line, r.granted)
      from returned r left join basket_line b on b.lane = r.lane and b.authorization_id = r.id and b.line = r.line
      where (r.quantity <= b.quantity and r.granted <= b.granted_piasters) is not true
      union all
      select format('household %s cap %s of %s: %s used, decisions counted %s', household_id, counter, period,
                    coalesce(u.used, 0), coalesce(c.used, 0))
      from usage_counter u full join counted c using (lane, household_id, period, counter)
      where coalesce(u.used, 0) <> coalesce(c.used, 0))`,
  checked: '(select count(*) from basket_line) + (select count(*) from usage_counter)',
})

export const basketChecks: readonly LedgerCheck[] = [basketsAddUp]
