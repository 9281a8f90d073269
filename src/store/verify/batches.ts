import { ID_STEP } from '../../identifiers.ts'
import { type LedgerCheck, sqlCheck } from './check.ts'

/** Invariant 7, without the hashes. */
const batchesWithoutGap = sqlCheck({
  name: 'batches-without-gap',
  holds:
    'batch numbers and ids run without a gap, epochs never fall, and each lane stands where its last batch left it',
  lookFurther: 'Compare the tables "batch" and "lane" around the batch named.',
  with: `
    entry as (
      select lane, batch_seq, id from authorization_journal
      union all select lane, batch_seq, id from command_journal),
    used as (
      select lane, batch_seq, count(*) as rows, count(distinct id) as ids, min(id) as first, max(id) as last
      from entry group by 1, 2),
    chain as (
      select lane, seq, epoch, first_id, next_id, hash,
             lag(seq, 1, 0::bigint) over w as seq_before, lag(epoch, 1, 0::bigint) over w as epoch_before,
             lag(next_id, 1, lane + ${ID_STEP}::bigint) over w as next_before,
             row_number() over (partition by lane order by seq desc) as from_end
      from batch window w as (partition by lane order by seq)),
    bad as (
      select format('lane %s batch %s: follows batch %s, epoch %s after %s, ids %s to %s after %s', lane, seq, seq_before,
                    epoch, epoch_before, first_id, next_id, next_before) as what
      from chain
      where seq <> seq_before + 1 or epoch < epoch_before or first_id <> next_before or next_id <= first_id
        or (next_id - first_id) % ${ID_STEP} <> 0
      union all
      select format('lane %s batch %s has %s row(s), ids %s to %s', coalesce(c.lane, u.lane), coalesce(c.seq, u.batch_seq),
                    coalesce(u.rows, 0), u.first, u.last)
      from chain c full join used u on u.lane = c.lane and u.batch_seq = c.seq
      where (u.ids = u.rows and u.rows = (c.next_id - c.first_id) / ${ID_STEP} and u.first = c.first_id
        and u.last = c.next_id - ${ID_STEP}) is not true
      union all
      select format('lane %s stands at batch %s, its last is %s', l.lane, l.last_seq, coalesce(c.seq, 0))
      from lane l left join chain c on c.lane = l.lane and c.from_end = 1
      where case when c.seq is null
        then l.last_seq <> 0 or l.next_id <> l.lane + ${ID_STEP} or l.last_hash <> decode(repeat('00', 32), 'hex')
        else l.last_seq <> c.seq or l.next_id <> c.next_id or l.last_hash <> c.hash or l.epoch < c.epoch end
      union all
      select format('lane %s has batches and is not in the table of lanes', c.lane)
      from chain c where c.from_end = 1 and not exists (select from lane l where l.lane = c.lane))`,
  checked: 'select count(*) from chain',
})

/** A row in a default partition: the day it belongs to was never prepared, so retention and clearing would miss it. */
const daysPrepared = sqlCheck({
  name: 'days-prepared',
  holds: 'every business date has its own partitions',
  lookFurther: 'Move the rows of the default partition out, make the partitions of the day and put them back.',
  with: `
    stray as (
      select 'authorization_journal' as name, business_date, count(*) as rows from authorization_journal_default group by 2
      union all
      select 'transfer', business_date, count(*) from transfer_default group by 2),
    bad as (select format('%s row(s) of %s of %s in the default partition', rows, name, business_date) as what from stray)`,
  checked: `select count(*) from pg_inherits i join pg_class c on c.oid = i.inhparent
            where c.relname in ('authorization_journal', 'transfer')`,
})

export const batchChecks: readonly LedgerCheck[] = [batchesWithoutGap, daysPrepared]
