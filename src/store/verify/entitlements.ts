import { type LedgerCheck, sql, sqlCheck } from './check.ts'

const { classOf, ownerOf, tailOf } = sql

/** The month of a day (8 digits), of a month (6) or of the first one of a span (7, the first being 9). */
const monthOfPeriod = (period: string) =>
  `case when ${period} > 9999999 then ${period} / 100 else ${period} % 9000000 end`

/**
 * What happened to each wallet in each period. Issued by rule is what a draw opens, or a closing issues of the very
 * month that it closes; everything else is credited by a command: granted, converted or carried into the period.
 */
const wallets = `
  programme as (
    select * from jsonb_to_recordset($1::jsonb -> 'programmes')
      r(tail integer, code text, kind text, granted boolean)),
  movement as (
    select t.lane, case when t.kind in (1, 3, 7) then t.credit else t.debit end as wallet, t.period, t.kind, t.amount, t.batch_seq,
           t.kind = 1 and case c.kind
             when 'month-closed' then (c.detail::jsonb ->> 'month')::integer = ${monthOfPeriod('t.period')}
             when 'household-opened' then not p.granted
             else c.kind is null end as ruled,
           c.kind = 'month-closed' as closing
    from transfer t
    left join command_journal c on t.kind = 1 and c.lane = t.lane and c.id = t.group_id
    left join programme p on p.tail = ${tailOf('t.credit')}
    where t.kind <= 8),
  wallet as (
    select lane, wallet, period, ${monthOfPeriod('period')} as month, ${ownerOf('wallet')} as household_id,
           ${tailOf('wallet')} as tail,
           coalesce(sum(amount) filter (where kind = 1), 0) as issued,
           coalesce(sum(amount) filter (where ruled), 0) as ruled, count(*) filter (where ruled) as rulings,
           min(batch_seq) filter (where ruled) as ruled_seq,
           bool_and(closing) filter (where kind = 1) as by_closing,
           coalesce(sum(case kind when 3 then -amount else amount end) filter (where kind in (2, 3, 6)), 0) as redeemed,
           coalesce(sum(amount) filter (where kind = 4), 0) as expired,
           coalesce(sum(amount) filter (where kind = 5), 0) as converted,
           coalesce(sum(amount) filter (where kind = 7), 0) as advanced,
           coalesce(sum(amount) filter (where kind = 8), 0) as recovered
    from movement group by 1, 2, 3, 4)`

/**
 * Members that count for the period `w` on `date`; before the first term, those that it will bring.
 * @param terms those that are looked at
 */
const membersOn = (date: string, terms: string) => `
  (select t.members from household_term t
   where t.lane = w.lane and t.household_id = w.household_id and ${terms}
   order by t.from_date > ${date}, case when t.from_date > ${date} then t.from_date else -t.from_date end limit 1)`

const entitledOn = (date: string, terms = 'true') => `
  (select max(e.amount) from entitlement e
   where e.tail = w.tail and w.month between e.low and e.high and e.members = ${membersOn(date, terms)})`

/** What a day was worth that was opened ahead: members who left before it came had been drawn for. */
const entitledWhenOpened = `greatest(${entitledOn('w.period')}, ${entitledOn('w.period', 't.batch_seq <= w.ruled_seq')})`

/** Days of the month `w` as yyyymmdd. */
const daysOfMonth = `
  generate_series(to_date(w.month::text, 'YYYYMM'), to_date(w.month::text, 'YYYYMM') + interval '1 month - 1 day', interval '1 day')`

/**
 * Invariant 8. The rule is held against the members of the period: of the day, or of the month's first day; of a day that
 * was drawn ahead, also against those who were members of it by then. Days that nobody touched are issued at the month's
 * end in one sum, which is at most theirs.
 */
