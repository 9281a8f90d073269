import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Client } from '../connection.ts'
import { lockException, type ReconciliationException } from './reconciliation-desk.ts'

/** Who changes an exception, and when. */
export interface Author {
  /** As it stands in the audit, 160 characters at most. */
  readonly actor: string
  readonly nowMs: number
}

/** What a person says of it; 1 to 500 characters. */
export type Comment = string

const OPEN: readonly string[] = ['open', 'assigned', 'waiting']
const COMMENT_MAX = 500

/**
 * Gives an exception to somebody.
 * @param owner 1 to 64 characters
 * @throws MizanError NOT_FOUND; CONFLICT when it is closed; BAD_INPUT
 */
export async function assignException(
  client: Client,
  id: number,
  owner: string,
  comment: Comment | undefined,
  author: Author,
): Promise<ReconciliationException> {
  const name = owner.trim()
  if (name === '' || name.length > 64)
    throw new MizanError('BAD_INPUT', 'say in up to 64 characters who it is given to')
  await lockOpen(client, id)
  await client.query(
    `update reconciliation_exception set state = 'assigned', owner = $2, wait_until = null where id = $1`,
    [id, name],
  )
  return noted(client, id, author, 'assigned', comment, { owner: name })
}

/**
 * Lets an exception rest until a date, such as the one that the bank named.
 * @param until yyyy-mm-dd
 * @throws MizanError NOT_FOUND; CONFLICT when it is closed; BAD_INPUT
 */
export async function waitException(
  client: Client,
  id: number,
  until: string,
  comment: Comment,
  author: Author,
): Promise<ReconciliationException> {
  await lockOpen(client, id)
  await client.query(`update reconciliation_exception set state = 'waiting', wait_until = $2 where id = $1`, [
    id,
    until,
  ])
  return noted(client, id, author, 'waiting', required(comment, 'say what is waited for'), { until })
}

/** Says something of an exception, closed or not. @throws MizanError NOT_FOUND, BAD_INPUT */
export async function commentException(
  client: Client,
  id: number,
  comment: Comment,
  author: Author,
): Promise<ReconciliationException> {
  await lockException(client, id)
  return noted(client, id, author, 'commented', required(comment, 'say something'), {})
}

/** How an exception is closed by people. */
export interface Closing {
  readonly state: 'resolved' | 'written-off'
  readonly resolution: Comment
  /** What of its difference is settled by it. */
  readonly settledPiasters: number
  /** What is posted for it. */
  readonly reference?: string
  readonly postings?: readonly object[]
}

/**
 * Closes an exception.
 * @throws MizanError NOT_FOUND; CONFLICT when it is closed already; BAD_INPUT
 */
export async function closeException(
  client: Client,
  id: number,
  closing: Closing,
  author: Author,
): Promise<ReconciliationException> {
  const resolution = required(closing.resolution, 'say how it was settled')
  await lockOpen(client, id)
  await client.query(
    `update reconciliation_exception
     set state = $2, wait_until = null, closed_at = $3, closed_by = $4, resolution = $5, suspended_piasters = 0,
         settled_piasters = settled_piasters + $6 where id = $1`,
    [id, closing.state, new Date(author.nowMs), author.actor, resolution, closing.settledPiasters],
  )
  const { reference, postings = [], settledPiasters } = closing
  return noted(client, id, author, closing.state, resolution, {
    ...(reference === undefined ? {} : { reference, postings, piasters: Math.abs(settledPiasters) }),
  })
}

/**
 * Notes what of the difference is in the suspense of its break now; the exception stays open.
 * @throws MizanError as above
 */
export async function noteSuspended(
  client: Client,
  id: number,
  moved: Omit<Closing, 'state' | 'settledPiasters'> & { readonly suspendedPiasters: number },
  author: Author,
): Promise<ReconciliationException> {
  const comment = required(moved.resolution, 'say why')
  await lockOpen(client, id)
  await client.query('update reconciliation_exception set suspended_piasters = $2 where id = $1', [
    id,
    moved.suspendedPiasters,
  ])
  return noted(client, id, author, 'posted', comment, { reference: moved.reference, postings: moved.postings })
}

/**
 * What was written off on a day in Cairo, of a break or of all. Whoever asks writes off alone until the transaction
 * ends, so that two at once cannot pass a limit together.
 */
export async function writtenOffOn(client: Client, date: CivilDate, name: string | undefined): Promise<bigint> {
  await client.query("select pg_advisory_xact_lock(hashtext('mizan write-off'))")
  const { rows } = await client.query<{ piasters: string }>(
    `select coalesce(sum((v.detail ->> 'piasters')::bigint), 0) as piasters
     from reconciliation_event v join reconciliation_exception e on e.id = v.exception_id
     where v.event = 'written-off' and v.at >= $1::date - 1 and (v.at at time zone 'Africa/Cairo')::date = $1::date
       and ($2::text is null or e.break = $2)`,
    [formatDate(date), name ?? null],
  )
  return BigInt(rows[0]?.piasters ?? 0)
}

/** @throws MizanError NOT_FOUND; CONFLICT when it is closed */
export async function lockOpen(client: Client, id: number): Promise<ReconciliationException> {
  const exception = await lockException(client, id)
  if (!OPEN.includes(exception.state)) throw new MizanError('CONFLICT', `exception ${id} is ${exception.state} already`)
  return exception
}

async function noted(
  client: Client,
  id: number,
  author: Author,
  event: string,
  comment: Comment | undefined,
  detail: object,
): Promise<ReconciliationException> {
  const text = comment?.trim()
  if (text !== undefined && text.length > COMMENT_MAX) throw tooLong()
  await client.query(
    `insert into reconciliation_event (exception_id, at, actor, event, comment, detail) values ($1, $2, $3, $4, $5, $6)`,
    [id, new Date(author.nowMs), author.actor, event, text === '' ? null : (text ?? null), JSON.stringify(detail)],
  )
  return lockException(client, id)
}

function required(comment: Comment, what: string): string {
  const text = comment.trim()
  if (text === '') throw new MizanError('BAD_INPUT', what)
  if (text.length > COMMENT_MAX) throw tooLong()
  return text
}

function tooLong(): MizanError {
  return new MizanError('BAD_INPUT', `a comment has ${COMMENT_MAX} characters at most`)
}
