import type { ForwardKind } from '../authorization/forward.ts'
import { MizanError } from '../errors.ts'
import type { Queryable } from './access-pool.ts'
import type { OutboundState } from './outbound-message.ts'

/** A queued message as people see it: never a card's number. */
export interface OutboundRecord {
  readonly id: number
  readonly destination: string
  readonly kind: ForwardKind
  readonly mti: string
  readonly stan: string
  readonly transmission: string
  readonly fields: Readonly<Record<string, string>>
  readonly authorizationId: number | undefined
  readonly householdId: number | undefined
  readonly panMasked: string | undefined
  readonly subject: string | undefined
  readonly queuedBy: string
  readonly state: OutboundState
  readonly attempts: number
  readonly nextAtMs: number
  readonly responseCode: string | undefined
  readonly error: string | undefined
  readonly createdAtMs: number
  readonly sentAtMs: number | undefined
  readonly endedAtMs: number | undefined
}

/** Something that happened to a message. */
export interface OutboundEvent {
  readonly attempt: number
  readonly event: string
  readonly mti: string | undefined
  readonly responseCode: string | undefined
  readonly detail: string | undefined
  readonly actor: string
  readonly atMs: number
}

/** Which messages to list; what is absent does not matter. */
export interface OutboundFilter {
  readonly destination?: string
  readonly state?: OutboundState
  readonly kind?: ForwardKind
  readonly authorizationId?: number
  /** Only older ones than this. */
  readonly beforeId?: number
  readonly limit: number
}

interface Row {
  id: string
  destination: string
  kind: ForwardKind
  mti: string
  stan: string
  transmission: string
  fields: Record<string, string>
  authorization_id: string | null
  household_id: string | null
  pan_masked: string | null
  subject: string | null
  queued_by: string
  state: OutboundState
  attempts: number
  next_at: Date
  response_code: string | null
  error: string | null
  created_at: Date
  sent_at: Date | null
  ended_at: Date | null
}

const columns = `id, destination, kind, mti, stan, transmission, fields, authorization_id, household_id, pan_masked, subject, queued_by,
  state, attempts, next_at, response_code, error, created_at, sent_at, ended_at`
const EVENTS_MAX = 500

/** Lists queued messages, the newest first. */
export async function listOutbound(client: Queryable, filter: OutboundFilter): Promise<OutboundRecord[]> {
  const { destination, state, kind, authorizationId, beforeId, limit } = filter
  const { rows } = await client.query<Row>(
    `select ${columns} from outbound_messages
     where ($1::text is null or destination = $1) and ($2::text is null or state = $2)
       and ($3::text is null or kind = $3) and ($4::bigint is null or authorization_id = $4)
       and ($5::bigint is null or id < $5)
     order by id desc limit $6`,
    [destination ?? null, state ?? null, kind ?? null, authorizationId ?? null, beforeId ?? null, limit],
  )
  return rows.map(recordOf)
}

/** A message with its history, the oldest first, at most its last 500 events. @throws MizanError NOT_FOUND */
export async function readOutbound(
  client: Queryable,
  id: number,
): Promise<{ readonly message: OutboundRecord; readonly events: readonly OutboundEvent[] }> {
  const { rows } = await client.query<Row>(`select ${columns} from outbound_messages where id = $1`, [id])
  const [row] = rows
  if (row === undefined) throw unknownMessage(id)
  const events = await client.query<{
    attempt: number
    event: string
    mti: string | null
    response_code: string | null
    detail: string | null
    actor: string
    at: Date
  }>(
    `select * from (
       select id, attempt, event, mti, response_code, detail, actor, at from outbound_attempt
       where message_id = $1 order by id desc limit ${EVENTS_MAX}) a
     order by id`,
    [id],
  )
  return {
    message: recordOf(row),
    events: events.rows.map(({ at, mti, response_code: responseCode, detail, ...event }) => ({
      ...event,
      mti: mti ?? undefined,
      responseCode: responseCode ?? undefined,
      detail: detail ?? undefined,
      atMs: at.getTime(),
    })),
  }
}

/** Whether a message moves money: two people see to it then. */
export function movesMoney({ kind }: Pick<OutboundRecord, 'kind'>): boolean {
  return kind === 'advice' || kind === 'reversal'
}

/**
 * @throws MizanError CONFLICT for a message that is on its way, done or dropped: nothing can be done about it by hand
 */
