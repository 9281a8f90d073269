import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'

export const requestKinds = [
  'file-correction',
  'file-signature',
  'file-verification',
  'settlement-run',
  'reconciliation',
] as const
export type ClearingRequestKind = (typeof requestKinds)[number]

export const requestStates = ['waiting', 'done', 'failed'] as const
export type ClearingRequestState = (typeof requestStates)[number]

/** Work on a business date that somebody asked for, and what came of it. */
export interface ClearingRequest {
  readonly id: number
  readonly kind: ClearingRequestKind
  readonly businessDate: CivilDate
  /** Of a run of settlement. */
  readonly cycle: number | undefined
  /** The correction that is to be written, or the file that is to be signed again. */
  readonly fileId: number | undefined
  /** Why a file is signed again. */
  readonly reason: string | undefined
  readonly askedBy: string
  readonly askedAtMs: number
  readonly attempts: number
  readonly state: ClearingRequestState
  readonly endedAtMs: number | undefined
  readonly words: string | undefined
}

/** What is asked for. */
export type NewClearingRequest = Pick<ClearingRequest, 'kind' | 'businessDate' | 'askedBy'> &
  Partial<Pick<ClearingRequest, 'cycle' | 'fileId' | 'reason'>>

/** So many may wait: each is minutes of work, and none is worth asking for twice. */
const WAITING_MAX = 50

interface Row {
  readonly id: string
  readonly kind: ClearingRequestKind
  readonly business_date: string
  readonly cycle: number | null
  readonly file_id: string | null
  readonly reason: string | null
  readonly asked_by: string
  readonly asked_at: Date
  readonly attempts: number
  readonly state: ClearingRequestState
  readonly ended_at: Date | null
  readonly words: string | null
}

/**
 * Asks for work; the same that waits already is found. In a transaction.
 * @throws MizanError CONFLICT when too many wait
 */
export async function addRequest(client: Queryable, wanted: NewClearingRequest): Promise<ClearingRequest> {
  const { kind, businessDate, cycle, fileId, reason, askedBy } = wanted
  await client.query("select pg_advisory_xact_lock(hashtext('clearing_request'))")
  const key = [kind, formatDate(businessDate), cycle ?? null, fileId ?? null]
  const found = await client.query<Row>(
    `select * from clearing_request where state = 'waiting' and kind = $1 and business_date = $2
       and cycle is not distinct from $3::smallint and file_id is not distinct from $4::bigint`,
    key,
  )
  if (found.rows[0] !== undefined) return requestOf(found.rows[0])
  const waiting = await client.query<{ n: number }>(
    "select count(*)::integer as n from clearing_request where state = 'waiting'",
  )
  if (Number(waiting.rows[0]?.n) >= WAITING_MAX) {
    throw new MizanError('CONFLICT', `${WAITING_MAX} pieces of work wait already: ask again when some are done`)
  }
  const { rows } = await client.query<Row>(
    `insert into clearing_request (kind, business_date, cycle, file_id, asked_by, reason) values ($1, $2, $3, $4, $5, $6)
     returning *`,
    [...key, askedBy.slice(0, 160), reason ?? null],
  )
  return requestOf(rows[0] as Row)
}

/** @throws MizanError NOT_FOUND */
export async function readRequest(client: Queryable, id: number): Promise<ClearingRequest> {
  const { rows } = await client.query<Row>('select * from clearing_request where id = $1', [id])
  if (rows[0] === undefined) throw new MizanError('NOT_FOUND', `there is no request ${id}`)
  return requestOf(rows[0])
}

/** Requests, the newest first. */
export async function listRequests(
  client: Queryable,
  filter: {
    readonly state?: ClearingRequestState | undefined
    readonly beforeId?: number | undefined
    readonly limit: number
  },
): Promise<ClearingRequest[]> {
  const { rows } = await client.query<Row>(
    `select * from clearing_request where ($1::text is null or state = $1) and ($2::bigint is null or id < $2)
     order by id desc limit $3`,
    [filter.state ?? null, filter.beforeId ?? null, filter.limit],
  )
  return rows.map(requestOf)
}

/** Whether anything waits. */
export async function isRequestWaiting(client: Queryable): Promise<boolean> {
  const { rows } = await client.query("select from clearing_request where state = 'waiting' limit 1")
  return rows.length > 0
}

/** Begins an attempt at the request that waits next; undefined when none does. @param afterId only later ones */
export async function beginRequest(client: Queryable, afterId: number): Promise<ClearingRequest | undefined> {
  const { rows } = await client.query<Row>(
    `update clearing_request set attempts = attempts + 1
     where id = (select min(id) from clearing_request where state = 'waiting' and id > $1) returning *`,
    [afterId],
  )
  return rows[0] === undefined ? undefined : requestOf(rows[0])
}

/** Notes what came of an attempt; `waiting` = it is tried again. */
export async function endRequest(
  client: Queryable,
  id: number,
  { state, words }: { readonly state: ClearingRequestState; readonly words: string },
): Promise<void> {
  await client.query(
    `update clearing_request set state = $2, words = left($3, 500), ended_at = case when $2 <> 'waiting' then clock_timestamp() end
     where id = $1 and state = 'waiting'`,
    [id, state, words === '' ? 'done' : words],
  )
}

function requestOf(row: Row): ClearingRequest {
  return {
    id: Number(row.id),
    kind: row.kind,
    businessDate: parseDate(row.business_date),
    cycle: row.cycle ?? undefined,
    fileId: row.file_id === null ? undefined : Number(row.file_id),
    reason: row.reason ?? undefined,
    askedBy: row.asked_by,
    askedAtMs: row.asked_at.getTime(),
    attempts: row.attempts,
    state: row.state,
    endedAtMs: row.ended_at?.getTime(),
    words: row.words ?? undefined,
  }
}
