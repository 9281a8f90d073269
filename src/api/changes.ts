import type { TSchema } from 'typebox'
import { MizanError } from '../errors.ts'
import type { Queryable } from '../store/access-pool.ts'
import { type Role, requireConfirmed } from '../store/access-users.ts'
import { noteAudit } from '../store/audit-store.ts'
import {
  addChangeRequest,
  type ChangeRequest,
  concludeRequest,
  decideRequest,
  lockPendingRequest,
  readChangeRequest,
} from '../store/change-request.ts'
import { type NewCommand, readCommand, requestCommand } from '../store/command-requests.ts'
import type { Client } from '../store/connection.ts'
import { changeKinds } from './change-kinds.ts'
import { instantOf } from './cursor.ts'
import { changeOnce, commandName, waitForCommand } from './once.ts'
import { type Actor, type Answer, type Call, ok } from './route.ts'
import type { ApiServices } from './services.ts'
import { Checker, InvalidRequest } from './validation.ts'

/** How an approved change is carried out. */
export type Execution =
  /** By the writer of a lane. */
  | { readonly by: 'command'; readonly command: Omit<NewCommand, 'requestedBy' | 'idempotencyKey'> }
  /** In the transaction of the approval; what came of it, in words. */
  | { readonly by: 'change'; readonly result: string }

/** What is known of a request when it is carried out. */
export interface ApprovedChange {
  readonly id: number
  readonly payload: Readonly<Record<string, unknown>>
  readonly reason: string
  /** `user:NAME` or `key:ID` of who asked. */
  readonly maker: string
  /** The person behind it. */
  readonly makerPerson: string
  /** The second person. */
  readonly checker: string
}

/** A kind of change that needs a second person. */
export interface ChangeKind {
  /** In a few words, for people. */
  readonly what: string
  readonly makers: readonly Role[]
  readonly checkers: readonly Role[]
  readonly payload: TSchema
  /** Household that it concerns, for the audit. */
  readonly householdOf?: (payload: Readonly<Record<string, unknown>>) => number
  /** What the schema cannot say. @throws MizanError of status 4xx */
  readonly validate?: (
    client: Client,
    payload: Readonly<Record<string, unknown>>,
    services: ApiServices,
  ) => Promise<void>
  /**
   * The payload as it is kept, with what else is agreed to: the content that it names, and not another one that has its
   * name by the time of the approval. @throws MizanError of status 4xx
   */
  readonly bound?: (
    client: Client,
    payload: Readonly<Record<string, unknown>>,
  ) => Promise<Readonly<Record<string, unknown>>>
  /**
   * Carries it out, or says what command does; in the transaction of the approval.
   * @throws MizanError of status 4xx when it cannot be done: the request has failed then
   */
  readonly execute: (client: Client, request: ApprovedChange, services: ApiServices) => Promise<Execution>
  /** After the commit, for what this process keeps in memory. */
  readonly settled?: (services: ApiServices) => Promise<void>
}

/** What somebody asks for. */
export interface Proposal {
  readonly kind: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly reason: string
}

const checkers = new Map<string, Checker>()

function kindOf(name: string): ChangeKind {
  const kind = Object.hasOwn(changeKinds, name) ? changeKinds[name] : undefined
  if (kind === undefined) throw new MizanError('BAD_INPUT', 'there is no such kind of change')
  return kind
}

function mayOneOf(actor: Actor, wanted: readonly Role[]): boolean {
  return wanted.some((role) => actor.roles.includes(role))
}

/**
 * Asks for a change, once for an idempotency key.
 * @returns 202 with the request, which waits for a second person
 */
export async function proposeOnce(call: Call, proposal: Proposal): Promise<Answer> {
  const { kind: name, payload, reason } = proposal
  const kind = kindOf(name)
  if (!mayOneOf(call.actor, kind.makers)) {
    throw new MizanError('FORBIDDEN', `to ask for it needs one of the roles ${kind.makers.join(', ')}`)
  }
  const checker = checkers.get(name) ?? new Checker(kind.payload)
  checkers.set(name, checker)
  const faults = checker.faults(payload, 'body')
  if (faults.length > 0) {
    throw new InvalidRequest(faults.map((fault) => ({ ...fault, pointer: `/payload${fault.pointer}` })))
  }
  return changeOnce(call, async (client) => {
    await kind.validate?.(client, payload, call.services)
    const householdId = kind.householdOf?.(payload)
    const { id: maker, person: makerPerson } = call.actor
    const kept = (await kind.bound?.(client, payload)) ?? payload
    const wanted = { kind: name, payload: kept, householdId, reason, maker, makerPerson }
    const request = await addChangeRequest(client, wanted)
    return {
      answer: { status: 202, body: changeView(request), headers: { location: locationOf(request) } },
      outcome: 'accepted',
      households: householdId === undefined ? [] : [householdId],
      detail: { change: request.id, kind: name },
    }
  })
}

function locationOf({ id }: ChangeRequest): string {
  return `/api/v1/change-requests/${id}`
}

/**
 * Approves a request and has it carried out, once for an idempotency key; with the approval is committed either the
 * change itself or the command that makes it.
 * @throws MizanError NOT_FOUND; CONFLICT when it is decided; FORBIDDEN for the same person, a key, or without the role
 */
export async function approveOnce(call: Call, id: number, note: string | undefined): Promise<Answer> {
  let headers: Answer['headers']
  try {
    // Of the decision, so that a repeat is told as one; what came of it may be known only now.
    headers = (await decideOnce(call, id, note, 'approved')).headers
  } catch (error) {
    // What was agreed to and cannot be done is told as its end, as it is where the writer refuses it.
    if (!(error instanceof CannotBeDone)) throw error
    await noteFailure(call, id, note, error)
  }
  const request = await settle(call.services, await readChangeRequest(call.services.database.queryable, id), call)
  await kindOf(request.kind).settled?.(call.services)
  return { ...ok(changeView(request)), ...(headers === undefined ? {} : { headers }) }
}

