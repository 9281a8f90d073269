import { type LedgerCheck, sql, sqlCheck } from './check.ts'

const { tailOf, unitOf } = sql

/** A health co-payment that was paid, or paid back, in cash at the desk: nothing is posted for it. */
const paidAtDesk = `(a.trace like '%"copay.cash"%' and a.trace like '%"route.health"%' or a.trace like '%"copay.cash-returned"%')`

/**
 * What each authorization moved: value in piasters and in counted units. Issues, expiries and conversions accompany a
 * draw or a return and are not part of its amount; nor are fees.
 */
const moved = `
  moved as (
    select lane, business_date, group_id,
           sum(amount) filter (where kind in (2, 3, 6) and ${unitOf('debit')} = 0) as goods,
           sum(amount) filter (where kind in (2, 3, 6) and ${unitOf('debit')} > 0) as units,
           max(${tailOf('debit')}) filter (where kind in (2, 3, 6) and ${unitOf('debit')} > 0) as tail,
           sum(amount) filter (where kind >= 10 and kind not in (21, 24)) as money
    from transfer group by 1, 2, 3),
  ending as (
    select e.lane, e.by_id, min(e.ending) as ending, sum(e.captured) as captured, sum(h.amount) as amount
    from hold_ending e join hold h on h.lane = e.lane and h.id = e.id group by 1, 2),
  tariff as (
    select * from jsonb_to_recordset($1::jsonb -> 'tariffs') r(tail integer, "from" date, piasters bigint)),
  answered as (
    select a.id, a.mti, a.transaction_type as type, a.result, a.amount, a.approved_amount as approved,
           m.group_id, m.goods, m.units, m.money, h.id as hold_id, h.amount as held,
           e.ending, e.captured, e.amount as ended, a.original_id, ${paidAtDesk} as at_desk,
           a.trace like '%"cover.nothing-due"%' as free,
           o.approved_amount as original_approved, om.units as original_units,
           (select p.piasters from tariff p where p.tail = m.tail and p."from" <= a.entitlement_date
            order by p."from" desc limit 1) as price
    from authorization_journal a
    left join moved m on m.lane = a.lane and m.business_date = a.business_date and m.group_id = a.id
    left join hold h on h.lane = a.lane and h.id = a.id
    left join ending e on e.lane = a.lane and e.by_id = a.id
    left join authorization_journal o on m.units is not null and o.lane = a.lane and o.id = a.original_id
    left join moved om on om.lane = o.lane and om.business_date = o.business_date and om.group_id = o.id)`

/** Counted units and their price make the amount; what goes back does so whole. The co-payment is all of it, or cash. */
const countedRight = `
  goods is null and coalesce(money, approved) = approved
  and case when original_id is null then units * price = approved
      else approved = original_approved and units = original_units end`

/** How an answer and what was posted for it must agree; null counts as disagreement. */
const explained = `
  case
    when result not in ('approved', 'partially-approved')
      then approved = 0 and group_id is null and hold_id is null and ending is null
    when result = 'partially-approved' and approved >= amount then false
    when result = 'approved' and approved <> amount and mti not like '04%' and type not in ('30', '31', '39') then false
    when approved = 0
      then group_id is null and hold_id is null and ending is null
           and (mti like '04%' or type in ('30', '31', '39') or free)
    when hold_id is not null then mti like '01%' and group_id is null and ending is null and held = approved
    when ending = 'voided' then mti like '04%' and group_id is null and ended = approved
    when ending = 'captured' then money = approved and captured = approved and goods is null and units is null
    when group_id is null and ending is null and at_desk then true
    when ending is not null or group_id is null then false
    when units is not null then ${countedRight}
    else coalesce(goods, 0) + coalesce(money, 0) = approved
  end`

/** Invariant 3, first half. */
const approvalsPosted = sqlCheck({
  name: 'approvals-posted',
  holds: 'every approval has one transfer group or hold of the approved amount, every other answer has none',
  lookFurther: 'mizan explain with the authorization number.',
  with: `${moved},
    bad as (
      select format('authorization %s (%s, type %s, %s of %s piasters): goods %s, units %s, money %s, held %s, hold %s',
                    id, result, type, approved, amount, coalesce(goods, 0), coalesce(units, 0), coalesce(money, 0),
                    coalesce(held, 0), coalesce(ending, 'not ended')) as what
      from answered where (${explained}) is not true)`,
  checked: 'select count(*) from authorization_journal',
})

