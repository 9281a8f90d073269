import { existsSync, rmSync } from 'node:fs'
import { mkdir, open, rename, rm, statfs } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeError, MizanError } from '../../errors.ts'
import { type Client, connect } from '../connection.ts'
import { readOwner, withLockFile } from '../embedded/lock-file.ts'
import {
  type BackupFolder,
  type BackupManifest,
  backupFolder,
  backupName,
  type LaneHead,
  makeBackupFolder,
  unfinishedBackups,
  unfinishedFolder,
  usableBackups,
  writeManifest,
} from './backup-folder.ts'
import { copyFiles, listSource, makeFolders, type SourceTree, syncFolders } from './copy-files.ts'
import { readArchiveState, readLaneHeads, readServerFacts, type ServerFacts } from './server-facts.ts'
import { parseLsn, parseSegment, segmentInWords, segmentName } from './wal-names.ts'

/** How to make a base backup. */
export interface BackupRequest {
  /** Of a user who may start backups and read settings; usually a superuser. */
  readonly url: string
  readonly folder: string
  /** 0 = as fast as the disk. */
  readonly bytesPerSecond: number
  /** `fast` begins at once with a burst of writes; `spread` waits for an even checkpoint, minutes. */
  readonly checkpoint: 'fast' | 'spread'
  /** Longest wait until the archive has the journal of the backup, in milliseconds. */
  readonly archiveWaitMs: number
  readonly masterKey?: BackupManifest['masterKey']
  /** Gets a line about each step. */
  readonly onLog?: (line: string) => void
  /** Gets how much is copied, at most each second. */
  readonly onProgress?: (copiedBytes: number, totalBytes: number) => void
}

interface Stopped {
  readonly stopLsn: string
  readonly endedAt: string
  readonly timeline: number
  readonly startSegment: string
  readonly stopSegment: string
}

const LOCK_WAIT_MS = 0
const POLL_MS = 100
const PROGRESS_EVERY_MS = 1_000
/** Beside the files themselves: what they grow by meanwhile, and the journal. */
const SPARE_BYTES = 64 * 1024 * 1024

/**
 * Makes a base backup of a running server on this machine, beside its work: PostgreSQL is told (`pg_backup_start`), its
 * files are copied as they are, and what they lack of consistency the archived journal gives at a restore. The backup
 * gets its name only when it is whole, durable, and the archive has all of its journal.
 * @throws MizanError BACKUP_FAILED with the way out; nothing half made stays
 */
export async function runBackup(request: BackupRequest): Promise<BackupManifest> {
  const folder = backupFolder(request.folder)
  makeBackupFolder(folder)
  return withLockFile(folder.lock, LOCK_WAIT_MS, () => backUp(folder, request), {
    code: 'BACKUP_FAILED',
    doing: 'working on this backup folder',
  })
}

/** Frees a backup folder that a thread of this process worked on when it was stopped. */
export function freeBackupFolder(root: string): void {
  const { lock } = backupFolder(root)
  // One without an owner was being written when its thread ended.
  const owner = readOwner(lock)
  if (owner === undefined || owner.pid === process.pid) rmSync(lock, { force: true })
}

async function backUp(folder: BackupFolder, request: BackupRequest): Promise<BackupManifest> {
  for (const left of unfinishedBackups(folder)) await rm(left, { recursive: true, force: true })
  const client = await connect({ url: request.url, name: 'mizan backup' })
  const name = backupName(Date.now())
  const unfinished = unfinishedFolder(folder, name)
  try {
    const facts = await readServerFacts(client)
    refuseInside(facts.dataFolder, folder.root)
    refuseOtherCluster(folder, facts)
    await requireArchiving(client, folder)
    await refuseTablespaces(client)
    const manifest = await copyServer(client, facts, folder, { request, name, unfinished })
    await rename(unfinished, path.join(folder.base, name))
    await syncFolders([folder.base])
    return manifest
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined)
    if (error instanceof MizanError) throw error
    throw new MizanError('BACKUP_FAILED', describeError(error), { cause: error })
  } finally {
    // Ends the server's backup mode too, if it is still in it.
    await client.end().catch(() => undefined)
  }
}

