import type { ReplayReport } from '../authorization/replay-tally.ts'
import { type CivilDate, formatDate, parseDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import type { Queryable } from './access-pool.ts'

export const simulationStates = ['waiting', 'done', 'failed'] as const
export type SimulationState = (typeof simulationStates)[number]

/** Past draws decided again under a version, as somebody asked. */
export interface ProgrammeSimulation {
  readonly id: number
  readonly code: string
  readonly version: number
  /** SHA-256 of the content that was asked about. */
  readonly checksum: string
  /** Entitlement dates, both included. */
  readonly from: CivilDate
  readonly to: CivilDate
  readonly askedBy: string
  readonly askedAtMs: number
  readonly attempts: number
  readonly state: SimulationState
  /** Messages of the journal that its last attempt has read so far. */
  readonly messages: number
  readonly endedAtMs: number | undefined
  /** When it is done. */
  readonly report: ReplayReport | undefined
  /** Why it failed, or its last attempt did. */
  readonly words: string | undefined
}

/** What is asked for. */
export type NewSimulation = Pick<ProgrammeSimulation, 'code' | 'version' | 'checksum' | 'from' | 'to' | 'askedBy'>

/** What came of an attempt; `waiting` = it is tried again. */
export type SimulationEnd =
  | { readonly state: 'done'; readonly report: ReplayReport }
  | { readonly state: 'failed' | 'waiting'; readonly words: string }

/** So many may wait: each reads the journal of a month or more. */
const WAITING_MAX = 10

interface Row {
  readonly id: string
  readonly code: string
  readonly version: number
  readonly checksum: string
  readonly from_date: string
  readonly to_date: string
  readonly asked_by: string
  readonly asked_at: Date
  readonly attempts: number
  readonly state: SimulationState
  readonly messages: string
  readonly ended_at: Date | null
  readonly report: ReplayReport | null
  readonly words: string | null
}

/**
 * Asks for a simulation; the same that waits already is found. In a transaction.
 * @throws MizanError CONFLICT when too many wait
 */
export async function addSimulation(client: Queryable, wanted: NewSimulation): Promise<ProgrammeSimulation> {
  const { code, version, checksum, from, to, askedBy } = wanted
  await client.query("select pg_advisory_xact_lock(hashtext('programme_simulation'))")
  const waiting = await client.query<Row>("select * from programme_simulation where state = 'waiting'")
  const known = waiting.rows
    .map(simulationOf)
    .find((one) => one.code === code && one.checksum === checksum && one.from === from && one.to === to)
  if (known !== undefined) return known
  if (waiting.rows.length >= WAITING_MAX) {
    throw new MizanError('CONFLICT', `${WAITING_MAX} simulations wait already: ask again when some are done`)
  }
  const { rows } = await client.query<Row>(
    `insert into programme_simulation (code, version, checksum, from_date, to_date, asked_by)
     values ($1, $2, $3, $4, $5, $6) returning *`,
    [code, version, checksum, formatDate(from), formatDate(to), askedBy.slice(0, 160)],
  )
  return simulationOf(rows[0] as Row)
}

/** @throws MizanError NOT_FOUND */
export async function readSimulation(client: Queryable, id: number): Promise<ProgrammeSimulation> {
  const { rows } = await client.query<Row>('select * from programme_simulation where id = $1', [id])
  if (rows[0] === undefined) throw new MizanError('NOT_FOUND', `there is no simulation ${id}`)
  return simulationOf(rows[0])
}

/** Simulations of a programme, the newest first. */
export async function listSimulations(
  client: Queryable,
  filter: {
    readonly code: string
    readonly version?: number | undefined
    readonly beforeId?: number | undefined
    readonly limit: number
  },
): Promise<ProgrammeSimulation[]> {
  const { rows } = await client.query<Row>(
    `select * from programme_simulation
     where code = $1 and ($2::integer is null or version = $2) and ($3::bigint is null or id < $3)
     order by id desc limit $4`,
    [filter.code, filter.version ?? null, filter.beforeId ?? null, filter.limit],
  )
  return rows.map(simulationOf)
}

/** Whether anything waits. */
export async function isSimulationWaiting(client: Queryable): Promise<boolean> {
  const { rows } = await client.query("select from programme_simulation where state = 'waiting' limit 1")
  return rows.length > 0
}

/** Begins an attempt at the simulation that waits next; undefined when none does. @param afterId only later ones */
export async function beginSimulation(client: Queryable, afterId: number): Promise<ProgrammeSimulation | undefined> {
  const { rows } = await client.query<Row>(
    `update programme_simulation set attempts = attempts + 1, messages = 0
     where id = (select min(id) from programme_simulation where state = 'waiting' and id > $1) returning *`,
    [afterId],
  )
  return rows[0] === undefined ? undefined : simulationOf(rows[0])
}

/** Notes how far an attempt has come. */
export async function noteProgress(client: Queryable, id: number, messages: number): Promise<void> {
  await client.query("update programme_simulation set messages = $2 where id = $1 and state = 'waiting'", [
    id,
    messages,
  ])
}

/** Notes what came of an attempt. */
export async function endSimulation(client: Queryable, id: number, end: SimulationEnd): Promise<void> {
  const isDone = end.state === 'done'
  await client.query(
    `update programme_simulation set state = $2, report = $3, words = left($4, 500),
       ended_at = case when $2 <> 'waiting' then clock_timestamp() end
     where id = $1 and state = 'waiting'`,
    [id, end.state, isDone ? end.report : null, isDone ? null : end.words],
  )
}

function simulationOf(row: Row): ProgrammeSimulation {
  return {
    id: Number(row.id),
    code: row.code,
    version: row.version,
    checksum: row.checksum,
    from: parseDate(row.from_date),
    to: parseDate(row.to_date),
    askedBy: row.asked_by,
    askedAtMs: row.asked_at.getTime(),
    attempts: row.attempts,
    state: row.state,
    messages: Number(row.messages),
    endedAtMs: row.ended_at?.getTime(),
    report: row.report ?? undefined,
    words: row.words ?? undefined,
  }
}
