import { MizanError } from '../errors.ts'
import type { Queryable } from './access-pool.ts'

/** A request that changes something, under a key of the caller's. */
export interface IdempotentRequest {
  readonly actor: string
  readonly key: string
  /** Method and route. */
  readonly route: string
  /** SHA-256 of the path and the body. */
  readonly fingerprint: Buffer
}

/** What a request was answered, as it is answered again. */
export interface StoredAnswer {
  readonly status: number
  /** JSON. */
  readonly body: string
  readonly location: string | undefined
}

/** A command that a request waits for. */
export interface CommandRef {
  readonly lane: number
  readonly id: number
}

/** What is to be done with a request: nothing but answer, wait for what it began, or do it. */
export type IdempotentState =
  | { readonly kind: 'new' }
  | { readonly kind: 'answered'; readonly answer: StoredAnswer }
  | { readonly kind: 'command'; readonly command: CommandRef }

/** Seconds that a request may take until another with its key may take it over: who had it has died. */
const BUSY_S = 60
const KEPT_DAYS = 7

interface Row {
  readonly route: string
  readonly fingerprint: Buffer
  readonly is_busy: boolean
  readonly is_old: boolean
  readonly command_lane: number | null
  readonly command_id: string | null
  readonly status: number | null
  readonly location: string | null
  readonly body: string | null
}

/**
 * Takes a request, inside the transaction of its work: of two at once with the same key one gets it.
 * @throws MizanError REQUEST_IN_PROGRESS when another is at it; IDEMPOTENCY_MISMATCH when the key was another request's
 */
export async function claimRequest(client: Queryable, request: IdempotentRequest): Promise<IdempotentState> {
  const { actor, key, route, fingerprint } = request
  const lock = await client.query<{ taken: boolean }>(
    'select pg_try_advisory_xact_lock(hashtextextended($1, 815)) as taken',
    [`${actor} ${key}`],
  )
  if (lock.rows[0]?.taken !== true) throw new MizanError('REQUEST_IN_PROGRESS')
  const { rows } = await client.query<Row>(
    `select route, fingerprint, coalesce(busy_until > now(), false) as is_busy,
            created_at < now() - $3 * interval '1 day' as is_old, command_lane, command_id, status, location, body
     from idempotent_request where actor = $1 and key = $2`,
    [actor, key, KEPT_DAYS],
  )
  const [row] = rows
  if (row !== undefined && !row.is_old) return stateOf(row, request)
  if (row !== undefined)
    await client.query('delete from idempotent_request where actor = $1 and key = $2', [actor, key])
  await client.query(
    `insert into idempotent_request (actor, key, route, fingerprint, busy_until)
     values ($1, $2, $3, $4, now() + $5 * interval '1 second')`,
    [actor, key, route, fingerprint, BUSY_S],
  )
  return { kind: 'new' }
}

function stateOf(row: Row, request: IdempotentRequest): IdempotentState {
  if (row.route !== request.route || !row.fingerprint.equals(request.fingerprint)) {
    throw new MizanError('IDEMPOTENCY_MISMATCH')
  }
  if (row.status !== null && row.body !== null) {
    return {
      kind: 'answered',
      answer: { status: row.status, body: row.body, location: row.location ?? undefined },
    }
  }
  if (row.is_busy) throw new MizanError('REQUEST_IN_PROGRESS')
  if (row.command_lane !== null && row.command_id !== null) {
    return { kind: 'command', command: { lane: row.command_lane, id: Number(row.command_id) } }
  }
  return { kind: 'new' }
}

/** Keeps what a request was answered. */
export async function keepAnswer(
  client: Queryable,
  { actor, key }: Pick<IdempotentRequest, 'actor' | 'key'>,
  answer: StoredAnswer,
): Promise<void> {
  await client.query(
    `update idempotent_request set status = $3, body = $4, location = $5, busy_until = null
     where actor = $1 and key = $2`,
    [actor, key, answer.status, answer.body, answer.location ?? null],
  )
}

/** Notes the command that a request waits for. */
export async function keepCommand(
  client: Queryable,
  { actor, key }: Pick<IdempotentRequest, 'actor' | 'key'>,
  command: CommandRef,
): Promise<void> {
  await client.query('update idempotent_request set command_lane = $3, command_id = $4 where actor = $1 and key = $2', [
    actor,
    key,
    command.lane,
    command.id,
  ])
}

/** Lets a request go that came to nothing, or that still waits: the next with its key goes on from there. */
export async function releaseRequest(
  client: Queryable,
  { actor, key }: Pick<IdempotentRequest, 'actor' | 'key'>,
): Promise<void> {
  await client.query(
    `update idempotent_request set busy_until = null where actor = $1 and key = $2 and status is null`,
    [actor, key],
  )
}

/** Removes what was answered more than a week ago. */
export async function sweepAnswers(client: Queryable): Promise<void> {
  await client.query(`delete from idempotent_request where created_at < now() - $1 * interval '1 day'`, [KEPT_DAYS])
}