interface Copy {
  readonly request: BackupRequest
  readonly name: string
  readonly unfinished: string
}

async function copyServer(
  client: Client,
  facts: ServerFacts,
  folder: BackupFolder,
  { request, name, unfinished }: Copy,
): Promise<BackupManifest> {
  const say = request.onLog ?? (() => undefined)
  say(`waiting for a checkpoint (${request.checkpoint})`)
  const start = await startBackup(client, name, request.checkpoint === 'fast')
  const tree = await listSource(facts.dataFolder)
  await requireSpace(folder, tree.bytes)
  say(`copying ${tree.files.length} files, ${megabytes(tree.bytes)} MB`)
  await mkdir(unfinished, { mode: 0o700 })
  const data = path.join(unfinished, 'data')
  await makeFolders(data, tree.folders)
  const files = await copyFiles(facts.dataFolder, data, tree.files, {
    bytesPerSecond: request.bytesPerSecond,
    durable: true,
    ...progressOf(request, tree),
  })
  const headsAtLeast = await readLaneHeads(client)
  const stopped = await stopBackup(client, data, facts.segmentBytes)
  const headsAtMost: LaneHead[] = await readLaneHeads(client)
  await syncFolders([...tree.folders.map((one) => path.join(data, one)), data])
  say(`waiting for the archive to get ${segmentInWords(stopped.stopSegment)}`)
  await waitForArchive(client, folder, stopped.stopSegment, request.archiveWaitMs)
  const { systemIdentifier, serverVersion, database, segmentBytes } = facts
  const manifest: BackupManifest = {
    format: 1,
    name,
    startedAt: start.startedAt,
    endedAt: stopped.endedAt,
    systemIdentifier,
    serverVersion,
    database,
    timeline: stopped.timeline,
    segmentBytes,
    startLsn: start.startLsn,
    stopLsn: stopped.stopLsn,
    startSegment: stopped.startSegment,
    stopSegment: stopped.stopSegment,
    headsAtLeast,
    headsAtMost,
    ...(request.masterKey === undefined ? {} : { masterKey: request.masterKey }),
    totalBytes: files.reduce((sum, [, bytes]) => sum + bytes, 0),
    files,
  }
  writeManifest(unfinished, manifest)
  await syncFile(path.join(unfinished, 'manifest.json'))
  await syncFolders([unfinished])
  return manifest
}

function progressOf({ onProgress }: BackupRequest, tree: SourceTree) {
  if (onProgress === undefined) return {}
  let copied = 0
  let saidMs = performance.now()
  const onBytes = (bytes: number) => {
    copied += bytes
    if (performance.now() - saidMs < PROGRESS_EVERY_MS) return
    saidMs = performance.now()
    onProgress(copied, Math.max(copied, tree.bytes))
  }
  return { onBytes }
}

async function startBackup(
  client: Client,
  label: string,
  fast: boolean,
): Promise<{ readonly startLsn: string; readonly startedAt: string }> {
  try {
    await client.query('set statement_timeout = 0')
    const { rows } = await client.query<{ lsn: string }>('select pg_backup_start($1, $2)::text as lsn', [
      `mizan ${label}`,
      fast,
    ])
    const startLsn = rows[0]?.lsn ?? ''
    return { startLsn, startedAt: await readClock(client) }
  } catch (cause) {
    const detail = `a backup cannot be begun: ${describeError(cause)}; it takes a superuser, or execute on pg_backup_start`
    throw new MizanError('BACKUP_FAILED', detail, { cause })
  }
}