/** Invariant 3, second half. */
const groupsExplained = sqlCheck({
  name: 'groups-explained',
  holds: 'every transfer group, hold and ending belongs to an authorization or command of the same batch',
  lookFurther: 'Rows that nobody asked for: compare them with a backup of the same day.',
  with: `
    moved as (
      select lane, business_date, group_id, batch_seq, count(*) as legs, min(leg) as first, max(leg) as last
      from transfer group by 1, 2, 3, 4),
    row as (
      select 'group' as what, lane, business_date, group_id as id, batch_seq, legs, first, last from moved
      union all select 'hold', lane, null, id, batch_seq, 1, 0, 0 from hold
      union all select 'hold ended by', lane, null, by_id, batch_seq, 1, 0, 0 from hold_ending),
    bad as (
      select format('%s %s of lane %s', r.what, r.id, r.lane) as what
      from row r
      left join authorization_journal a on a.lane = r.lane and a.id = r.id and a.batch_seq = r.batch_seq
        and a.business_date = coalesce(r.business_date, a.business_date)
      left join command_journal c on c.lane = r.lane and c.id = r.id and c.batch_seq = r.batch_seq
        and c.business_date = coalesce(r.business_date, c.business_date)
      where (a.id is null) = (c.id is null) or r.first <> 0 or r.last <> r.legs - 1)`,
  checked: '(select count(*) from transfer) + (select count(*) from hold) + (select count(*) from hold_ending)',
})

/** Invariant 4. */
const holdsEndOnce = sqlCheck({
  name: 'holds-end-once',
  holds: 'every hold is open or ended exactly once, as its ending says',
  lookFurther: 'mizan explain with the number of the hold shows it and its ending.',
  with: `
    capture as (
      select t.lane, t.group_id, t.kind, t.debit, t.credit, sum(t.amount) as amount
      from transfer t where t.kind >= 10
        and exists (select from hold_ending e where e.lane = t.lane and e.by_id = t.group_id)
      group by 1, 2, 3, 4, 5),
    ended as (
      select e.lane, e.id, e.ending, e.captured, e.by_id, h.amount, h.expires_at, b.committed_at, h.id as hold_id,
             x.amount as posted, count(*) over (partition by e.lane, e.id) as endings
      from hold_ending e
      left join hold h on h.lane = e.lane and h.id = e.id
      left join batch b on b.lane = e.lane and b.seq = e.batch_seq
      left join capture x on x.lane = e.lane and x.group_id = e.by_id and x.kind = h.kind and x.debit = h.debit
        and x.credit = h.credit),
    bad as (
      select format('hold %s of %s: %s by %s with %s captured, %s posted, %s ending(s)', id, amount, ending, by_id,
                    captured, coalesce(posted, 0), endings) as what
      from ended
      where (hold_id is not null and endings = 1 and by_id > id and case ending
        when 'captured' then captured between 1 and amount and posted = captured
        when 'voided' then captured = 0 and posted is null
        when 'expired' then captured = 0 and posted is null and committed_at >= expires_at
        end) is not true)`,
  checked: 'select count(*) from hold',
  note: `select format('%s open, %s ended', count(*) filter (where e.id is null), count(e.id))
         from hold h left join hold_ending e on e.lane = h.lane and e.id = h.id`,
})

/** The answer on the wire says what was decided. */
const responseCodesAgree = sqlCheck({
  name: 'response-codes-agree',
  holds: 'the response code, the approval code and the stored answer fit the result',
  lookFurther: 'Compare with schemas/response-codes.json.',
  with: `
    known as (select * from jsonb_to_recordset($1::jsonb -> 'responseCodes') r(result text, code text)),
    answer as (
      select id, result, response_code, answer::jsonb ->> '39' as said, answer::jsonb ->> '38' as approval
      from authorization_journal),
    bad as (
      select format('authorization %s: %s answered %s (%s in the answer)', a.id, a.result, a.response_code, a.said) as what
      from answer a left join known k on k.result = a.result and k.code = a.response_code
      where k.code is null or a.said is distinct from a.response_code
        or (a.approval is not null) <> (a.result in ('approved', 'partially-approved')))`,
  checked: 'select count(*) from authorization_journal',
})

export const authorizationChecks: readonly LedgerCheck[] = [
  approvalsPosted,
  groupsExplained,
  holdsEndOnce,
  responseCodesAgree,
]
