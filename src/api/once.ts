import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MizanError } from '../errors.ts'
import { noteAudit } from '../store/audit-store.ts'
import { type CommandState, type NewCommand, readCommand, requestCommand } from '../store/command-requests.ts'
import type { Client } from '../store/connection.ts'
import {
  type CommandRef,
  claimRequest,
  type IdempotentRequest,
  keepAnswer,
  keepCommand,
  releaseRequest,
} from '../store/idempotency.ts'
import { describeProblem } from './problem.ts'
import type { Answer, Call } from './route.ts'

/** What a change did, beside its answer. */
export interface Changed {
  readonly answer: Answer
  readonly households?: readonly number[]
  /** For the audit; never a secret or a card number. */
  readonly detail?: Readonly<Record<string, unknown>>
  /** What a repeat is told in place of the body, where the body holds a secret that is shown once. */
  readonly repeated?: unknown
  /** Whether it waits for something still. @default 'done' */
  readonly outcome?: 'done' | 'accepted'
}

/** Milliseconds between two looks at a command, at first and at most. */
const LOOK_MS = 20
const LOOK_MAX_MS = 250
/** Hex digits of a body's hash that are hashed again; what hashes card numbers takes 37 characters at most. */
const KEYED_LENGTH = 32

/**
 * Changes something in one transaction, once for an idempotency key: with the change are committed its audit event and
 * the answer that a repeat gets.
 */
export async function changeOnce(call: Call, work: (client: Client) => Promise<Changed>): Promise<Answer> {
  const request = requestOf(call)
  return call.services.database.change(async (client) => {
    const state = await claimRequest(client, request)
    if (state.kind === 'answered') return storedAnswer(state.answer)
    const changed = await work(client)
    await keepAnswer(client, request, keptOf(changed))
    await note(client, call, changed)
    return changed.answer
  })
}

/**
 * Does work that has transactions of its own and is idempotent under the key that it gets, once for an idempotency key
 * of the caller. If the process dies in the middle, the repeat goes through the work again.
 */
export async function doOnce(call: Call, work: (key: string) => Promise<Changed>): Promise<Answer> {
  const request = requestOf(call)
  const { database } = call.services
  const state = await database.change((client) => claimRequest(client, request))
  if (state.kind === 'answered') return storedAnswer(state.answer)
  try {
    const changed = await work(commandKeyOf(call))
    await database.change(async (client) => {
      await keepAnswer(client, request, keptOf(changed))
      await note(client, call, changed)
    })
    return changed.answer
  } catch (error) {
    await releaseRequest(database.queryable, request).catch(() => undefined)
    throw error
  }
}

/**
 * Has the writer of a lane carry a command out, once for an idempotency key. The command is in the inbox in the same
 * transaction as its audit event, so it is carried out whatever becomes of this process; here its end is waited for.
 * @param prepare reads what the command needs; its connection is not held while the command is waited for
 * @returns 200 with the outcome; 202 with the command's address when it takes longer; a problem 422 when it is refused
 */
export async function commandOnce(
  call: Call,
  prepare: (client: Client) => Promise<Omit<NewCommand, 'requestedBy' | 'idempotencyKey'>>,
): Promise<Answer> {
  return askOnce(call, async (client) => {
    const wanted = await prepare(client)
    const { id: requestedBy } = call.actor
    const command = await requestCommand(client, { ...wanted, requestedBy, idempotencyKey: commandKeyOf(call) })
    const households = wanted.householdId === undefined ? [] : [wanted.householdId]
    return { command, households, detail: { ...wanted.detail, ...cardOf(wanted) } }
  })
}

/** What was asked of the writer. */
export interface Asked {
  readonly command: CommandState
  readonly households: readonly number[]
  /** For the audit; nothing that tells of a person. */
  readonly detail?: Readonly<Record<string, unknown>>
}

/**
 * As {@link commandOnce}, for work that puts the command into the inbox itself, under {@link commandKeyOf}: what it does
 * besides is in the same transaction.
 */
