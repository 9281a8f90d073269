import { type LedgerCheck, sql, sqlCheck } from './check.ts'

const { tailOf, unitOf } = sql

/** A health co-payment that was paid, or paid back, in cash at the desk: nothing is posted for it. */
const paidAtDesk = `(a.trace like '%"copay.cash"%' and a.trace like '%"route.health"%' or a.trace like '%"copay.cash-returned"%')`

/**
 * What each authorization moved: value in piasters and in counted units. Issues, expiries and conversions accompany a
 * draw or a return and are not part of its amount; nor are fees, advances and what recovers them, nor what an account
 * host pays or gets back.
 */
const moved = `
  moved as (
    select lane, business_date, group_id,
           sum(amount) filter (where kind in (2, 3, 6) and ${unitOf('debit')} = 0) as goods,
           sum(amount) filter (where kind in (2, 3, 6) and ${unitOf('debit')} > 0) as units,
           max(${tailOf('debit')}) filter (where kind in (2, 3, 6) and ${unitOf('debit')} > 0) as tail,
           sum(amount) filter (where kind >= 10 and kind not in (21, 24, 25, 26)) as money
    from transfer where kind not in (30, 31) group by 1, 2, 3),
  tariff as (
    select * from jsonb_to_recordset($1::jsonb -> 'tariffs') r(tail integer, "from" date, piasters bigint)),
  answered as (
    select a.id, a.mti, a.transaction_type as type, a.result, a.amount, a.approved_amount as approved,
           m.group_id, m.goods, m.units, m.money, h.id as hold_id, h.amount as held,
           e.id as event, e.captured, e.released, a.original_id, ${paidAtDesk} as at_desk,
           a.mti in ('0120', '0220') and a.trace like '%"advice.declined"%'
             or a.mti in ('0200', '0220') and a.trace like '%"original.posted"%' as told,
           a.trace like '%"cover.nothing-due"%' as free,
           o.approved_amount as original_approved, om.units as original_units,
           (select p.piasters from tariff p where p.tail = m.tail and p."from" <= a.entitlement_date
            order by p."from" desc limit 1) as price
    from authorization_journal a
    left join moved m on m.lane = a.lane and m.business_date = a.business_date and m.group_id = a.id
    left join hold h on h.lane = a.lane and h.id = a.id
    left join hold_event e on e.lane = a.lane and e.by_id = a.id
    left join authorization_journal o on m.units is not null and o.lane = a.lane and o.id = a.original_id
    left join moved om on om.lane = o.lane and om.business_date = o.business_date and om.group_id = o.id)`

/**
 * Counted units and their price make the amount; what goes back does so whole, or by a reversal at the price that was paid.
 * The co-payment is all of it, or cash.
 */
const countedRight = `
  goods is null and coalesce(money, approved) = approved
  and case when original_id is null then units * price = approved
      else (approved = original_approved or mti like '04%') and units * original_approved = approved * original_units end`

/** How an answer and what was posted for it must agree; null counts as disagreement. */
const explained = `
  case
    when result not in ('approved', 'partially-approved')
      then approved = 0 and group_id is null and hold_id is null and event is null
    when result = 'partially-approved' and approved >= amount then false
    when result = 'approved' and approved <> amount and mti not like '04%' and type not in ('30', '31', '39') and not told
      then false
    when approved = 0
      then group_id is null and hold_id is null and event is null
           and (mti like '04%' or type in ('30', '31', '39') or free or told)
    when hold_id is not null
      then mti like '01%' and num_nonnulls(goods, units, money, event) = 0 and held = approved
    when event is not null and mti like '04%'
      then captured = 0 and num_nonnulls(goods, units) = 0 and coalesce(money, 0) + released = approved
    when event is not null
      then mti like '02%' and num_nonnulls(goods, units) = 0 and money = approved
           and captured between 1 and approved and (mti = '0220' or captured = approved)
    when group_id is null then at_desk
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
      select format('authorization %s (%s, type %s, %s of %s piasters): goods %s, units %s, money %s, held %s, captured %s, released %s',
                    id, result, type, approved, amount, coalesce(goods, 0), coalesce(units, 0), coalesce(money, 0),
                    coalesce(held, 0), coalesce(captured, 0),
                    coalesce(released, 0)) as what
      from answered where (${explained}) is not true)`,
  checked: 'select count(*) from authorization_journal',
})

