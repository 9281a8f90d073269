import { clearedMoney } from '../cleared-money.ts'
import { type LedgerCheck, sqlCheck } from './check.ts'

/**
 * The key of an item sees to it that an authorization is in one file of its date; this, that files are what they say.
 */
const clearedOnce = sqlCheck({
  name: 'cleared-once',
  holds: 'every item of a file is of an authorization of its date, stands there once, and none is missing in the count',
  lookFurther:
    'Compare the views "clearing_items" and "clearing_files"; mizan clearing verify reads the files themselves.',
  with: `
    sums as (
      select file_id, business_date, sum(items) as items, max(last_number) as last_number, sum(gross) as gross
      from (
        select i.file_id, i.business_date, count(*) as items, max(i.number) as last_number, sum(i.amount_piasters) as gross
        from clearing_item i group by 1, 2
        union all
        select o.file_id, o.file_date, count(*), max(o.item_number), sum(o.amount_piasters)
        from outgoing_dispute_item o where o.state = 'written' group by 1, 2) s
      group by 1, 2),
    bad as (
      select format('file %s: %s items up to number %s of %s piasters, the register has %s of %s', f.name,
                    coalesce(s.items, 0), coalesce(s.last_number, 0), coalesce(s.gross, 0), f.items, f.gross_piasters) as what
      from clearing_file f
      left join sums s on s.file_id = f.id
      where f.direction = 'out' and f.type in ('CTF', 'SUB') and f.state not in ('selected', 'superseded')
        and (coalesce(s.items, 0) <> f.items or coalesce(s.last_number, 0) <> f.items
          or s.business_date <> f.business_date or (f.type = 'CTF' and coalesce(s.gross, 0) <> f.gross_piasters))
      union all
      select format('items of %s stand in file %s, which is not of it', s.business_date, s.file_id)
      from sums s
      where not exists (
        select from clearing_file f where f.id = s.file_id and f.business_date = s.business_date and f.direction = 'out')
      union all
      select format('authorization %s of %s is in a file and posted nothing', i.authorization_id, i.business_date)
      from clearing_item i
      where not exists (
        select from transfer t
        where t.lane = i.lane and t.group_id = i.authorization_id and t.business_date = i.business_date)
      union all
      select format('authorization %s is in files of two dates', i.authorization_id)
      from clearing_item i group by i.authorization_id, i.programme having count(*) > 1)`,
  checked: 'select count(*) from clearing_item',
})

/** What is sent is what was posted, no more and no less. */
const filesEqualLedger = sqlCheck({
  name: 'files-equal-ledger',
  holds: 'the files of a date come to what the ledger posted on it: to the card scheme, and of each programme',
  lookFurther: 'mizan clearing verify DATE names the file; the views "transfers" and "clearing_items" have both sides.',
  with: `
    ${clearedMoney('in (select s.business_date from clearing_selection s)')},
    item as (
      select business_date, programme,
             sum(case when transaction_code in ('05', '07', '16', '26', '35', '37') then amount_piasters
                      when transaction_code in ('06', '15', '17', '25', '27', '36') then -amount_piasters
                      when transaction_code = 'RT' then -quantity else quantity end) as net
      from (
        select business_date, programme, transaction_code, amount_piasters, quantity from clearing_item
        union all
        select file_date, 0, transaction_code, amount_piasters, 0 from outgoing_dispute_item where state = 'written') i
      group by 1, 2),
    ledger as (
      select business_date, 0 as programme,
             sum(coalesce(debit, 0) + coalesce(credit_back, 0) - coalesce(credit, 0) - coalesce(debit_back, 0)) as net
      from cleared group by 1
      union all
      select t.business_date, (t.debit / 100000000000 % 100)::integer,
             sum(case t.kind when 3 then -t.amount else t.amount end)
      from transfer t
      where t.kind in (2, 3, 6) and t.business_date in (select s.business_date from clearing_selection s) group by 1, 2
      union all
      select t.business_date, 0, -sum(t.amount) from transfer t
      where t.kind = 50 and t.business_date in (select s.business_date from clearing_selection s) group by 1
      union all
      -- What is withdrawn goes out with a file of ours; what the acquirer presented again came with one of its.
      select t.business_date, 0, sum(t.amount) from transfer t
      where t.kind = 51 and t.business_date in (select s.business_date from clearing_selection s)
        and exists (select from dispute_event e where e.event = 'withdrawn' and t.group_id = any (e.posted_ids))
      group by 1
      union all
      -- A disputed item that was never posted goes back by the file alone.
      select o.file_date, 0, sum(case when o.transaction_code in ('35', '36', '37') then d.amount_piasters else -d.amount_piasters end)
      from outgoing_dispute_item o join dispute d on d.id = o.dispute_id
      where o.state = 'written' and not d.posted group by 1),
    posted as (select business_date, programme, sum(net) as net from ledger group by 1, 2),
    bad as (
      select format('%s, %s: the files have %s, the ledger %s', business_date,
                    case programme when 0 then 'card scheme' else 'programme ' || programme end, coalesce(i.net, 0),
                    coalesce(p.net, 0)) as what
      from item i full join posted p using (business_date, programme)
      where coalesce(i.net, 0) <> coalesce(p.net, 0))`,
  checked: 'select count(*) from item',
  note: `select format('%s date(s), card scheme %s piasters net', (select count(*) from clearing_selection),
                coalesce(sum(net) filter (where programme = 0), 0)) from item`,
})

