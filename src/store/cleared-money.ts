/** The link by which presentments of the network reach the ledger: they never go out again. */
const INCOMING_LINK = 'clearing'

/**
 * What authorizations of a date moved between households and the card scheme, signed as the household sees it: below
 * zero it paid. Purchases stand on 7004 whatever brings them; cash stands on 7003 with all other cash, and is the
 * scheme's when its own message, or that of what it takes back, came by one of the scheme's links.
 * @param dates condition on a business date in SQL
 * @param of what it is reckoned of: all transfers and authorizations of these dates, or the names of CTEs with some of
 * them
 */
export const clearedMoney = (
  dates: string,
  of: { readonly transfer: string; readonly journal: string } = {
    transfer: 'transfer',
    journal: 'authorization_journal',
  },
): string => `
  moved as (
    select t.business_date, t.lane, t.group_id as id,
           sum(t.amount) filter (where t.kind in (10, 11, 12, 14, 15)) as debit,
           sum(t.amount) filter (where t.kind = 12) as cashback,
           sum(t.amount) filter (where t.kind in (16, 18)) as credit,
           sum(t.amount) filter (where t.kind = 17) as debit_back,
           sum(t.amount) filter (where t.kind in (19, 20)) as credit_back,
           bool_or(7003 in (t.debit / 100000000000, t.credit / 100000000000)) as is_cash
    from ${of.transfer} t
    where t.business_date ${dates} and t.kind between 10 and 20 and t.kind <> 13
      and (t.debit / 100000000000 in (7003, 7004) or t.credit / 100000000000 in (7003, 7004))
    group by 1, 2, 3),
  cleared as (
    select m.*, a.original_id, a.outlet_id, a.mti
    from moved m
    join ${of.journal} a on a.id = m.id and a.lane = m.lane and a.business_date = m.business_date
      and a.business_date ${dates}
    left join lateral (
      select o.link from authorization_journal o
      where (m.debit_back > 0 or m.credit_back > 0) and o.id = a.original_id and o.lane + 0 = a.lane
        and o.business_date <= a.business_date limit 1) o on true
    where a.link <> '${INCOMING_LINK}' and o.link is distinct from '${INCOMING_LINK}'
      and (not m.is_cash or coalesce(o.link, a.link) in (select r.link from clearing_rail r)))`