export function requireOpen({ id, state }: Pick<OutboundRecord, 'id' | 'state'>): void {
  if (state === 'dead' || state === 'waiting') return
  throw new MizanError(
    'CONFLICT',
    `message ${id} is ${state}: only a dead letter, or one that waits, is seen to by hand`,
  )
}

/**
 * Refuses that one person alone did something about a message: it was waiting when it was looked at, and has become a
 * dead letter since. Undoes it with the transaction.
 * @param before state in which it was found
 * @throws MizanError CONFLICT
 */
export function refuseAlone(message: OutboundRecord, before: OutboundState): void {
  if (movesMoney(message) && before !== 'waiting') {
    throw new MizanError('CONFLICT', `message ${message.id} has just become a dead letter: ask again, for two people`)
  }
}

/** Who had something done by hand, and why. */
export interface OutboundAuthor {
  readonly actor: string
  readonly reason: string
  readonly nowMs: number
}

/**
 * Has a dead letter sent again, under its old STAN and DE7 and in its repeat form; one that waits is sent now. In
 * whatever transaction is open.
 * @returns the state that it was in
 * @throws MizanError NOT_FOUND; CONFLICT for one that is on its way, done or dropped
 */
export async function resendOutbound(client: Queryable, id: number, by: OutboundAuthor): Promise<OutboundState> {
  const { state, attempts } = await lockOutbound(client, id)
  await client.query(
    `update outbound_message
     set state = 'waiting', attempts_before = attempts, next_at = $2, ended_at = null, error = null where id = $1`,
    [id, new Date(by.nowMs)],
  )
  await note(client, id, attempts, 'resent', by)
  await client.query(`select pg_notify('mizan_outbound', '')`)
  return state
}

/**
 * Drops a dead letter, or a message that waits: it is not sent any more, and whoever drops it answers for what it would
 * have done. In whatever transaction is open.
 * @returns the state that it was in
 * @throws MizanError NOT_FOUND; CONFLICT for one that is on its way or done
 */
export async function dropOutbound(client: Queryable, id: number, by: OutboundAuthor): Promise<OutboundState> {
  const { state, attempts } = await lockOutbound(client, id)
  await client.query(`update outbound_message set state = 'dropped', ended_at = $2, error = $3 where id = $1`, [
    id,
    new Date(by.nowMs),
    by.reason.slice(0, REASON_MAX),
  ])
  await note(client, id, attempts, 'dropped', by)
  return state
}

const REASON_MAX = 300
const ACTOR_MAX = 160

async function lockOutbound(client: Queryable, id: number): Promise<{ state: OutboundState; attempts: number }> {
  const { rows } = await client.query<{ state: OutboundState; attempts: number }>(
    'select state, attempts from outbound_message where id = $1 for update',
    [id],
  )
  const [row] = rows
  if (row === undefined) throw unknownMessage(id)
  requireOpen({ id, state: row.state })
  return row
}

async function note(
  client: Queryable,
  id: number,
  attempts: number,
  event: 'resent' | 'dropped',
  { actor, reason, nowMs }: OutboundAuthor,
): Promise<void> {
  await client.query(
    'insert into outbound_attempt (message_id, attempt, event, detail, actor, at) values ($1, $2, $3, $4, $5, $6)',
    [id, attempts, event, reason.slice(0, REASON_MAX), actor.slice(0, ACTOR_MAX), new Date(nowMs)],
  )
}

function unknownMessage(id: number): MizanError {
  return new MizanError('NOT_FOUND', `there is no queued message ${id}; those that were done long ago are deleted`)
}

function recordOf(row: Row): OutboundRecord {
  return {
    id: Number(row.id),
    destination: row.destination,
    kind: row.kind,
    mti: row.mti,
    stan: row.stan,
    transmission: row.transmission,
    // A key travels under its key-encryption key; even so it is nothing to show around.
    fields: row.kind === 'key-exchange' ? { 70: row.fields[70] ?? '' } : row.fields,
    authorizationId: row.authorization_id === null ? undefined : Number(row.authorization_id),
    householdId: row.household_id === null ? undefined : Number(row.household_id),
    panMasked: row.pan_masked ?? undefined,
    subject: row.subject ?? undefined,
    queuedBy: row.queued_by,
    state: row.state,
    attempts: row.attempts,
    nextAtMs: row.next_at.getTime(),
    responseCode: row.response_code ?? undefined,
    error: row.error ?? undefined,
    createdAtMs: row.created_at.getTime(),
    sentAtMs: row.sent_at?.getTime(),
    endedAtMs: row.ended_at?.getTime(),
  }
}
