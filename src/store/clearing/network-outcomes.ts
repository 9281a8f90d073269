import { setTimeout as sleep } from 'node:timers/promises'
import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { EGP } from '../../money.ts'
import type { Queryable } from '../access-pool.ts'

/** An item whose posting was asked for and not noted yet. */
export interface OpenItem {
  readonly number: number
  readonly transactionCode: string
  readonly outcome: string | undefined
  readonly amountPiasters: number
  /** Of a posting that is no household's. */
  readonly postingReference: string
}

/** Between two looks at what the writers have done: short while they get on, longer while nothing moves. */
const POLL_FIRST_MS = 5
const POLL_LAST_MS = 80

/**
 * Items of a file that are posted under a reference of their own (fees, representments) and are not yet, up to a number
 * of them.
 */
export async function openItems(client: Queryable, fileId: number, limit: number): Promise<OpenItem[]> {
  const { rows } = await client.query<{
    number: number
    transaction_code: string
    outcome: string | null
    amount_piasters: string
    posting_reference: string
  }>(
    `select number, transaction_code, outcome, amount_piasters, posting_reference from network_item
     where file_id = $1 and state = 'posting' and posting_reference is not null order by number limit $2`,
    [fileId, limit],
  )
  return rows.map((row) => ({
    number: row.number,
    transactionCode: row.transaction_code,
    outcome: row.outcome ?? undefined,
    amountPiasters: Number(row.amount_piasters),
    postingReference: row.posting_reference,
  }))
}

/** How long postings of a file's items are waited for. */
export interface OutcomeWait {
  readonly stallMs: number
  readonly signal?: AbortSignal | undefined
  /** Items that may still be under way when it returns. @default 0 */
  readonly most?: number
  /** No item before this one is under way: what is done is not looked at again. @default 1 */
  readonly first?: number
}

/**
 * Notes what came of a file's items that the writers have carried out, each its row of the journal or why it was
 * refused, and waits until no more than `most` are under way.
 * @returns the first item that is under way still; undefined when none is
 * @throws MizanError WRITER_SILENT when nothing was carried out for `stallMs`: a switch must run; the file goes on from
 * here
 */
export async function noteOutcomes(
  client: Queryable,
  fileId: number,
  { stallMs, signal, most = 0, first: given = 1 }: OutcomeWait,
): Promise<number | undefined> {
  let first = given
  let movedMs = performance.now()
  for (let pollMs = POLL_FIRST_MS; ; pollMs = Math.min(2 * pollMs, POLL_LAST_MS)) {
    signal?.throwIfAborted()
    const { rows } = await client.query<{ done: string; waiting: string; first: number | null }>({
      name: 'note_network_outcomes',
      text: outcomeSql,
      values: [fileId, first],
    })
    const { done = 0, waiting = 0 } = rows[0] ?? {}
    first = rows[0]?.first ?? first
    if (Number(waiting) <= most) return rows[0]?.first ?? undefined
    if (Number(done) > 0) {
      movedMs = performance.now()
      pollMs = POLL_FIRST_MS
    } else if (performance.now() - movedMs > stallMs) {
      throw new MizanError('WRITER_SILENT', `no item of file ${fileId} was posted for ${stallMs} ms`)
    }
    await sleep(pollMs)
  }
}

// The journal's row of a command says what was decided; the row that it made stands on the same business date.
const outcomeSql = `
  with ended as (
    select n.file_id, n.number, n.outcome, i.outcome like 'done:%' as done, i.outcome as words,
           (j.detail::jsonb ->> 'authorization')::bigint as posted_id, j.detail::jsonb ->> 'result' as result, j.business_date
    from network_item n
    join command_inbox i on i.lane = n.lane and i.id = n.command_id
    join command_journal j on j.lane = i.lane and j.id = i.done_id
    where n.file_id = $1 and n.number >= $2::integer and n.state = 'posting' and n.command_id is not null),
  noted as (
    update network_item n set
      posted_id = case when e.done then e.posted_id end, business_date = e.business_date,
      state = case when not e.done then 'exception' when e.outcome = 'forced' then 'forced' else 'matched' end,
      reason = case when e.done then n.reason else 'refused' end,
      detail = case when e.done then n.detail else left(regexp_replace(e.words, '^refused: ', ''), 300) end
    from ended e where n.file_id = e.file_id and n.number = e.number
    returning n.number, n.state, n.outcome, n.arn, n.transaction_code, n.usage, n.authorization_id),
  undone as (
    -- What a reversal took back is no clearing of its authorization any more; other clearings of its reference number are.
    update network_item p set flags = array_append(p.flags, 'reversed')
    from noted r
    where r.outcome = 'reversal' and r.state = 'matched' and p.arn = r.arn and p.usage = r.usage
      and p.posted_id = r.authorization_id and p.transaction_code = '0' || right(r.transaction_code, 1) and p.state in ('matched', 'forced', 'disputed')
      and not p.flags @> array['reversed'])
  select (select count(*) from noted) as done,
         w.waiting, w.first
  from (
    select count(*) as waiting, min(n.number) as first from network_item n
    where n.file_id = $1 and n.number >= $2::integer and n.state = 'posting' and n.command_id is not null
      and not exists (select from noted r where r.number = n.number)) w`

/** The last item of a file that is registered; 0 before the first. */
export async function lastItem(client: Queryable, fileId: number): Promise<number> {
  const { rows } = await client.query<{ last: number | null }>(
    'select max(number) as last from network_item where file_id = $1',
    [fileId],
  )
  return rows[0]?.last ?? 0
}

/** Counts of a file's items by state, and what those in pounds come to. */
export interface ItemTotals {
  readonly state: string
  readonly items: number
  readonly piasters: bigint
}

/** What became of a file's items. */
export async function itemTotals(client: Queryable, fileId: number): Promise<ItemTotals[]> {
  const { rows } = await client.query<{ state: string; items: string; piasters: string }>(
    `select state, count(*) as items, coalesce(sum(amount_piasters) filter (where currency in ('', '${EGP}')), 0) as piasters
     from network_item where file_id = $1 group by state order by state`,
    [fileId],
  )
  return rows.map(({ state, items, piasters }) => ({ state, items: Number(items), piasters: BigInt(piasters) }))
}

/** What an item that is posted under a reference of its own came to. */
export interface ReferenceOutcome {
  readonly state: 'matched' | 'disputed'
  /** Row of the journal; undefined where nothing was posted. */
  readonly journalId: number | undefined
  /** Business date of now, for one that posted nothing. */
  readonly today: CivilDate
}

/** Notes that an item is done which was posted under a reference of its own: a fee, or the answer to a dispute. */
export async function noteReferenceOutcome(
  client: Queryable,
  fileId: number,
  number: number,
  { state, journalId, today }: ReferenceOutcome,
): Promise<void> {
  await client.query(
    `update network_item n set state = $4, posted_id = $3,
       business_date = coalesce((select j.business_date from command_journal j where j.lane = 0 and j.id = $3), $5::date)
     where n.file_id = $1 and n.number = $2 and n.state = 'posting'`,
    [fileId, number, journalId ?? null, state, formatDate(today)],
  )
}
