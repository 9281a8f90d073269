import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'

/** What protects a file, as it was written. */
export interface FileProtection {
  readonly fileId: number
  readonly signatureName: string
  readonly signatureSha256: Buffer
  /** Number of our key. */
  readonly signedBy: number
  /** Undefined of a file that goes out in clear. */
  readonly encrypted:
    | { readonly name: string; readonly bytes: number; readonly sha256: Buffer; readonly keys: readonly number[] }
    | undefined
}

interface ProtectionRow {
  readonly file_id: string
  readonly signature_name: string
  readonly signature_sha256: Buffer
  readonly signed_by: string
  readonly encrypted_name: string | null
  readonly encrypted_bytes: string | null
  readonly encrypted_sha256: Buffer | null
  readonly encrypted_for: string[] | null
}

/** What protects a file; undefined before it was signed. */
export async function readProtection(client: Queryable, fileId: number): Promise<FileProtection | undefined> {
  const { rows } = await client.query<ProtectionRow>(
    `select file_id, signature_name, signature_sha256, signed_by, encrypted_name, encrypted_bytes, encrypted_sha256, encrypted_for
     from clearing_protection where file_id = $1`,
    [fileId],
  )
  const [row] = rows
  if (row === undefined) return undefined
  const { encrypted_name: name, encrypted_sha256: sha256, encrypted_for: keys } = row
  return {
    fileId: Number(row.file_id),
    signatureName: row.signature_name,
    signatureSha256: row.signature_sha256,
    signedBy: Number(row.signed_by),
    encrypted:
      name === null || sha256 === null
        ? undefined
        : { name, bytes: Number(row.encrypted_bytes), sha256, keys: (keys ?? []).map(Number) },
  }
}

/** Notes what protects a file; it is made once, so what stands there stays. */
export async function saveProtection(client: Queryable, made: FileProtection): Promise<void> {
  const { encrypted } = made
  await client.query(
    `insert into clearing_protection (file_id, signature_name, signature_sha256, signed_by, encrypted_name, encrypted_bytes,
       encrypted_sha256, encrypted_for)
     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
    [
      made.fileId,
      made.signatureName,
      made.signatureSha256,
      made.signedBy,
      encrypted?.name ?? null,
      encrypted?.bytes ?? null,
      encrypted?.sha256 ?? null,
      encrypted?.keys ?? null,
    ],
  )
}

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

/** What a receiver answered. */
export interface Acknowledgement {
  readonly fileId: number
  readonly state: 'accepted' | 'rejected'
  readonly reason?: string
  /** File or message that said so. */
  readonly source: string
}

/**
 * Notes what a receiver answered; the same answer again changes nothing.
 * @returns whether it is new
 * @throws MizanError CONFLICT when the receiver said the opposite before
 */
export async function noteAcknowledgement(client: Queryable, said: Acknowledgement): Promise<boolean> {
  const { rowCount } = await client.query(
    `insert into clearing_acknowledgement (file_id, state, reason, source) values ($1, $2, $3, $4) on conflict do nothing`,
    [said.fileId, said.state, said.reason?.slice(0, TEXT_MAX) ?? null, said.source],
  )
  if (rowCount !== 0) return true
  const { rows } = await client.query<{ state: string }>(
    'select state from clearing_acknowledgement where file_id = $1',
    [said.fileId],
  )
  if (rows[0]?.state === said.state) return false
  throw new MizanError('CONFLICT', `${said.source} says ${said.state}; the receiver said ${rows[0]?.state} before`)
}

/** How delivery stands, for metrics. */
export interface DeliveryStanding {
  readonly waiting: number
  readonly failed: number
  /** Creation of the oldest file that is released and not delivered. */
  readonly oldestUndeliveredMs: number | undefined
  readonly acknowledgementsOverdue: number
  readonly fetchedWaiting: number
  readonly fetchesRefused: number
  /** End of the certificate in use that ends first, where no newer one follows. */
  readonly firstExpiryMs: number | undefined
}

/** Reads how delivery stands. @param nowMs milliseconds since 1970 UTC */
export async function deliveryStanding(client: Queryable, nowMs: number): Promise<DeliveryStanding> {
  const { rows } = await client.query<{
    waiting: string
    failed: string
    oldest: Date | null
    overdue: string
    fetched: string
    refused: string
    expiry: Date | null
  }>(
    `select
       (select count(*) from clearing_delivery where state = 'waiting') as waiting,
       (select count(*) from clearing_delivery where state = 'failed') as failed,
       (select min(created_at) from clearing_delivery where state <> 'delivered') as oldest,
       (select count(*) from clearing_delivery d where d.state = 'delivered' and d.acknowledge_by < $1
          and not exists (select from clearing_acknowledgement a where a.file_id = d.file_id)) as overdue,
       (select count(*) from clearing_fetch where state = 'fetched') as fetched,
       (select count(*) from clearing_fetch where state = 'refused') as refused,
       (select min(last) from (select max(valid_to) as last from clearing_key where status = 'active'
          group by owner, purpose) k) as expiry`,
    [new Date(nowMs)],
  )
  const row = rows[0]
  return {
    waiting: Number(row?.waiting ?? 0),
    failed: Number(row?.failed ?? 0),
    oldestUndeliveredMs: row?.oldest?.getTime(),
    acknowledgementsOverdue: Number(row?.overdue ?? 0),
    fetchedWaiting: Number(row?.fetched ?? 0),
    fetchesRefused: Number(row?.refused ?? 0),
    firstExpiryMs: row?.expiry?.getTime(),
  }
}

const DELIVERY_LOCK = 7_364_321

/**
 * Takes the right to deliver and to fetch; one connection has it, until it ends or gives it back.
 * @returns whether nobody else had it
 */
export async function takeDeliveryLock(client: Queryable): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>(`select pg_try_advisory_lock(${DELIVERY_LOCK}) as taken`)
  return rows[0]?.taken === true
}

export async function giveDeliveryLock(client: Queryable): Promise<void> {
  await client.query(`select pg_advisory_unlock(${DELIVERY_LOCK})`)
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