/**
 * A chargeback is one row, so that it is in one file; this, that it is in the right one and that its dispute says so.
 */
const chargebacksSent = sqlCheck({
  name: 'chargebacks-sent',
  holds:
    'the chargeback of a dispute stands in one file to the card scheme, by its amount, so does what withdraws it, and the dispute says whether they do',
  lookFurther: 'mizan dispute show names the file and the item; the view "clearing_items" has it.',
  with: `
    bad as (
      select format('dispute %s (%s, %s piasters): its chargeback is %s, TC %s of %s piasters, file %s', d.id, d.state,
                    d.amount_piasters, coalesce(o.state, 'missing'), o.transaction_code, o.amount_piasters, coalesce(f.name, 'none')) as what
      from dispute d
      left join outgoing_dispute_item o on o.dispute_id = d.id and o.transaction_code in ('15', '16', '17')
      left join clearing_file f on f.id = o.file_id
      where (o.amount_piasters = d.amount_piasters and o.transaction_code = d.transaction_code and o.arn = d.arn
        and case o.state when 'waiting' then d.state <> 'sent'
            else d.state <> 'raised' and f.direction = 'out' and f.type = 'CTF' and f.business_date = o.file_date
              and exists (select from dispute_event e where e.dispute_id = d.id and e.event = 'sent')
              and not exists (select from clearing_item i
                              where i.file_id = o.file_id and i.number = o.item_number and i.business_date = o.file_date) end) is not true
      union all
      select format('dispute %s (%s, %s piasters): its withdrawal is %s, TC %s of %s piasters, file %s', d.id, d.state,
                    d.amount_piasters, coalesce(o.state, 'missing'), o.transaction_code, o.amount_piasters, coalesce(f.name, 'none'))
      from dispute d
      left join outgoing_dispute_item o on o.dispute_id = d.id and o.transaction_code in ('35', '36', '37')
      left join clearing_file f on f.id = o.file_id
      where (d.state = 'withdrawn' or o.id is not null) and (d.state = 'withdrawn' and o.amount_piasters = d.amount_piasters
        and o.transaction_code = '3' || right(d.transaction_code, 1) and o.arn = d.arn
        and (o.state = 'waiting' or f.direction = 'out' and f.type = 'CTF' and f.business_date = o.file_date
          and exists (select from dispute_event e where e.dispute_id = d.id and e.event = 'withdrawal-sent'))) is not true)`,
  checked: 'select count(*) from dispute',
  note: `select format('%s sent, %s waiting', count(*) filter (where state = 'written'), count(*) filter (where state = 'waiting'))
         from outgoing_dispute_item`,
})

export const clearingChecks: readonly LedgerCheck[] = [clearedOnce, filesEqualLedger, chargebacksSent]
