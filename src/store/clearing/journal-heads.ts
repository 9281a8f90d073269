import type { CivilDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'

/**
 * Where the journal of a lane stood when a business date was closed in it: its hash stands for all rows up to there. It
 * is the batch before the one that closed the date, because that one depends on when the lane came to it.
 */
export interface JournalHead {
  readonly lane: number
  readonly seq: number
  readonly hash: Buffer
}

interface Row {
  readonly lane: number
  readonly seq: string
  readonly hash: Buffer
}

/**
 * The heads of all lanes that have one as of the end of a business date: the same whenever they are read once it is
 * closed. A date may be closed together with a later one.
 */
export async function journalHeads(client: Queryable, date: CivilDate): Promise<JournalHead[]> {
  const { rows } = await client.query<Row>(
    `select l.lane, b.seq, b.hash
     from lane l
     cross join lateral (
       select min(j.batch_seq) as seq
       from command_inbox c join command_journal j on j.lane = c.lane and j.id = c.done_id
       where c.lane = l.lane and c.kind = 'close-day' and (c.detail ->> 'date')::integer >= $1 and c.outcome like 'done:%') closed
     join batch b on b.lane = l.lane and b.seq = closed.seq - 1
     order by l.lane`,
    [date],
  )
  return rows.map(({ lane, seq, hash }) => ({ lane, seq: Number(seq), hash }))
}

/** Hash of a batch; undefined when the journal has none of that number. */
export async function batchHash(client: Queryable, lane: number, seq: number): Promise<Buffer | undefined> {
  const { rows } = await client.query<{ hash: Buffer }>('select hash from batch where lane = $1 and seq = $2', [
    lane,
    seq,
  ])
  return rows[0]?.hash
}
