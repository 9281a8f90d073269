import type pg from 'pg'
import type { Test } from 'tap'
import type { CardStatus } from '../../src/card/household.ts'
import { type NewCommand, requestCommand } from '../../src/store/command-requests.ts'
import { connect } from '../../src/store/connection.ts'
import { laneOf } from '../../src/store/household-loader.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { writerWorld } from './writer.ts'

type World = Awaited<ReturnType<typeof writerWorld>>

export const TIMEOUT_MS = 60_000

/** A world, and connections to its inbox and, for arranging, as its owner. */
export async function inboxWorld(t: Test, options: { households?: number; laneCount?: number } = {}) {
  const world = await writerWorld(t, options)
  const app = await connect({ url: world.url, name: 'mizan test', role: 'mizan_app' })
  const owner = await connect({ url: world.url, name: 'mizan test' })
  t.teardown(() => Promise.all([app.end(), owner.end()]))
  return { world, app, owner, laneCount: options.laneCount ?? 1 }
}

/** A change of the status of a household's card. */
export function statusChange(householdId: number, status: CardStatus, laneCount = 1): NewCommand {
  const detail = { status, reason: 'a test' }
  const lane = laneOf(householdId, laneCount)
  return { lane, kind: 'card-status', cardId: householdId, householdId, detail, requestedBy: 'tester' }
}

/** Changes that are done only in this order: each has to find what the one before has left. */
export function chainOf(householdId: number, length: number, laneCount = 1): NewCommand[] {
  return Array.from({ length }, (_, at) => statusChange(householdId, at % 2 === 0 ? 'restricted' : 'active', laneCount))
}

/** Adds commands so that the writer sees them all at once. */
export async function requestTogether(app: pg.Client, commands: readonly NewCommand[]): Promise<void> {
  await app.query('begin')
  for (const command of commands) await requestCommand(app, command)
  await app.query('commit')
}

export interface Done {
  readonly id: number
  readonly lane: number
  readonly card: number
  readonly by: number
  readonly outcome: string
}

/** The inbox in order of ids, as soon as nothing waits any more. */
export async function whenDone(owner: pg.Client): Promise<Done[]> {
  for (const deadline = Date.now() + TIMEOUT_MS; ; ) {
    const { rows } = await owner.query<Done>(
      `select id::int, lane::int, card_id::int as card, done_id::int as by, outcome from command_inbox order by lane, id`,
    )
    if (rows.every((row) => row.outcome !== null)) return rows
    if (Date.now() > deadline) throw new Error(`${rows.filter((row) => !row.outcome).length} command(s) wait`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Time for what has come to get into the batch that is being filled: nothing tells from outside. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 300))
}

export async function waitFor(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + TIMEOUT_MS; !(await holds()); ) {
    if (Date.now() > deadline) throw new Error(`${what} did not come to pass`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export async function statusOf(owner: pg.Client, cardId: number): Promise<string | undefined> {
  const { rows } = await owner.query<{ status: string }>('select status from card where id = $1', [cardId])
  return rows[0]?.status
}

/** Commands that the journal has, by kind: a second time would be a second row. */
export async function journalCount(owner: pg.Client): Promise<number> {
  const { rows } = await owner.query<{ count: number }>(
    `select count(*)::int from command_journal where kind in ('card-status', 'pin-reset')`,
  )
  return rows[0]?.count ?? 0
}

export async function allChecksHold(t: Test, { url }: World): Promise<void> {
  t.same(
    (await verifyLedger(url)).filter((check) => !check.ok).map((check) => `${check.name}: ${check.detail}`),
    [],
  )
}

/** Whether a command was carried out. */
export const isDone = ({ outcome }: Done) => outcome.startsWith('done:')