/** Invariant 3, second half. */
const groupsExplained = sqlCheck({
  name: 'groups-explained',
  holds: 'every transfer group, hold and event of a hold belongs to an authorization or command of the same batch',
  lookFurther: 'Rows that nobody asked for: compare them with a backup of the same day.',
  with: `
    moved as (
      select lane, business_date, group_id, batch_seq, count(*) as legs, min(leg) as first, max(leg) as last
      from transfer group by 1, 2, 3, 4),
    row as (
      select 'group' as what, lane, business_date, group_id as id, batch_seq, legs, first, last from moved
      union all select 'hold', lane, null, id, batch_seq, 1, 0, 0 from hold
      union all select 'hold changed by', lane, null, by_id, batch_seq, 1, 0, 0 from hold_event),
    bad as (
      select format('%s %s of lane %s', r.what, r.id, r.lane) as what
      from row r
      left join authorization_journal a on a.lane = r.lane and a.id = r.id and a.batch_seq = r.batch_seq
        and a.business_date = coalesce(r.business_date, a.business_date)
      left join command_journal c on c.lane = r.lane and c.id = r.id and c.batch_seq = r.batch_seq
        and c.business_date = coalesce(r.business_date, c.business_date)
      where (a.id is null) = (c.id is null) or r.first <> 0 or r.last <> r.legs - 1)`,
  checked: '(select count(*) from transfer) + (select count(*) from hold) + (select count(*) from hold_event)',
})

/** Invariant 4: what happened to a hold, in order of what did it, comes to what was held, and ends it then. */
const holdsEndOnce = sqlCheck({
  name: 'holds-end-once',
  holds: 'every hold is open or ended exactly once: captured and released are then all of it, and before less',
  lookFurther: 'mizan explain with the number of the hold shows it and what happened to it.',
  with: `
    capture as (
      select t.lane, t.group_id, t.debit, t.credit, sum(t.amount) as amount,
             coalesce(sum(t.amount) filter (where t.kind = 12), 0) as cash
      from transfer t where t.kind between 10 and 15
        and exists (select from hold_event e where e.lane = t.lane and e.by_id = t.group_id)
      group by 1, 2, 3, 4),
    changed as (
      select e.*, h.amount, h.cashback as cash_held, h.expires_at, b.committed_at, h.id as hold_id, x.amount as posted,
             x.cash, sum(e.captured + e.released) over w as gone, sum(e.cashback) over w as cash_gone,
             count(e.ending) over (partition by e.lane, e.id) as endings
      from hold_event e
      left join hold h on h.lane = e.lane and h.id = e.id
      left join batch b on b.lane = e.lane and b.seq = e.batch_seq
      left join capture x on x.lane = e.lane and x.group_id = e.by_id and x.debit = h.debit and x.credit = h.credit
      window w as (partition by e.lane, e.id order by e.by_id)),
    bad as (
      select format('hold %s of %s: %s captured and %s released by %s (%s), %s in all; %s posted, %s ending(s)', id, amount,
                    captured, released, by_id, coalesce(ending, 'open'), gone, coalesce(posted, 0), endings) as what
      from changed
      where (hold_id is not null and by_id > id and endings <= 1 and gone <= amount and cash_gone <= cash_held
        and (gone = amount) = (ending is not null)
        and case when captured > 0 then posted >= captured and cash >= cashback else posted is null end
        and case ending when 'expired' then captured = 0 and committed_at >= expires_at
              when 'voided' then captured = 0 else true end) is not true)`,
  checked: '(select count(*) from hold) + (select count(*) from hold_event)',
  note: `select format('%s open, %s ended', count(*) filter (where e.id is null), count(e.id))
         from hold h left join hold_event e on e.lane = h.lane and e.id = h.id and e.ending is not null`,
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
