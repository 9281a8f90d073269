import { createHash } from 'node:crypto'
import { type CivilDate, civilDate, DATE_FORM, readDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { asciiDigits } from '../identifiers.ts'
import type { PanProtection } from '../security/pan-protection.ts'
import type { PersonalData } from '../security/personal-data.ts'
import { type CommandState, readCommand, requestCommand } from './command-requests.ts'
import type { Client } from './connection.ts'

/** What the work with people needs: a place in the database, the protection of what is kept of them, and the time. */
export interface PeopleDesk {
  /** A connection of the application's role, or a pool of them: each query stands for itself. */
  readonly client: Pick<Client, 'query'>
  readonly personal: PersonalData
  readonly pans: PanProtection
  /** Milliseconds since 1970 UTC. */
  now(): number
}

/** In whose name something is done, and under what key it is done once. */
export interface PeopleActor {
  /** Up to 64 characters. */
  readonly name: string
  /** The same request under the same key is taken once; up to 128 characters. */
  readonly key?: string
}

/** A command to ask for, when it was not asked for under this key before. */
export interface Ask {
  readonly kind: string
  readonly householdId: number
  readonly cardId?: number
  /** What makes it another request, for the comparison with one of the same key; nothing that tells of a person. */
  readonly input: unknown
}

/** Cairo's date at a desk. */
export function todayAt(desk: Pick<PeopleDesk, 'now'>): CivilDate {
  return civilDate(desk.now())
}

/** Reads a date that people give, yyyy-mm-dd. @throws MizanError BAD_INPUT */
export function dateFrom(text: string, what: string): CivilDate {
  const date = readDate(text)
  if (date !== undefined) return date
  throw new MizanError('BAD_INPUT', `${what} must be ${DATE_FORM}`)
}

/** Longest reason that is kept. */
export const REASON_MAX = 200
/** A number of a person, card or account has no place in a free text. */
const LONG_NUMBER = /\d(?:[ -]?\d){9,}/

/** Whether a free text may be kept with a change. */
export function isReason(text: string): boolean {
  // Neither NUL nor half a character can be kept.
  return (
    text.length <= REASON_MAX && text.isWellFormed() && !text.includes('\0') && !LONG_NUMBER.test(asciiDigits(text))
  )
}

/** A reason in words, as it is kept. @throws MizanError BAD_INPUT, without the text */
export function reasonFrom(text: string): string {
  const reason = text.trim()
  if (reason !== '' && isReason(reason)) return reason
  throw new MizanError('BAD_INPUT', `reason: say why, in up to ${REASON_MAX} characters and without long numbers`)
}

/**
 * Asks for a command, once under a key: a repeat gets the state of the first, also when what it asked for has changed
 * everything since.
 * @param prepare reads and checks what the command needs, and gives its detail; not called for a repeat
 * @returns the command as it stands in the inbox; it is carried out by the writer of its lane
 * @throws MizanError BAD_INPUT when the key was used for another request; what `prepare` throws; STORE_UNAVAILABLE
 */
export async function askOnce(
  { client }: Pick<PeopleDesk, 'client'>,
  { kind, householdId, cardId, input }: Ask,
  actor: PeopleActor,
  prepare: () => Promise<Readonly<Record<string, unknown>>>,
): Promise<CommandState> {
  const asked = createHash('sha256')
    .update(JSON.stringify([kind, input]))
    .digest('hex')
    .slice(0, 32)
  const before = await findByKey(client, actor)
  if (before !== undefined) return sameRequest(before, asked)
  const detail = { asked, ...(await prepare()) }
  const lane = await laneFor(client, householdId)
  const wanted = { lane, kind, householdId, detail, requestedBy: actor.name }
  const named = cardId === undefined ? wanted : { ...wanted, cardId }
  if (actor.key === undefined) return requestCommand(client, named)
  try {
    return await requestCommand(client, { ...named, idempotencyKey: actor.key })
  } catch (error) {
    // Another request under the key was quicker; its detail may differ in what was read or numbered meanwhile.
    const other = error instanceof MizanError ? await findByKey(client, actor) : undefined
    if (other === undefined) throw error
    return sameRequest(other, asked)
  }
}

/** A command that was asked for under the key; undefined when there is none. */
export async function findByKey(
  client: Pick<Client, 'query'>,
  { key }: Pick<PeopleActor, 'key'>,
): Promise<CommandState | undefined> {
  if (key === undefined) return undefined
  const { rows } = await client.query<{ lane: number; id: string }>(
    'select lane, id from command_inbox where idempotency_key = $1',
    [key],
  )
  const [row] = rows
  return row === undefined ? undefined : readCommand(client, row.lane, Number(row.id))
}

function sameRequest(state: CommandState, asked: string): CommandState {
  if (state.detail.asked === asked) return state
  throw new MizanError('BAD_INPUT', 'this idempotency key was used for another command')
}

/** Lane that a household belongs to, whether it is there yet or not. */
async function laneFor(client: Pick<Client, 'query'>, householdId: number): Promise<number> {
  const { rows } = await client.query<{ lane: number }>(
    'select ($1::bigint % lane_count)::smallint as lane from installation',
    [householdId],
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', 'the database has no lanes yet: start the switch once')
  return row.lane
}

/** The next number that Mizan gives to a household, card or order. */
export async function nextNumber(
  { client }: Pick<PeopleDesk, 'client'>,
  of: 'household' | 'card' | 'card_order',
): Promise<number> {
  const { rows } = await client.query<{ number: string }>(`select nextval('${of}_number') as number`)
  return Number(rows[0]?.number)
}