export async function askOnce(call: Call, ask: (client: Client) => Promise<Asked>): Promise<Answer> {
  const request = requestOf(call)
  const { database, commandWaitMs } = call.services
  const state = await database.change(async (client) => {
    const claimed = await claimRequest(client, request)
    if (claimed.kind !== 'new') return claimed
    const { command, households, detail } = await ask(client)
    await keepCommand(client, request, command)
    const noted = { ...detail, command: commandName(command) }
    await note(client, call, { answer: { status: 202 }, outcome: 'accepted', households, detail: noted })
    return { kind: 'command' as const, command }
  })
  if (state.kind === 'answered') return storedAnswer(state.answer)
  const ended = await waitForCommand(call, state.command, commandWaitMs)
  const answer = commandAnswer(ended, call.requestId)
  if (ended.end === undefined) {
    await releaseRequest(database.queryable, request)
    return answer
  }
  await keepAnswer(database.queryable, request, keptOf({ answer }))
  return answer
}

function cardOf({ cardId }: { readonly cardId?: number }): { card?: number } {
  return cardId === undefined ? {} : { card: cardId }
}

/** Waits for the end of a command, a bounded time, each look on whichever connection is free. */
export async function waitForCommand(call: Call, { lane, id }: CommandRef, timeoutMs: number): Promise<CommandState> {
  const untilMs = performance.now() + timeoutMs
  for (let pauseMs = LOOK_MS; ; pauseMs = Math.min(pauseMs * 1.5, LOOK_MAX_MS)) {
    const state = await readCommand(call.services.database.queryable, lane, id)
    if (state.end !== undefined || performance.now() + pauseMs > untilMs) return state
    await sleep(pauseMs)
  }
}

/** Name of a command in addresses: lane and number. */
export function commandName({ lane, id }: CommandRef): string {
  return `${lane}-${id}`
}

/** Address at which a command can be looked at. */
function commandLocation(command: CommandRef): string {
  return `/api/v1/commands/${commandName(command)}`
}

function commandAnswer(state: CommandState, requestId: string): Answer {
  const location = commandLocation(state)
  const { end } = state
  const body = { commandId: commandName(state), kind: state.kind, state: 'waiting', ...numbersOf(state) }
  if (end === undefined) return { status: 202, body, headers: { location } }
  if (!end.done) {
    const reason = end.outcome.replace(/^refused: /, '')
    const problem = describeProblem(new MizanError('COMMAND_REFUSED', reason), requestId)
    return { status: problem.status, stored: JSON.stringify(problem), headers: { location } }
  }
  const outcome = end.outcome.replace(/^done: /, '')
  return {
    status: 200,
    body: { ...body, state: 'done', outcome, journalId: end.journalId },
    headers: { location },
  }
}

/** Numbers that were given to what a command opens. */
function numbersOf({ detail }: CommandState): { householdId?: number; orderId?: number } {
  const { household, order } = detail
  return {
    ...(typeof household === 'number' ? { householdId: household } : {}),
    ...(typeof order === 'number' ? { orderId: order } : {}),
  }
}

/** Key under which a command of this request is taken once. */
export function commandKeyOf(call: Call): string {
  return `api:${call.actor.id}:${call.idempotencyKey}`
}

/**
 * A body may hold a password or a national ID, which somebody who has the database could look for by trying: so its hash
 * is hashed again under the key by which cards are found.
 */
function requestOf(call: Call): IdempotentRequest {
  const plain = sha256(JSON.stringify([call.target, call.body ?? null])).toString('hex')
  const keyed = call.services.pans.index(plain.slice(0, KEYED_LENGTH))
  return {
    actor: call.actor.id,
    key: call.idempotencyKey,
    route: call.action,
    fingerprint: sha256(Buffer.from(keyed, 'latin1')),
  }
}

function sha256(content: string | Buffer): Buffer {
  return createHash('sha256').update(content).digest()
}

function keptOf({ answer, repeated }: Changed) {
  const body = answer.stored ?? JSON.stringify(repeated ?? answer.body ?? null)
  return { status: answer.status, body, location: answer.headers?.location }
}

function storedAnswer({
  status,
  body,
  location,
}: {
  status: number
  body: string
  location: string | undefined
}): Answer {
  return {
    status,
    stored: body,
    headers: { 'idempotent-replay': 'true', ...(location === undefined ? {} : { location }) },
  }
}

async function note(client: Client, call: Call, changed: Changed): Promise<void> {
  await noteAudit(client, {
    actor: call.actor.id,
    source: call.source,
    requestId: call.requestId,
    action: call.action,
    outcome: changed.outcome ?? 'done',
    ...(changed.households === undefined ? {} : { households: changed.households }),
    detail: { target: call.target, ...changed.detail },
  })
}
