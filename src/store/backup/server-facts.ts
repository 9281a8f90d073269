import { existsSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { describeError, MizanError } from '../../errors.ts'
import type { Client } from '../connection.ts'
import type { LaneHead } from './backup-folder.ts'
import { parseLsn, parseSegment } from './wal-names.ts'

/** What a backup has to know of the server. */
export interface ServerFacts {
  readonly systemIdentifier: string
  readonly serverVersion: number
  readonly database: string
  readonly segmentBytes: number
  /** PGDATA on this machine. */
  readonly dataFolder: string
}

/** How the server gets its journal into the archive. */
export interface ArchiveState {
  /** Whether archiving is switched on. */
  readonly on: boolean
  readonly lastArchived: string | undefined
  readonly lastArchivedMs: number | undefined
  readonly failures: number
  readonly lastFailed: string | undefined
  readonly lastFailedMs: number | undefined
  /** Whether the last attempt failed. */
  readonly failing: boolean
  /** Journal that is written and not in the archive yet. */
  readonly lagBytes: number | undefined
}

const REMOTE =
  'mizan backup run copies the files of a server on this machine. For a server elsewhere take backups there, with ' +
  'pg_basebackup or pgBackRest, and let mizan backup check watch its archive'

/**
 * What a backup has to know of the server.
 * @throws MizanError BACKUP_FAILED with the way out when its files cannot be read here, or it is a standby
 */
export async function readServerFacts(client: Client): Promise<ServerFacts> {
  const { rows } = await client
    .query<Record<'system' | 'version' | 'database' | 'segment' | 'folder' | 'started', string> & { standby: boolean }>(
      `select (select system_identifier::text from pg_control_system()) as system,
         current_setting('server_version_num') as version, current_database() as database,
         (select setting from pg_settings where name = 'wal_segment_size') as segment,
         current_setting('data_directory') as folder, pg_is_in_recovery() as standby,
         floor(extract(epoch from pg_postmaster_start_time()))::text as started`,
    )
    .catch((cause: unknown) => {
      throw new MizanError('BACKUP_FAILED', `${describeError(cause)}; it takes a superuser, or pg_read_all_settings`, {
        cause,
      })
    })
  const [row] = rows
  if (row === undefined) throw new MizanError('BACKUP_FAILED', 'the server says nothing of itself')
  if (row.standby) throw new MizanError('BACKUP_FAILED', 'this server is a standby; take the backup of the primary')
  await requireFiles(row.folder, row.system, row.started)
  return {
    systemIdentifier: row.system,
    serverVersion: Number(row.version),
    database: row.database,
    segmentBytes: Number(row.segment),
    dataFolder: row.folder,
  }
}

/** The folder is the server's own when the file of control data and the running server's mark in it say so. */
async function requireFiles(folder: string, systemIdentifier: string, startedSeconds: string): Promise<void> {
  try {
    const mark = readFileSync(path.join(folder, 'postmaster.pid'), 'utf8').split('\n')
    const found = await readSystemIdentifier(folder)
    const near = Math.abs(Number(mark[2]) - Number(startedSeconds)) <= 2
    if (found === systemIdentifier && near) return
  } catch (cause) {
    const why = existsSync(folder) ? describeError(cause) : 'there is no such folder here'
    throw new MizanError('BACKUP_FAILED', `${folder}: ${why}. ${REMOTE}`, { cause })
  }
  throw new MizanError('BACKUP_FAILED', `${folder} on this machine belongs to another server. ${REMOTE}`)
}

/** The first eight bytes of pg_control, in the byte order of the machine; see pg_control.h. */
async function readSystemIdentifier(dataFolder: string): Promise<string> {
  const handle = await open(path.join(dataFolder, 'global', 'pg_control'), 'r')
  try {
    const bytes = Buffer.alloc(8)
    await handle.read(bytes, 0, 8, 0)
    return bytes.readBigUInt64LE().toString()
  } finally {
    await handle.close()
  }
}

/** Where the journal of each lane stands. */
export async function readLaneHeads(client: Client): Promise<LaneHead[]> {
  const { rows } = await client.query<{ lane: number; epoch: string; last_seq: string; last_hash: string }>(
    `select lane, epoch, last_seq, encode(last_hash, 'hex') as last_hash from lane order by lane`,
  )
  return rows.map(({ lane, epoch, last_seq, last_hash }) => ({
    lane,
    epoch: Number(epoch),
    lastSeq: Number(last_seq),
    lastHash: last_hash,
  }))
}

/** The hash of a batch in hex; undefined when there is no such batch. */
export async function readBatchHash(client: Client, lane: number, seq: number): Promise<string | undefined> {
  if (seq === 0) return '0'.repeat(64)
  const { rows } = await client.query<{ hash: string }>(
    `select encode(hash, 'hex') as hash from batch where lane = $1 and seq = $2`,
    [lane, seq],
  )
  return rows[0]?.hash
}

/** The transaction that wrote a batch, as recovery names it; undefined when there is no such batch. */
export async function readBatchTransaction(client: Client, lane: number, seq: number): Promise<string | undefined> {
  const { rows } = await client.query<{ xmin: string }>(
    'select xmin::text as xmin from batch where lane = $1 and seq = $2',
    [lane, seq],
  )
  return rows[0]?.xmin
}

/** How archiving stands; any user may ask. */
export async function readArchiveState(client: Client): Promise<ArchiveState> {
  const { rows } = await client.query<{
    mode: string
    segment: string
    position: string | null
    last: string | null
    last_at: Date | null
    failed: string
    last_failed: string | null
    failed_at: Date | null
  }>(
    `select current_setting('archive_mode') as mode,
       (select setting from pg_settings where name = 'wal_segment_size') as segment,
       case when pg_is_in_recovery() then null else pg_current_wal_lsn()::text end as position,
       last_archived_wal as last, last_archived_time as last_at, failed_count::text as failed,
       last_failed_wal as last_failed, last_failed_time as failed_at
     from pg_stat_archiver`,
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('STORE_UNAVAILABLE', 'pg_stat_archiver is empty')
  const lastMs = row.last_at?.getTime()
  const failedMs = row.failed_at?.getTime()
  const archived = parseSegment((row.last ?? '').slice(0, 24), Number(row.segment))
  const end = archived === undefined ? undefined : (archived.number + 1n) * BigInt(row.segment)
  const position = row.position === null ? undefined : parseLsn(row.position)
  return {
    on: row.mode !== 'off',
    lastArchived: row.last ?? undefined,
    lastArchivedMs: lastMs,
    failures: Number(row.failed),
    lastFailed: row.last_failed ?? undefined,
    lastFailedMs: failedMs,
    failing: failedMs !== undefined && (lastMs === undefined || failedMs > lastMs),
    lagBytes: end === undefined || position === undefined ? undefined : Math.max(0, Number(position - end)),
  }
}
