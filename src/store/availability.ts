import { randomUUID } from 'node:crypto'
import os from 'node:os'
import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'
import { withClient } from './database-location.ts'

/** A process of the switch, as others see it. */
export interface ProcessIdentity {
  /** New at each start. */
  readonly instance: string
  readonly host: string
  readonly pid: number
}

/** Notified when the lanes were given up in good order, and when the process that writes them is asked to do so. */
export const LANES_CHANNEL = 'mizan_lanes'
export const HANDOVER_CHANNEL = 'mizan_handover'

const HOST_MAX = 255

/** Names this process. */
export function thisProcess(): ProcessIdentity {
  return { instance: randomUUID(), host: os.hostname().slice(0, HOST_MAX), pid: process.pid }
}

/** A lane and the epoch under which it is written. */
export interface LaneEpoch {
  readonly lane: number
  readonly epoch: number
}

/** What comes back from a heartbeat of the process that writes the lanes. */
export interface ActiveBeat {
  /** Lanes that are under another epoch by now. */
  readonly lost: readonly number[]
  /** Whether somebody asked for the lanes to be handed over. */
  readonly handover: boolean
  /** Processes that stand by, beaten within the last ten seconds. */
  readonly standbys: number
}

/** Says that the lanes are written, and hears whether they still are this process's. */
export async function beatActive(
  client: Client,
  { instance, host, pid }: ProcessIdentity,
  lanes: readonly LaneEpoch[],
): Promise<ActiveBeat> {
  const { rows } = await client.query<{ lane: number; mine: boolean; handover: boolean; standbys: number }>({
    name: 'beat_active',
    text: 'select * from beat_active($1, $2, $3, $4, $5)',
    values: [instance, host, pid, lanes.map(({ lane }) => lane), lanes.map(({ epoch }) => epoch)],
  })
  return {
    lost: rows.filter(({ mine }) => !mine).map(({ lane }) => lane),
    handover: rows.some(({ handover }) => handover),
    standbys: rows[0]?.standbys ?? 0,
  }
}

/** Says that the lanes are free, which whoever stands by hears at once. */
export async function releaseLanes(client: Client, { instance }: ProcessIdentity): Promise<void> {
  await client.query('select release_lanes($1)', [instance])
}

/** A lane as a process that stands by sees it. */
export interface LaneSighting extends LaneEpoch {
  readonly lastSeq: number
  /** Who said last that it writes the lane; undefined before anybody did. */
  readonly writer: (ProcessIdentity & { readonly released: boolean; readonly beats: number }) | undefined
}

interface SightingRow {
  readonly lane: number
  readonly epoch: string
  readonly last_seq: string
  readonly instance: string | null
  readonly host: string | null
  readonly pid: number | null
  readonly state: string | null
  readonly beats: string | null
}

/** Says that this process stands by, and looks at the lanes. */
export async function beatStandby(
  client: Client,
  { instance, host, pid }: ProcessIdentity,
  version: string,
): Promise<readonly LaneSighting[]> {
  const { rows } = await client.query<SightingRow>({
    name: 'beat_standby',
    text: 'select * from beat_standby($1, $2, $3, $4)',
    values: [instance, host, pid, version],
  })
  return rows.map((row) => ({
    lane: row.lane,
    epoch: Number(row.epoch),
    lastSeq: Number(row.last_seq),
    writer:
      row.instance === null
        ? undefined
        : {
            instance: row.instance,
            host: row.host ?? '',
            pid: row.pid ?? 0,
            released: row.state === 'released',
            beats: Number(row.beats),
          },
  }))
}

/** This process stands by no more. */
export async function endStandby(client: Client, { instance }: ProcessIdentity): Promise<void> {
  await client.query('delete from standby_heartbeat where instance = $1', [instance])
}

/** A process as `mizan handover` shows it. */
export interface ListedProcess extends ProcessIdentity {
  readonly role: 'active' | 'standby'
  readonly lane: number | null
  readonly epoch: number | null
  readonly state: string
  /** Milliseconds since its last heartbeat, by the clock of the database. */
  readonly silentMs: number
}

/** The processes of an installation: a row for each lane's writer, and one for each that stands by. */
export async function listProcesses(client: Client): Promise<readonly ListedProcess[]> {
  const { rows } = await client.query<
    Omit<ListedProcess, 'silentMs' | 'epoch'> & { epoch: string | null; silent: string }
  >(
    `select role, lane, epoch, instance, host, pid, state,
            extract(epoch from clock_timestamp() - beat_at) * 1000 as silent
     from processes order by role, lane, host, pid`,
  )
  return rows.map(({ epoch, silent, ...row }) => ({
    ...row,
    epoch: epoch === null ? null : Number(epoch),
    silentMs: Math.max(0, Math.round(Number(silent))),
  }))
}

/** Whether a process writes the lanes of a database and was heard of within so many milliseconds. */
export async function isWritten(url: string, withinMs: number): Promise<boolean> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ there: boolean }>("select to_regclass('lane_heartbeat') is not null as there")
    if (rows[0]?.there !== true) return false
    const processes = await listProcesses(client)
    return processes.some(({ state, silentMs }) => state === 'active' && silentMs <= withinMs)
  })
}

/**
 * Asks the process that writes the lanes to hand them over to one that stands by.
 * @param by who asks
 * @throws MizanError CONFLICT when no process writes them
 */
export async function askHandover(client: Client, by: string): Promise<void> {
  const { rows } = await client.query<{ asked: number }>('select ask_handover($1) as asked', [by])
  if ((rows[0]?.asked ?? 0) === 0) throw new MizanError('CONFLICT', 'no process writes the lanes')
}