/** Ends backup mode and writes the label, without which recovery would begin at the wrong place. */
async function stopBackup(client: Client, data: string, segmentBytes: number): Promise<Stopped> {
  const { rows } = await client.query<{ lsn: string; labelfile: string; spcmapfile: string }>(
    'select lsn::text, labelfile, spcmapfile from pg_backup_stop(false)',
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('BACKUP_FAILED', 'the server does not say how the backup ended')
  const label = await open(path.join(data, 'backup_label'), 'wx', 0o600)
  try {
    await label.writeFile(row.labelfile)
    await label.sync()
  } finally {
    await label.close()
  }
  const startSegment = /\(file ([0-9A-F]{24})\)/.exec(row.labelfile)?.[1] ?? ''
  const start = parseSegment(startSegment, segmentBytes)
  if (start === undefined) throw new MizanError('BACKUP_FAILED', 'the label of the backup names no segment')
  // The place is one past the last byte: at the end of a segment it is the first of the next, which is not needed.
  const last = (parseLsn(row.lsn) - 1n) / BigInt(segmentBytes)
  const stopSegment = segmentName(start.timeline, last, segmentBytes)
  return { stopLsn: row.lsn, endedAt: await readClock(client), timeline: start.timeline, startSegment, stopSegment }
}

/** Moments of a backup are of the clock that dates commits in the journal. */
async function readClock(client: Client): Promise<string> {
  const { rows } = await client.query<{ now: Date }>('select clock_timestamp() as now')
  return (rows[0]?.now ?? new Date()).toISOString()
}

/** A backup without the journal written meanwhile is none. */
async function waitForArchive(client: Client, folder: BackupFolder, segment: string, waitMs: number): Promise<void> {
  const deadline = Date.now() + waitMs
  while (!existsSync(path.join(folder.wal, segment))) {
    if (Date.now() > deadline) {
      const { lastFailed, failing } = await readArchiveState(client)
      const why = failing
        ? `archiving of ${segmentInWords(lastFailed)} fails; the server's log says why`
        : 'the server does not send it'
      throw new MizanError(
        'BACKUP_FAILED',
        `${segmentInWords(segment)} is not in ${folder.wal} after ${waitMs / 1_000} s: ${why}`,
      )
    }
    await sleep(POLL_MS)
  }
}

async function requireArchiving(client: Client, folder: BackupFolder): Promise<void> {
  const { on, failing, lastFailed } = await readArchiveState(client)
  if (failing) {
    throw new MizanError(
      'BACKUP_FAILED',
      `archiving of ${segmentInWords(lastFailed)} fails: a backup lacks the journal that it needs; the log of the server says why (full disk, no permission)`,
    )
  }
  if (on) return
  throw new MizanError(
    'BACKUP_FAILED',
    `the server does not archive its journal. The embedded server does once it starts with backup.folder set; give a server of ` +
      `your own archive_mode = on, archive_library = 'basic_archive' and basic_archive.archive_directory = '${folder.wal}'`,
  )
}

async function refuseTablespaces(client: Client): Promise<void> {
  const { rows } = await client.query<{ spcname: string }>(
    `select spcname from pg_tablespace where spcname not in ('pg_default', 'pg_global') order by 1`,
  )
  if (rows.length === 0) return
  const names = rows.map(({ spcname }) => spcname).join(', ')
  throw new MizanError('BACKUP_FAILED', `tablespaces are not backed up (${names}); use pg_basebackup or pgBackRest`)
}

function refuseInside(dataFolder: string, root: string): void {
  const relative = path.relative(dataFolder, root)
  if (relative !== '' && (relative.startsWith('..') || path.isAbsolute(relative))) return
  throw new MizanError('BACKUP_FAILED', `${root} lies in the server's own folder; set backup.folder to another disk`)
}

/** Two clusters in one archive would have segments of the same names. */
function refuseOtherCluster(folder: BackupFolder, { systemIdentifier }: ServerFacts): void {
  const other = usableBackups(folder).find(({ manifest }) => manifest.systemIdentifier !== systemIdentifier)
  if (other === undefined) return
  throw new MizanError(
    'BACKUP_FAILED',
    `${folder.root} holds backups of another database (${other.name}); give each database a folder of its own`,
  )
}

async function requireSpace(folder: BackupFolder, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder.base)
  const free = bavail * bsize
  if (free >= bytes + SPARE_BYTES) return
  throw new MizanError(
    'BACKUP_FAILED',
    `${folder.root} has ${megabytes(free)} MB free and the backup takes ${megabytes(bytes + SPARE_BYTES)} MB; ` +
      'make room, or mizan backup prune',
  )
}

async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(0)
}