/** Rejects a request, once for an idempotency key. @throws MizanError as {@link approveOnce} */
export async function rejectOnce(call: Call, id: number, note: string): Promise<Answer> {
  return decideOnce(call, id, note, 'rejected')
}

async function decideOnce(
  call: Call,
  id: number,
  note: string | undefined,
  state: 'approved' | 'rejected',
): Promise<Answer> {
  return changeOnce(call, async (client) => {
    const request = await lockPendingRequest(client, id)
    const kind = checkSecondPerson(call.actor, request)
    await requireConfirmed(client, call.actor.person)
    const execution = state === 'approved' ? await tried(() => execute(client, call, request, kind)) : {}
    const checker = call.actor.person
    const decision = { state, checker, ...(note === undefined ? {} : { note }), ...execution }
    const decided = await decideRequest(client, id, decision)
    return {
      answer: ok(changeView(decided)),
      households: request.householdId === undefined ? [] : [request.householdId],
      detail: { change: id, kind: request.kind, state },
    }
  })
}

function checkSecondPerson(actor: Actor, request: ChangeRequest): ChangeKind {
  const kind = kindOf(request.kind)
  if (actor.kind !== 'user') throw new MizanError('FORBIDDEN', 'a person decides, not a key')
  if (actor.person === request.makerPerson) throw new MizanError('FORBIDDEN', 'another person than who asked decides')
  if (!mayOneOf(actor, kind.checkers)) {
    throw new MizanError('FORBIDDEN', `to decide on it needs one of the roles ${kind.checkers.join(', ')}`)
  }
  return kind
}

async function execute(client: Client, call: Call, request: ChangeRequest, kind: ChangeKind) {
  const { id, payload, reason, maker, makerPerson } = request
  const checker = call.actor.person
  const done = await kind.execute(client, { id, payload, reason, maker, makerPerson, checker }, call.services)
  if (done.by === 'change') return { result: done.result }
  const requestedBy = `${request.maker} + ${checker}`.slice(0, 64)
  const { lane, id: commandId } = await requestCommand(client, {
    ...done.command,
    requestedBy,
    idempotencyKey: `change:${id}`,
  })
  return { command: { lane, id: commandId } }
}

/** An approved change that cannot be done, for good: the transaction of the approval is undone by it. */
class CannotBeDone extends Error {
  override readonly name = 'CannotBeDone'
}

/** Reasons that another person or another day may undo: the request waits on. */
const PASSING: readonly string[] = ['FORBIDDEN', 'CONFLICT', 'NOT_FOUND']

async function tried<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const isFinal =
      cause instanceof MizanError &&
      cause.entry.httpStatus < 500 &&
      !cause.entry.retryable &&
      !PASSING.includes(cause.code)
    throw isFinal ? new CannotBeDone(cause.message, { cause }) : cause
  }
}

async function noteFailure(call: Call, id: number, note: string | undefined, { message }: CannotBeDone): Promise<void> {
  const checker = call.actor.person
  await call.services.database.change(async (client) => {
    await lockPendingRequest(client, id)
    await decideRequest(client, id, { state: 'approved', checker, ...(note === undefined ? {} : { note }) })
    await concludeRequest(client, id, { isDone: false, result: message })
    const { actor, source, requestId, action } = call
    const detail = { change: id, result: message.slice(0, 500) }
    await noteAudit(client, { actor: actor.id, source, requestId, action, outcome: 'failed', detail })
  })
}

/**
 * Writes down what came of an approved request that the writer carries out.
 * @param call waits for the command a while; absent = looks once
 */
export async function settle(services: ApiServices, request: ChangeRequest, call?: Call): Promise<ChangeRequest> {
  const { command, result, state } = request
  if (state !== 'approved' || result !== undefined || command === undefined) return request
  const { queryable } = services.database
  const ended =
    call === undefined
      ? await readCommand(queryable, command.lane, command.id)
      : await waitForCommand(call, command, services.commandWaitMs)
  if (ended.end === undefined) return request
  const words = ended.end.outcome.replace(/^(done|refused): /, '')
  return concludeRequest(queryable, request.id, { isDone: ended.end.done, result: words })
}

/**
 * Makes sure that a second person agreed to this very file.
 * @param id of the change request, as the caller names it
 * @throws MizanError CONFLICT when nobody did
 */
export async function requireApproval(
  client: Queryable,
  id: number | undefined,
  wanted: { readonly kind: string; readonly sha256: string },
): Promise<void> {
  const request = id === undefined ? undefined : await readChangeRequest(client, id)
  const isSame = request?.kind === wanted.kind && request.payload.sha256 === wanted.sha256
  if (isSame && request.state === 'approved') return
  throw new MizanError('CONFLICT', `it needs a second person: an approved change request ${wanted.kind} of this file`)
}

/** A request as answers show it. */
export function changeView(request: ChangeRequest) {
  return {
    changeId: request.id,
    kind: request.kind,
    payload: request.payload,
    householdId: request.householdId ?? null,
    reason: request.reason,
    maker: request.maker,
    state: request.state,
    checker: request.checker ?? null,
    note: request.note ?? null,
    commandId: request.command === undefined ? null : commandName(request.command),
    result: request.result ?? null,
    createdAt: instantOf(request.createdAtMs),
    expiresAt: instantOf(request.expiresAtMs),
    decidedAt: instantOf(request.decidedAtMs),
  }
}
