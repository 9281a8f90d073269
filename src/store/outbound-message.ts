import { type ForwardKind, forwardFault } from '../authorization/forward.ts'
import { MizanError } from '../errors.ts'
import { type Client, refusalOf } from './connection.ts'

/** States of a queued message; `acknowledged` and `dropped` are for good. */
export const outboundStates = ['waiting', 'sent', 'acknowledged', 'dead', 'dropped'] as const
export type OutboundState = (typeof outboundStates)[number]

/** A message that no decision causes. */
export interface QueuedMessage {
  readonly destination: string
  readonly kind: ForwardKind
  readonly mti: string
  /** As of a `Forward`. */
  readonly fields: Readonly<Record<number, string>>
  /** What it is about, where that may be queued only once. */
  readonly subject: string | undefined
  readonly queuedBy: string
  /** Not sent before this instant. @default at once */
  readonly notBeforeMs?: number
}

/** What became of a message that an authorization queued. */
export interface ForwardOutcome {
  readonly id: number
  readonly authorizationId: number
  readonly kind: ForwardKind
  readonly state: OutboundState
  /** DE39 of the last answer. */
  readonly responseCode: string | undefined
  readonly stan: string
  readonly transmission: string
  readonly endedAtMs: number | undefined
}

const UNIQUE_SUBJECT = 'outbound_message_subject'

/**
 * Queues a message in whatever transaction is open.
 * @returns its number; undefined when the same subject is queued, or was sent, already
 * @throws MizanError BAD_INPUT for one that may not be queued
 */
export async function queueMessage(client: Client, message: QueuedMessage, nowMs: number): Promise<number | undefined> {
  const fault = forwardFault(message)
  if (fault !== undefined) throw new MizanError('BAD_INPUT', `the message cannot be queued: ${fault}`)
  const { destination, kind, mti, fields, subject, queuedBy } = message
  const { 7: transmission = null, 11: stan = null, ...others } = fields
  try {
    const { rows } = await client.query<{ id: string }>(
      `insert into outbound_message
         (destination, kind, mti, fields, stan, transmission, subject, queued_by, next_at, created_at)
       values ($1, $2, $3, $4, coalesce($5, nextval('outbound_stan')::text),
               coalesce($6, to_char($9::timestamptz at time zone 'UTC', 'MMDDHH24MISS')), $7, $8, $10, $9)
       on conflict (destination, kind, subject)
         where subject is not null and state <> 'dropped' and (kind <> 'key-exchange' or state <> 'acknowledged') do nothing
       returning id`,
      [
        destination,
        kind,
        mti,
        JSON.stringify(others),
        stan,
        transmission,
        subject ?? null,
        queuedBy.slice(0, 64),
        new Date(nowMs),
        new Date(message.notBeforeMs ?? nowMs),
      ],
    )
    return rows[0] === undefined ? undefined : Number(rows[0].id)
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal === undefined || refusal.constraint === UNIQUE_SUBJECT) throw error
    throw new MizanError('BAD_INPUT', `the message cannot be queued: ${refusal.constraint}`, { cause: error })
  }
}

/** Queues the message that tells a network of a cutover (0800 with DE70 201), once for each business date. */
export async function enqueueCutover(
  client: Client,
  destination: string,
  businessDate: string,
  nowMs: number,
  queuedBy = 'cutover',
): Promise<number | undefined> {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(businessDate)) {
    throw new MizanError('BAD_INPUT', `${businessDate} is no date: yyyy-mm-dd`)
  }
  const fields = { 15: businessDate.slice(5).replace('-', ''), 70: '201' }
  const message: QueuedMessage = { destination, kind: 'cutover', mti: '0800', fields, subject: businessDate, queuedBy }
  return queueMessage(client, message, nowMs)
}

/** What became of the messages that authorizations queued, in their order; purged ones are not there any more. */
export async function forwardsOf(client: Client, authorizationIds: readonly number[]): Promise<ForwardOutcome[]> {
  const { rows } = await client.query<{
    id: string
    authorization_id: string
    kind: ForwardKind
    state: OutboundState
    response_code: string | null
    stan: string
    transmission: string
    ended_at: Date | null
  }>(
    `select id, authorization_id, kind, state, response_code, stan, transmission, ended_at
     from outbound_message where authorization_id = any ($1::bigint[]) order by id`,
    [authorizationIds],
  )
  return rows.map((row) => ({
    id: Number(row.id),
    authorizationId: Number(row.authorization_id),
    kind: row.kind,
    state: row.state,
    responseCode: row.response_code ?? undefined,
    stan: row.stan,
    transmission: row.transmission,
    endedAtMs: row.ended_at?.getTime(),
  }))
}

/** Deletes messages that were acknowledged or dropped before a time, with their history, a bounded number at once. */
export async function purgeOutbound(client: Client, beforeMs: number, limit: number): Promise<number> {
  const { rows } = await client.query<{ gone: number }>('select purge_outbound_messages($1, $2) as gone', [
    new Date(beforeMs),
    limit,
  ])
  return rows[0]?.gone ?? 0
}