const quotasKept = sqlCheck({
  name: 'quotas-kept',
  holds:
    'every period is issued once and by its rule, nothing beyond it is drawn, and exclusive programmes exclude each other',
  lookFurther: 'Follow the wallet through the view "entries"; mizan explain shows each draw.',
  with: `${wallets},
    entitlement as materialized (
      select * from jsonb_to_recordset($1::jsonb -> 'entitlements')
        r(tail integer, members integer, amount bigint, low integer, high integer)),
    opened as (
      select lane, wallet, month, array_agg(period) as days from wallet where period > 9999999 and ruled > 0 group by 1, 2, 3),
    judged as (
      select w.*, p.code, p.kind, coalesce(p.kind = 'day' and w.period <= 9999999 and w.by_closing, false) as in_one_sum,
             case when p.kind = 'day' and w.period <= 9999999
               then (select sum(${entitledOn("to_char(d, 'YYYYMMDD')::integer")}) from ${daysOfMonth} d
                     where o.days is null or to_char(d, 'YYYYMMDD')::integer <> all (o.days))
             when w.period > 9999999 then ${entitledWhenOpened}
               else ${entitledOn('w.month * 100 + 1')}
             end as entitled
      from wallet w
      left join programme p on p.tail = w.tail
      left join opened o on o.lane = w.lane and o.wallet = w.wallet and o.month = w.month),
    exclusive as (
      select w.household_id, w.month, count(distinct w.tail) as programmes, x.low
      from wallet w
      join (select distinct least(tail, other) as low, unnest(array[tail, other]) as tail
            from jsonb_to_recordset($1::jsonb -> 'exclusive') r(tail integer, other integer)) x on x.tail = w.tail
      where w.redeemed > 0
      group by 1, 2, 4),
    bad as (
      select format('household %s %s period %s: issued %s, of which %s by rule in %s issue(s), redeemed %s, expired %s, converted %s, advanced %s, recovered %s, entitled %s',
                    household_id, coalesce(code, tail::text), period, issued, ruled, rulings, redeemed, expired, converted,
                    advanced, recovered, coalesce(entitled::text, 'unknown')) as what
      from judged j
      where rulings > 1 or issued + advanced = 0 or ruled > coalesce(entitled, 0) or code is null
        or redeemed < 0 or redeemed + expired + converted + recovered > issued + advanced
        or case when in_one_sum then redeemed > 0
           else kind <> case when period > 9999999 then 'day' when period > 9000000 then 'span' else 'month' end end
      union all
      select format('household %s drew on %s exclusive programmes in %s', household_id, programmes, month)
      from exclusive where programmes > 1)`,
  checked: 'select count(*) from wallet',
})

/** Invariant 9. */
const entitlementsAccounted = sqlCheck({
  name: 'entitlements-accounted',
  holds:
    'issued + outstanding advances = redeemed + expired + converted + remaining, for every household and programme',
  lookFurther: 'Compare the view "balances" of the household with its "entries".',
  with: `${wallets},
    flow as (
      select lane, household_id, tail, sum(issued) as issued, sum(redeemed) as redeemed, sum(expired) as expired,
             sum(converted) as converted, sum(advanced - recovered) as advanced
      from wallet group by 1, 2, 3),
    remaining as (
      select lane, ${ownerOf('account')} as household_id, ${tailOf('account')} as tail, sum(posted) as remaining
      from balance where ${classOf('account')} = 1 group by 1, 2, 3),
    bad as (
      select format('household %s programme %s: issued %s, owed %s, redeemed %s, expired %s, converted %s, remaining %s',
                    coalesce(f.household_id, r.household_id), coalesce(p.code, coalesce(f.tail, r.tail)::text),
                    coalesce(issued, 0), coalesce(advanced, 0), coalesce(redeemed, 0), coalesce(expired, 0), coalesce(converted, 0),
                    coalesce(remaining, 0)) as what
      from flow f
      full join remaining r on r.lane = f.lane and r.household_id = f.household_id and r.tail = f.tail
      left join programme p on p.tail = coalesce(f.tail, r.tail)
      where coalesce(issued + advanced, 0) <> coalesce(redeemed + expired + converted, 0) + coalesce(remaining, 0))`,
  checked: 'select count(*) from flow',
})

export const entitlementChecks: readonly LedgerCheck[] = [quotasKept, entitlementsAccounted]
