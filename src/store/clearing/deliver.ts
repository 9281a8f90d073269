import { type CivilDate, parseDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'

export const deliveryStates = ['waiting', 'delivered', 'failed', 'dropped'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** A file on its way to a destination. */
export interface Delivery {
  readonly id: number
  readonly fileId: number
  readonly destination: string
  readonly state: DeliveryState
  readonly attempts: number
  /** Those before somebody last asked for it again. */
  readonly attemptsBefore: number
  readonly nextAtMs: number
  readonly error: string | undefined
  readonly createdAtMs: number
  readonly deliveredAtMs: number | undefined
  /** Until when an answer is expected. */
  readonly acknowledgeByMs: number | undefined
}

interface DeliveryRow {
  readonly id: string
  readonly file_id: string
  readonly destination: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly attempts_before: number
  readonly next_at: Date
  readonly error: string | null
  readonly created_at: Date
  readonly delivered_at: Date | null
  readonly acknowledge_by: Date | null
}

const columns = `id, file_id, destination, state, attempts, attempts_before, next_at, error, created_at, delivered_at,
  acknowledge_by`
const TEXT_MAX = 500

/**
 * Begins the delivery of a file to its destination, or finds it. A file is on its way to one destination: what did not
 * arrive at another one, where it went before the configuration was changed, is dropped. What was delivered, wherever,
 * is done until somebody asks for it again.
 * @returns the delivery to the destination, or the one that is done
 */
export async function beginDelivery(
  client: Queryable,
  fileId: number,
  destination: string,
  by: { readonly actor: string; readonly nowMs: number },
): Promise<Delivery> {
  const { rows: known } = await client.query<DeliveryRow>(
    `select ${columns} from clearing_delivery where file_id = $1 order by id`,
    [fileId],
  )
  const open = known.filter(({ state }) => state === 'waiting' || state === 'failed')
  const [only] = open
  if (only !== undefined && open.length === 1 && only.destination === destination) return deliveryOf(only)
  const done = known.findLast(({ state }) => state === 'delivered')
  if (only === undefined && done !== undefined) return deliveryOf(done)
  const { rows } = await client.query<DeliveryRow>(
    `with dropped as (
       update clearing_delivery set state = 'dropped', error = $5
       where file_id = $1 and destination <> $2 and state in ('waiting', 'failed') returning id
     ), noted as (
       insert into clearing_delivery_event (delivery_id, actor, event, detail) select id, $4, 'dropped', $5 from dropped
     )
     insert into clearing_delivery as d (file_id, destination, next_at) values ($1, $2, $3)
     on conflict (file_id, destination) do update set state = 'waiting', attempts_before = d.attempts, next_at = $3, error = null
     returning ${columns}`,
    [fileId, destination, new Date(by.nowMs), by.actor, `it goes to ${destination} now`],
  )
  return deliveryOf(rows[0] as DeliveryRow)
}

/** Drops what waits of files of a date that others took the place of. @param date yyyy-mm-dd */
export async function dropSuperseded(client: Queryable, date: string, actor: string): Promise<void> {
  await client.query(
    `with dropped as (
       update clearing_delivery d set state = 'dropped', error = $3 from clearing_file f
       where f.id = d.file_id and f.business_date = $1 and f.state = 'superseded' and d.state in ('waiting', 'failed')
       returning d.id
     )
     insert into clearing_delivery_event (delivery_id, actor, event, detail) select id, $2, 'dropped', $3 from dropped`,
    [date, actor, 'another file took its place'],
  )
}

/** How an attempt ended. */
export type AttemptEnd =
  | {
      readonly event: 'delivered' | 'was-there'
      readonly acknowledgeByMs: number | undefined
      readonly detail: string
    }
  | { readonly event: 'failed'; readonly error: string; readonly nextAtMs: number; readonly isLast: boolean }
  | { readonly event: 'refused'; readonly error: string }

/** Notes an attempt in the delivery and in its history. */
export async function noteAttempt(
  client: Queryable,
  id: number,
  end: AttemptEnd,
  by: { readonly actor: string; readonly nowMs: number },
): Promise<void> {
  const isDelivered = end.event === 'delivered' || end.event === 'was-there'
  const isOver = end.event === 'refused' || (end.event === 'failed' && end.isLast)
  const words = ('detail' in end ? end.detail : end.error).slice(0, TEXT_MAX)
  await client.query(
    `update clearing_delivery set state = $2, attempts = attempts + 1, error = $3, next_at = $4,
       delivered_at = case when $2 = 'delivered' then $5::timestamptz else delivered_at end,
       acknowledge_by = coalesce($6, acknowledge_by)
     where id = $1`,
    [
      id,
      isDelivered ? 'delivered' : isOver ? 'failed' : 'waiting',
      isDelivered ? null : words,
      new Date(end.event === 'failed' ? end.nextAtMs : by.nowMs),
      new Date(by.nowMs),
      'detail' in end && end.acknowledgeByMs !== undefined ? new Date(end.acknowledgeByMs) : null,
    ],
  )
  await client.query(
    `insert into clearing_delivery_event (delivery_id, actor, event, detail) values ($1, $2, $3, $4)`,
    [id, by.actor, end.event, words.slice(0, TEXT_MAX)],
  )
}

/**
 * Has the last delivery of a file made again, whatever came of it; the answer to it is set aside. In the caller's
 * transaction.
 * @throws MizanError NOT_FOUND when the file was never on its way
 */
export async function resendDelivery(
  client: Queryable,
  fileId: number,
  by: { readonly actor: string; readonly reason: string; readonly nowMs: number },
): Promise<Delivery> {
  const { rows } = await client.query<DeliveryRow>(
    `update clearing_delivery set state = 'waiting', attempts_before = attempts, next_at = $2, error = null,
       acknowledge_by = null
     where id = (select max(id) from clearing_delivery where file_id = $1 and state <> 'dropped') returning ${columns}`,
    [fileId, new Date(by.nowMs)],
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', 'the file was not given to delivery yet')
  await client.query(
    `insert into clearing_delivery_event (delivery_id, actor, event, detail) values ($1, $2, 'resend', $3)`,
    [row.id, by.actor, by.reason.slice(0, TEXT_MAX)],
  )
  await client.query(
    'update clearing_acknowledgement set set_aside_at = $2 where file_id = $1 and set_aside_at is null',
    [fileId, new Date(by.nowMs)],
  )
  return deliveryOf(row)
}

/**
 * Business dates of which a file waits for its next attempt, and its time has come.
 * @param max dates at most, the oldest first
 */
export async function datesToDeliver(client: Queryable, nowMs: number, max: number): Promise<CivilDate[]> {
  const { rows } = await client.query<{ business_date: string }>(
    `select distinct f.business_date from clearing_delivery d join clearing_file f on f.id = d.file_id
     where d.state = 'waiting' and d.next_at <= $1 order by f.business_date limit $2`,
    [new Date(nowMs), max],
  )
  return rows.map((row) => parseDate(row.business_date))
}

/** A delivery with what people want to know of its file. */
export interface DeliveryView extends Delivery {
  readonly name: string
  readonly type: string
  readonly institution: string
  readonly businessDate: string
  readonly fileState: string
  /** SHA-256 of the certificate of ours that signed it, hex. */
  readonly signedBy: string | undefined
  readonly answer: 'accepted' | 'rejected' | undefined
  readonly answerReason: string | undefined
}

/** Which deliveries are wanted; what is absent does not matter. */
export interface DeliveryFilter {
  /** yyyy-mm-dd */
  readonly businessDate?: string
  readonly state?: DeliveryState
  readonly fileId?: number
  readonly id?: number
  readonly beforeId?: number
  readonly limit: number
}

/** Deliveries, the newest first. */
export async function listDeliveries(client: Queryable, filter: DeliveryFilter): Promise<DeliveryView[]> {
  const { rows } = await client.query<
    DeliveryRow & {
      name: string
      type: string
      institution: string
      business_date: string
      file_state: string
      signed_by: string | null
      answer: 'accepted' | 'rejected' | null
      answer_reason: string | null
    }
  >(
    `select d.id, d.file_id, d.destination, d.state, d.attempts, d.attempts_before, d.next_at, d.error, d.created_at,
            d.delivered_at, d.acknowledge_by, f.name, f.type, f.institution, f.business_date, f.state as file_state,
            k.fingerprint as signed_by, a.state as answer, a.reason as answer_reason
     from clearing_delivery d join clearing_file f on f.id = d.file_id
     left join clearing_acknowledgement a on a.file_id = d.file_id and a.set_aside_at is null
     left join clearing_protection p on p.file_id = d.file_id left join clearing_key k on k.id = p.signed_by
     where ($1::date is null or f.business_date = $1) and ($2::text is null or d.state = $2)
       and ($3::bigint is null or d.file_id = $3) and ($4::bigint is null or d.id = $4)
       and ($5::bigint is null or d.id < $5)
     order by d.id desc limit $6`,
    [
      filter.businessDate ?? null,
      filter.state ?? null,
      filter.fileId ?? null,
      filter.id ?? null,
      filter.beforeId ?? null,
      filter.limit,
    ],
  )
  return rows.map((row) => ({
    ...deliveryOf(row),
    name: row.name,
    type: row.type,
    institution: row.institution,
    businessDate: row.business_date,
    fileState: row.file_state,
    signedBy: row.signed_by ?? undefined,
    answer: row.answer ?? undefined,
    answerReason: row.answer_reason ?? undefined,
  }))
}

/** One thing that happened to a delivery. */
export interface DeliveryEvent {
  readonly atMs: number
  readonly actor: string
  readonly event: string
  readonly detail: string
}

const EVENTS_MAX = 1_000

/** What happened to a delivery, oldest first. */
export async function deliveryEvents(client: Queryable, id: number): Promise<DeliveryEvent[]> {
  const { rows } = await client.query<{ at: Date; actor: string; event: string; detail: string | null }>(
    `select at, actor, event, detail from clearing_delivery_event where delivery_id = $1 order by id limit ${EVENTS_MAX}`,
    [id],
  )
  return rows.map(({ at, actor, event, detail }) => ({ atMs: at.getTime(), actor, event, detail: detail ?? '' }))
}

function deliveryOf(row: DeliveryRow): Delivery {
  return {
    id: Number(row.id),
    fileId: Number(row.file_id),
    destination: row.destination,
    state: row.state,
    attempts: row.attempts,
    attemptsBefore: row.attempts_before,
    nextAtMs: row.next_at.getTime(),
    error: row.error ?? undefined,
    createdAtMs: row.created_at.getTime(),
    deliveredAtMs: row.delivered_at?.getTime(),
    acknowledgeByMs: row.acknowledge_by?.getTime(),
  }
}
