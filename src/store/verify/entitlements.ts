import { type LedgerCheck, sql, sqlCheck } from './check.ts'

const { classOf, ownerOf, tailOf } = sql

/** The month of a day (8 digits), of a month (6) or of the first one of a span (7, the first being 9). */
const monthOfPeriod = (period: string) =>
  `case when ${period} > 9999999 then ${period} / 100 else ${period} % 9000000 end`

/** What happened to each wallet in each period. */
const wallets = `
  programme as (
    select * from jsonb_to_recordset($1::jsonb -> 'programmes')
      r(tail integer, code text, kind text, granted boolean)),
  wallet as (
    select lane, wallet, period, ${monthOfPeriod('period')} as month, ${ownerOf('wallet')} as household_id, ${tailOf('wallet')} as tail,
           coalesce(sum(amount) filter (where kind = 1), 0) as issued, count(*) filter (where kind = 1) as issues,
           min(group_id) filter (where kind = 1) as issued_by,
           coalesce(sum(case kind when 3 then -amount else amount end) filter (where kind in (2, 3, 6)), 0) as redeemed,
           coalesce(sum(amount) filter (where kind = 4), 0) as expired,
           coalesce(sum(amount) filter (where kind = 5), 0) as converted
    from (select lane, group_id, case when kind in (1, 3) then credit else debit end as wallet, period, kind, amount
          from transfer where kind <= 6) t
    group by 1, 2, 3, 4)`

/** Invariant 8. The rule is held against the members of the period: of the day, or of the month's first day. */
const quotasKept = sqlCheck({
  name: 'quotas-kept',
  holds:
    'every period is issued once and by its rule, nothing beyond it is drawn, and exclusive programmes exclude each other',
  lookFurther: 'Follow the wallet through the view "entries"; mizan explain shows each draw.',
  with: `${wallets},
    entitlement as (
      select * from jsonb_to_recordset($1::jsonb -> 'entitlements') 
        r(tail integer, members integer, amount bigint, low integer, high integer)),
    judged as (
      select w.*, p.code, p.kind, p.granted, e.amount as entitled
      from wallet w
      left join programme p on p.tail = w.tail
      left join lateral (
        select t.members from household_term t
          where t.lane = w.lane and t.household_id = w.household_id
          order by t.from_date > case when w.period > 9999999 then w.period else w.month * 100 + 1 end,
                   abs(t.from_date - case when w.period > 9999999 then w.period else w.month * 100 end)
          limit 1) h on true
      left join lateral (
        select max(e.amount) as amount from entitlement e
          where e.tail = w.tail and e.members = h.members and w.month between e.low and e.high) e on true),
    exclusive as (
      select w.household_id, w.month, count(distinct w.tail) as programmes, x.low
      from wallet w
      join (select distinct least(tail, other) as low, unnest(array[tail, other]) as tail
            from jsonb_to_recordset($1::jsonb -> 'exclusive') r(tail integer, other integer)) x on x.tail = w.tail
      where w.redeemed > 0
      group by 1, 2, 4),
    bad as (
      select format('household %s %s period %s: issued %s in %s issue(s), redeemed %s, expired %s, converted %s, entitled %s',
                    household_id, coalesce(code, tail::text), period, issued, issues, redeemed, expired, converted,
                    coalesce(entitled::text, 'unknown')) as what
      from judged j
      where issues <> 1 or redeemed < 0 or redeemed + expired + converted > issued or code is null
        or kind <> case when period > 9999999 then 'day' when period > 9000000 then 'span' else 'month' end
        or case when granted then not exists (select from command_journal c where c.lane = j.lane and c.id = j.issued_by)
           else issued > coalesce(entitled, 0) end
      union all
      select format('household %s drew on %s exclusive programmes in %s', household_id, programmes, month)
      from exclusive where programmes > 1)`,
  checked: 'select count(*) from wallet',
})

/** Invariant 9. */
const entitlementsAccounted = sqlCheck({
  name: 'entitlements-accounted',
  holds: 'issued = redeemed + expired + converted + remaining, for every household and programme',
  lookFurther: 'Compare the view "balances" of the household with its "entries".',
  with: `${wallets},
    flow as (
      select lane, household_id, tail, sum(issued) as issued, sum(redeemed) as redeemed, sum(expired) as expired,
             sum(converted) as converted
      from wallet group by 1, 2, 3),
    remaining as (
      select lane, ${ownerOf('account')} as household_id, ${tailOf('account')} as tail, sum(posted) as remaining
      from balance where ${classOf('account')} = 1 group by 1, 2, 3),
    bad as (
      select format('household %s programme %s: issued %s, redeemed %s, expired %s, converted %s, remaining %s',
                    coalesce(f.household_id, r.household_id), coalesce(p.code, coalesce(f.tail, r.tail)::text),
                    coalesce(issued, 0), coalesce(redeemed, 0), coalesce(expired, 0), coalesce(converted, 0),
                    coalesce(remaining, 0)) as what
      from flow f
      full join remaining r on r.lane = f.lane and r.household_id = f.household_id and r.tail = f.tail
      left join programme p on p.tail = coalesce(f.tail, r.tail)
      where coalesce(issued, 0) <> coalesce(redeemed + expired + converted, 0) + coalesce(remaining, 0))`,
  checked: 'select count(*) from flow',
})

export const entitlementChecks: readonly LedgerCheck[] = [quotasKept, entitlementsAccounted]
