import { MizanError } from '../errors.ts'
import type { Queryable } from './access-pool.ts'
import { requireConfirmed } from './access-users.ts'
import type { CommandRef } from './idempotency.ts'

/** States of a change request; `approved` with a result has been carried out. */
export const changeStates = ['pending', 'approved', 'rejected', 'expired', 'failed'] as const

export type ChangeState = (typeof changeStates)[number]

/** What one person asked for and another agrees to or not. */
export interface ChangeRequest {
  readonly id: number
  readonly kind: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly householdId: number | undefined
  readonly reason: string
  /** `user:NAME` or `key:ID`. */
  readonly maker: string
  /** The person behind it. */
  readonly makerPerson: string
  readonly state: ChangeState
  readonly checker: string | undefined
  readonly note: string | undefined
  /** What carries it out, when the writer does. */
  readonly command: CommandRef | undefined
  /** What came of it, in words. */
  readonly result: string | undefined
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly decidedAtMs: number | undefined
}

/** A change request to be made. */
export type NewChangeRequest = Pick<
  ChangeRequest,
  'kind' | 'payload' | 'householdId' | 'reason' | 'maker' | 'makerPerson'
>

interface Row {
  readonly id: string
  readonly kind: string
  readonly payload: Record<string, unknown>
  readonly household_id: string | null
  readonly reason: string
  readonly maker: string
  readonly maker_person: string
  readonly state: ChangeState
  readonly checker: string | null
  readonly note: string | null
  readonly command_lane: number | null
  readonly command_id: string | null
  readonly result: string | null
  readonly created_at: Date
  readonly expires_at: Date
  readonly decided_at: Date | null
}

const PENDING_DAYS = 7
const columns = `id, kind, payload, household_id, reason, maker, maker_person, state, checker, note, command_lane,
  command_id, result, created_at, expires_at, decided_at`

/**
 * Adds a request, which waits a week for a second person.
 * @throws MizanError FORBIDDEN for who has an access that one administrator alone gave
 */
export async function addChangeRequest(client: Queryable, request: NewChangeRequest): Promise<ChangeRequest> {
  await requireConfirmed(client, request.makerPerson)
  const { rows } = await client.query<Row>(
    `insert into change_request (kind, payload, household_id, reason, maker, maker_person, expires_at)
     values ($1, $2, $3, $4, $5, $6, now() + $7 * interval '1 day') returning ${columns}`,
    [
      request.kind,
      JSON.stringify(request.payload),
      request.householdId ?? null,
      request.reason,
      request.maker,
      request.makerPerson,
      PENDING_DAYS,
    ],
  )
  return requestOf(rows[0] as Row)
}

/** @throws MizanError NOT_FOUND */
export async function readChangeRequest(client: Queryable, id: number): Promise<ChangeRequest> {
  return one(await client.query<Row>(`select ${columns} from change_request where id = $1`, [id]))
}

/**
 * Takes a request that waits, to decide on it: whoever comes second finds it decided.
 * @throws MizanError NOT_FOUND; CONFLICT when it does not wait any more
 */
export async function lockPendingRequest(client: Queryable, id: number): Promise<ChangeRequest> {
  await expireRequests(client)
  const found = await client.query<Row>(`select ${columns} from change_request where id = $1 for update`, [id])
  const request = one(found)
  if (request.state !== 'pending') {
    throw new MizanError('CONFLICT', `change request ${id} is ${request.state} already`)
  }
  return request
}

/** Lists requests, the newest first. */
export async function listChangeRequests(
  client: Queryable,
  filter: {
    readonly state?: ChangeState
    readonly kind?: string
    readonly householdId?: number
    readonly beforeId?: number
    readonly limit: number
  },
): Promise<ChangeRequest[]> {
  const { rows } = await client.query<Row>(
    `select ${columns} from change_request
     where ($1::text is null or state = $1) and ($2::text is null or kind = $2)
       and ($3::bigint is null or household_id = $3) and ($4::bigint is null or id < $4)
     order by id desc limit $5`,
    [filter.state ?? null, filter.kind ?? null, filter.householdId ?? null, filter.beforeId ?? null, filter.limit],
  )
  return rows.map(requestOf)
}

/** Notes what a second person decided. @throws MizanError STORE_REJECTED when it is the same person */
export async function decideRequest(
  client: Queryable,
  id: number,
  decision: {
    readonly state: 'approved' | 'rejected'
    readonly checker: string
    readonly note?: string
    readonly command?: CommandRef
    readonly result?: string
  },
): Promise<ChangeRequest> {
  const { state, checker, note, command, result } = decision
  return one(
    await client.query<Row>(
      `update change_request set state = $2, checker = $3, note = $4, command_lane = $5, command_id = $6, result = $7,
         decided_at = now()
       where id = $1 returning ${columns}`,
      [id, state, checker, note ?? null, command?.lane ?? null, command?.id ?? null, result?.slice(0, 2_000) ?? null],
    ),
  )
}

/** Notes what came of an approved request. */
export async function concludeRequest(
  client: Queryable,
  id: number,
  { isDone, result }: { readonly isDone: boolean; readonly result: string },
): Promise<ChangeRequest> {
  const { rows } = await client.query<Row>(
    `update change_request set state = $2, result = $3
     where id = $1 and state = 'approved' and result is null returning ${columns}`,
    [id, isDone ? 'approved' : 'failed', result.slice(0, 2_000)],
  )
  // Somebody else has noted it meanwhile.
  return rows[0] === undefined ? readChangeRequest(client, id) : requestOf(rows[0])
}

/** Ends what nobody decided in time. */
export async function expireRequests(client: Queryable): Promise<void> {
  await client.query(
    `update change_request set state = 'expired', decided_at = now() where state = 'pending' and expires_at <= now()`,
  )
}

/**
 * Ends requests that nobody decided and that have nothing left to decide on.
 * @param about what their payload holds, such as the version that was withdrawn
 * @param why in words, kept as their result
 */
export async function closeRequests(
  client: Queryable,
  kind: string,
  about: Readonly<Record<string, unknown>>,
  why: string,
): Promise<void> {
  await client.query(
    `update change_request set state = 'expired', decided_at = now(), result = $3
     where state = 'pending' and kind = $1 and payload @> $2::jsonb`,
    [kind, JSON.stringify(about), why.slice(0, 2_000)],
  )
}

function one({ rows }: { readonly rows: readonly Row[] }): ChangeRequest {
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', 'there is no such change request')
  return requestOf(row)
}

function requestOf(row: Row): ChangeRequest {
  const { command_lane: lane, command_id: commandId } = row
  return {
    id: Number(row.id),
    kind: row.kind,
    payload: row.payload,
    householdId: row.household_id === null ? undefined : Number(row.household_id),
    reason: row.reason,
    maker: row.maker,
    makerPerson: row.maker_person,
    state: row.state,
    checker: row.checker ?? undefined,
    note: row.note ?? undefined,
    command: lane === null || commandId === null ? undefined : { lane, id: Number(commandId) },
    result: row.result ?? undefined,
    createdAtMs: row.created_at.getTime(),
    expiresAtMs: row.expires_at.getTime(),
    decidedAtMs: row.decided_at?.getTime(),
  }
}
