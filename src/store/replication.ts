import type { Client } from './connection.ts'

/** How far the database's own standbys are. */
export interface ReplicationState {
  /** Whether a commit waits for a standby. */
  readonly synchronous: boolean
  /** Standbys by the part that they play: sync, quorum, potential, async. */
  readonly standbys: Readonly<Record<string, number>>
  /** Bytes of the journal that the least behind synchronous standby has not written yet; of any where none is one. */
  readonly lagBytes: number | undefined
  /** What keeps this from being known, in words; undefined when it is known. */
  readonly unknown: string | undefined
}

/** Reads it. The role of the connection must be a member of pg_monitor (or pg_read_all_stats) to see other sessions. */
export async function readReplication(client: Client): Promise<ReplicationState> {
  const { rows } = await client.query<{ sync_state: string | null; lag: string | null }>(
    'select sync_state, pg_wal_lsn_diff(pg_current_wal_flush_lsn(), flush_lsn) as lag from pg_stat_replication',
  )
  const settings = await client.query<{ names: string; commit: string }>(
    "select current_setting('synchronous_standby_names') as names, current_setting('synchronous_commit') as commit",
  )
  const { names = '', commit = '' } = settings.rows[0] ?? {}
  const standbys: Record<string, number> = {}
  for (const { sync_state: state } of rows) if (state !== null) standbys[state] = (standbys[state] ?? 0) + 1
  const isSynchronous = (state: string | null) => state === 'sync' || state === 'quorum'
  const hasSynchronous = rows.some((row) => isSynchronous(row.sync_state))
  const lags = rows
    .filter((row) => row.lag !== null && (!hasSynchronous || isSynchronous(row.sync_state)))
    .map((row) => Number(row.lag))
  return {
    synchronous: names !== '' && commit === 'on' && hasSynchronous,
    standbys,
    lagBytes: lags.length === 0 ? undefined : Math.max(0, Math.min(...lags)),
    unknown:
      rows.length > 0 && rows.every((row) => row.sync_state === null)
        ? 'the user of DATABASE_URL may not see it: grant pg_monitor to it'
        : undefined,
  }
}
