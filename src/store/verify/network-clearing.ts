import { type LedgerCheck, sqlCheck } from './check.ts'

/** What the card network's files brought and the journal's rows of it are the same, item by item. */
const networkItemsPosted = sqlCheck({
  name: 'network-items-posted',
  holds:
    'every item of a network file that says it is posted is, once and by its amount, and nothing else came by a file',
  lookFurther:
    'mizan explain with the authorization number names the file and the item; the view "network_items" has it.',
  with: `
    claimed as (
      select n.file_id, n.number, n.outcome, n.state, n.amount_piasters as amount, n.card_id, n.lane, n.posted_id,
             count(*) over (partition by n.posted_id) as sharing
      from network_item n
      where n.transaction_code ~ '^[02][567]$' and n.usage = '1' and n.state in ('matched', 'forced', 'disputed')
        and not (n.posted_id is null and (n.outcome = 'reversal' or n.state = 'disputed'))),
    presented as (
      select a.id, a.lane, a.result, a.amount, split_part(a.trace::jsonb -> 0 ->> 1, ':', 1) as file,
             split_part(a.trace::jsonb -> 0 ->> 1, ':', 2) as number
      from authorization_journal a where a.link = 'clearing'),
    bad as (
      select format('item %s of file %s is %s (%s) by %s, which is not its posting', c.number, c.file_id, c.state, c.outcome,
                    coalesce(c.posted_id::text, 'nothing')) as what
      from claimed c
      left join authorization_journal a on a.id = c.posted_id and a.lane = c.lane
      where (a.card_id = c.card_id and a.result in ('approved', 'partially-approved')
             and case when c.outcome = 'posted-before' then a.link <> 'clearing'
                 else a.link = 'clearing' and c.sharing = 1 and a.amount = c.amount end) is not true
      union all
      select format('authorization %s came by item %s of file %s, which knows nothing of it', p.id, p.number, p.file)
      from presented p
      left join network_item n on n.file_id::text = p.file and n.number::text = p.number
      where (n.amount_piasters = p.amount and n.lane = p.lane
             and (n.state = 'posting' or p.result <> 'approved' or n.posted_id = p.id)) is not true)`,
  checked: '(select count(*) from claimed) + (select count(*) from presented)',
  note: `select format('%s posted, %s exception(s), %s duplicate(s)',
                count(*) filter (where state in ('matched', 'forced', 'disputed')),
                count(*) filter (where state = 'exception'), count(*) filter (where state = 'duplicate')) from network_item`,
})

/** Nothing of a file that was taken is lost: its items are those that its trailer counts. */
const networkFilesWhole = sqlCheck({
  name: 'network-files-whole',
  holds: 'the items of every network file that was processed are as many, and come to as much, as its trailer says',
  lookFurther: 'Compare the views "network_items" and "clearing_files" for the file.',
  with: `
    sums as (
      select n.file_id, count(*) as items,
             coalesce(sum(n.amount_piasters) filter (where n.transaction_code ~ '^([0-3][567]|[12]0)$'), 0) as gross
      from network_item n group by 1),
    file as (
      select f.id, f.name, f.items, f.gross_piasters from clearing_file f
      where f.direction = 'in' and f.type = 'ITF' and f.state = 'processed'),
    bad as (
      select format('file %s (%s): %s items of %s piasters, its trailer says %s of %s', f.id, f.name, coalesce(s.items, 0),
                    coalesce(s.gross, 0), f.items, f.gross_piasters) as what
      from file f left join sums s on s.file_id = f.id
      where coalesce(s.items, 0) <> f.items or coalesce(s.gross, 0) <> f.gross_piasters)`,
  checked: 'select count(*) from file',
})

/** Money on the disputes account is that of disputes, each of its kinds once. */
const disputesAccounted = sqlCheck({
  name: 'disputes-accounted',
  holds:
    'every posting of a dispute is of a dispute and its amount, each kind once, agrees with how the dispute stands, and pays nothing that came back otherwise',
  lookFurther: 'mizan dispute show lists what happened to a dispute, and its postings.',
  with: `
    moved as (
      select t.kind, t.amount,
             coalesce(nullif(split_part(c.detail::jsonb ->> 'reference', ':', 2), ''), c.detail::jsonb ->> 'dispute') as dispute
      from transfer t left join command_journal c on c.lane = t.lane and c.id = t.group_id
      where t.kind between 50 and 53),
    folded as (
      select d.id, d.amount_piasters, d.posted, d.credited, d.state, count(m.kind) filter (where m.kind = 50) as raised,
             count(m.kind) filter (where m.kind = 51) as represented, count(m.kind) filter (where m.kind = 52) as credits,
             count(m.kind) filter (where m.kind = 53) as taken, bool_and(m.amount = d.amount_piasters) as same,
             exists (select from command_inbox i where i.idempotency_key = format('dispute:%s:raised#1', d.id)
                       and i.done_id is null) as waits,
             exists (select from network_item n where n.posting_reference = format('dispute:%s:represented', d.id)
                       and n.state = 'posting') as presenting
      from dispute d left join moved m on m.dispute = d.id::text group by d.id),
    bad as (
      select format('dispute %s (%s, %s piasters): %s chargeback(s), %s representment(s), %s credit(s), %s taken back', id, state,
                    amount_piasters, raised, represented, credits, taken) as what
      from folded
      where not (coalesce(same, true) and (raised = posted::int or (waits and raised = 0)) and credits - taken = credited::int
        and credits <= 1 and (represented = (posted and state in ('represented', 'lost', 'withdrawn'))::int or (presenting and represented <= 1)))
      union all
      select format('dispute %s credited %s piasters, of which a reversal or a refund gave back all but %s', d.id, d.amount_piasters,
                    disputable_amount(d.file_id, d.number))
      from dispute d where d.credited and disputable_amount(d.file_id, d.number) < d.amount_piasters
      union all
      select format('%s piasters of kind %s are of no dispute', m.amount, m.kind)
      from moved m where not exists (select from dispute d where d.id::text = m.dispute))`,
  checked: 'select count(*) from dispute',
})

export const networkClearingChecks: readonly LedgerCheck[] = [networkItemsPosted, networkFilesWhole, disputesAccounted]
