import { setTimeout as sleep } from 'node:timers/promises'
import { describeError, MizanError } from '../errors.ts'
import { type Client, isOutcomeUnknown, refusalOf } from './connection.ts'

/** A command to be carried out by the writer of a lane. */
export interface NewCommand {
  /** Lane of the card or household. */
  readonly lane: number
  readonly kind: string
  readonly cardId?: number
  readonly householdId?: number
  /** 16 KB of JSON at most; never a card number. */
  readonly detail?: Readonly<Record<string, unknown>>
  /** Who asks, up to 64 characters. */
  readonly requestedBy: string
  /** The same command under the same key is taken once. */
  readonly idempotencyKey?: string
}

/** A command as it stands in the inbox. */
export interface CommandState {
  readonly lane: number
  readonly id: number
  readonly kind: string
  readonly requestedBy: string
  readonly requestedAtMs: number
  readonly detail: Readonly<Record<string, unknown>>
  /** Undefined while it waits. */
  readonly end: CommandEnd | undefined
}

/** How a command ended. */
export interface CommandEnd {
  readonly atMs: number
  /** Row of the command journal. */
  readonly journalId: number
  /** Whether it was carried out; else it was refused. */
  readonly done: boolean
  /** In words, beginning with `done:` or `refused:`. */
  readonly outcome: string
}

interface StateRow {
  readonly lane: number
  readonly id: string
  readonly kind: string
  readonly requested_by: string
  readonly requested_at: Date
  readonly detail: Record<string, unknown>
  readonly done_at: Date | null
  readonly done_id: string | null
  readonly outcome: string | null
}

const stateColumns = 'lane, id, kind, requested_by, requested_at, detail, done_at, done_id, outcome'
const POLL_MS = 50

/**
 * Puts a command into the inbox. It is durable when this resolves, and a running switch carries it out within moments.
 * @throws MizanError BAD_INPUT when it is not one, or its key was used for another command; STORE_UNAVAILABLE
 */
export async function requestCommand(client: Pick<Client, 'query'>, command: NewCommand): Promise<CommandState> {
  const { lane, kind, cardId, householdId, detail, requestedBy, idempotencyKey } = command
  const values = [lane, kind, cardId, householdId, JSON.stringify(detail ?? {}), requestedBy, idempotencyKey]
  return catalogued(async () => {
    const inserted = await client.query<StateRow>(
      `insert into command_inbox (lane, kind, card_id, household_id, detail, requested_by, idempotency_key)
       values ($1, $2, $3, $4, $5, $6, $7) on conflict (idempotency_key) do nothing returning ${stateColumns}`,
      values,
    )
    const [row] = inserted.rows
    if (row !== undefined) return stateOf(row)
    const found = await client.query<StateRow>(
      `select ${stateColumns} from command_inbox
       where lane = $1 and kind = $2 and card_id is not distinct from $3::bigint
         and household_id is not distinct from $4::bigint and detail = $5::jsonb and requested_by = $6
         and idempotency_key = $7`,
      values,
    )
    const [same] = found.rows
    if (same === undefined) throw new MizanError('BAD_INPUT', 'this idempotency key was used for another command')
    return stateOf(same)
  })
}

/**
 * Waits for the end of a command.
 * @param onWaiting called about once a second while it has not ended, with the milliseconds so far
 * @returns its state, ended or, after the time-out, still waiting
 * @throws MizanError STORE_UNAVAILABLE, NOT_FOUND
 */
export async function awaitCommand(
  client: Client,
  { lane, id }: Pick<CommandState, 'lane' | 'id'>,
  options: { readonly timeoutMs: number; readonly onWaiting?: (waitedMs: number) => void },
): Promise<CommandState> {
  const startedMs = performance.now()
  let said = 0
  for (;;) {
    const state = await readCommand(client, lane, id)
    const waitedMs = performance.now() - startedMs
    if (state.end !== undefined || waitedMs >= options.timeoutMs) return state
    if (waitedMs >= (said + 1) * 1_000) {
      said = Math.floor(waitedMs / 1_000)
      options.onWaiting?.(waitedMs)
    }
    await sleep(POLL_MS)
  }
}

/** A command as it stands. @throws MizanError NOT_FOUND, STORE_UNAVAILABLE */
export async function readCommand(client: Pick<Client, 'query'>, lane: number, id: number): Promise<CommandState> {
  const { rows } = await catalogued(() =>
    client.query<StateRow>(`select ${stateColumns} from command_inbox where lane = $1 and id = $2`, [lane, id]),
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no command ${id} in lane ${lane}`)
  return stateOf(row)
}

/** The last commands for a card, the newest first. @throws MizanError STORE_UNAVAILABLE */
export async function commandsOfCard(client: Client, cardId: number, limit: number): Promise<CommandState[]> {
  const { rows } = await catalogued(() =>
    client.query<StateRow>(`select ${stateColumns} from command_inbox where card_id = $1 order by id desc limit $2`, [
      cardId,
      limit,
    ]),
  )
  return rows.map(stateOf)
}

function stateOf(row: StateRow): CommandState {
  const { done_at: doneAt, done_id: doneId, outcome } = row
  return {
    lane: row.lane,
    id: Number(row.id),
    kind: row.kind,
    requestedBy: row.requested_by,
    requestedAtMs: row.requested_at.getTime(),
    detail: row.detail,
    end:
      doneAt === null || outcome === null
        ? undefined
        : { atMs: doneAt.getTime(), journalId: Number(doneId), done: outcome.startsWith('done:'), outcome },
  }
}

async function catalogued<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof MizanError) throw cause
    if (isOutcomeUnknown(cause)) throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    const { constraint = '', code = '' } = refusalOf(cause) ?? {}
    throw new MizanError('BAD_INPUT', `the database refuses the command (${constraint || code})`, { cause })
  }
}
