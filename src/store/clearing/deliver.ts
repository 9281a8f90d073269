import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'

export const deliveryStates = ['waiting', 'delivered', 'failed'] as const
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

/** Begins the delivery of a file, or finds it. */
export async function beginDelivery(
  client: Queryable,
  fileId: number,
  destination: string,
  nowMs: number,
): Promise<Delivery> {
  await client.query(
    `insert into clearing_delivery (file_id, destination, next_at) values ($1, $2, $3) on conflict do nothing`,
    [fileId, destination, new Date(nowMs)],
  )
  const { rows } = await client.query<DeliveryRow>(
    `select ${columns} from clearing_delivery where file_id = $1 and destination = $2`,
    [fileId, destination],
  )
  return deliveryOf(rows[0] as DeliveryRow)
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

/** Has a delivery made again, whatever came of it. @throws MizanError NOT_FOUND */
export async function resendDelivery(
  client: Queryable,
  id: number,
  by: { readonly actor: string; readonly reason: string; readonly nowMs: number },
): Promise<Delivery> {
  const { rows } = await client.query<DeliveryRow>(
    `update clearing_delivery set state = 'waiting', attempts_before = attempts, next_at = $2, error = null
     where id = $1 returning ${columns}`,
    [id, new Date(by.nowMs)],
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no delivery ${id}`)
  await client.query(
    `insert into clearing_delivery_event (delivery_id, actor, event, detail) values ($1, $2, 'resend', $3)`,
    [id, by.actor, by.reason.slice(0, TEXT_MAX)],
  )
  return deliveryOf(row)
}

/** A delivery with what people want to know of its file. */
export interface DeliveryView extends Delivery {
  readonly name: string
  readonly type: string
  readonly institution: string
  readonly businessDate: string
  readonly fileState: string
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
      answer: 'accepted' | 'rejected' | null
      answer_reason: string | null
    }
  >(
    `select d.id, d.file_id, d.destination, d.state, d.attempts, d.attempts_before, d.next_at, d.error, d.created_at,
            d.delivered_at, d.acknowledge_by, f.name, f.type, f.institution, f.business_date, f.state as file_state,
            a.state as answer, a.reason as answer_reason
     from clearing_delivery d join clearing_file f on f.id = d.file_id
     left join clearing_acknowledgement a on a.file_id = d.file_id
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
