import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'
import { type DeliveryState, type DeliveryTurn, deliveryStates } from './notification-delivery.ts'
import { type TransactionPort, transactionPort } from './notification-outbox.ts'

/** A notification as people see it: never its text, nor the number it went to. */
export interface NotificationRecord {
  readonly id: number
  readonly lane: number
  readonly householdId: number
  readonly template: string
  readonly createdAtMs: number
  /** `new` until delivery has looked at it. */
  readonly state: DeliveryState | 'new'
  readonly reason: string | undefined
  readonly attempts: number
  readonly resends: number
  readonly nextAtMs: number | undefined
  readonly endedAtMs: number | undefined
  readonly providerReference: string | undefined
  readonly parts: number | undefined
  readonly error: string | undefined
}

/** Which notifications are asked for. */
export interface NotificationFilter {
  readonly householdId?: number
  readonly state?: DeliveryState
  /** Only older ones than this, for the next page. */
  readonly beforeId?: number
  readonly limit: number
}

interface Row {
  readonly id: string
  readonly lane: number
  readonly household_id: string
  readonly template: string
  readonly created_at: Date
  readonly state: DeliveryState | 'new'
  readonly reason: string | null
  readonly attempts: number | null
  readonly resends: number | null
  readonly next_at: Date | null
  readonly ended_at: Date | null
  readonly provider_reference: string | null
  readonly parts: number | null
  readonly error: string | null
}

/** Checks the name of a state. @throws MizanError BAD_INPUT */
export function parseDeliveryState(text: string): DeliveryState {
  const found = deliveryStates.find((state) => state === text)
  if (found === undefined) throw new MizanError('BAD_INPUT', `a state is one of ${deliveryStates.join(', ')}`)
  return found
}

/** Notifications, the newest first. */
export async function listNotifications(client: Client, filter: NotificationFilter): Promise<NotificationRecord[]> {
  const { rows } = await client.query<Row>(
    `select * from notifications
     where ($1::bigint is null or household_id = $1) and ($2::text is null or state = $2)
       and ($3::bigint is null or id < $3)
     order by id desc limit $4`,
    [filter.householdId ?? null, filter.state ?? null, filter.beforeId ?? null, filter.limit],
  )
  return rows.map(recordOf)
}

/** A notification by its id. @throws MizanError NOT_FOUND */
export async function findNotification(client: Client, id: number): Promise<NotificationRecord> {
  const { rows } = await client.query<Row>('select * from notifications where id = $1', [id])
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no notification ${id}`)
  return recordOf(row)
}

/** Makes the jobs of messages through the transaction that says that they wait. */
export type Enqueue = (turns: readonly DeliveryTurn[], port: TransactionPort) => Promise<void>

/**
 * Has a notification sent again, whatever became of it, as a new message for the provider.
 * @param client in the transaction that it is part of
 * @returns what it was before
 * @throws MizanError NOT_FOUND; CONFLICT when it waits anyway
 */
export async function resendNotification(
  client: Client,
  id: number,
  nowMs: number,
  enqueue: Enqueue,
): Promise<NotificationRecord> {
  const found = await findNotification(client, id)
  const { rows } = await client.query<{ turn: number }>(
    `update notification_delivery set state = 'waiting', reason = 'resent', turn = turn + 1, attempts = 0,
       resends = resends + 1, next_at = $2, ended_at = null, error = null, provider_reference = null
     where id = $1 and state <> 'waiting' returning turn`,
    [id, new Date(nowMs)],
  )
  const turn = rows[0]?.turn
  if (turn === undefined) throw new MizanError('CONFLICT', `notification ${id} waits to be sent`)
  await enqueue([{ id, turn }], transactionPort(client))
  return found
}

function recordOf(row: Row): NotificationRecord {
  return {
    id: Number(row.id),
    lane: row.lane,
    householdId: Number(row.household_id),
    template: row.template,
    createdAtMs: row.created_at.getTime(),
    state: row.state,
    reason: row.reason ?? undefined,
    attempts: row.attempts ?? 0,
    resends: row.resends ?? 0,
    nextAtMs: row.next_at?.getTime(),
    endedAtMs: row.ended_at?.getTime(),
    providerReference: row.provider_reference ?? undefined,
    parts: row.parts ?? undefined,
    error: row.error ?? undefined,
  }
}
