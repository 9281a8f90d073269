import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import path from 'node:path'
import { describeError, MizanError } from '../../errors.ts'
import { writeWholeFile } from '../../whole-file.ts'
import { connect } from '../connection.ts'
import { type PostgresBinaries, programsIn } from '../embedded/binaries.ts'
import { type Cluster, placeCluster, SUPERUSER } from '../embedded/cluster.ts'
import { stopServer } from '../embedded/server-process.ts'
import { type BackupManifest, backupFolder } from './backup-folder.ts'
import { copyFiles, makeFolders, syncFolders } from './copy-files.ts'
import {
  clearAway,
  completeFiles,
  giveTree,
  type RecoveryCluster,
  type RecoveryTarget,
  recover,
  recoveredUpTo,
  setPassword,
  startRecovered,
  stop,
} from './recovery.ts'
import { type ChosenBackup, chooseBackup, type RestoreGoal } from './restore-plan.ts'
import { readBatchTransaction } from './server-facts.ts'
import { parseSegment, segmentInWords } from './wal-names.ts'

/** What to restore, and where to. */
export interface RestoreRequest {
  readonly folder: string
  /** Data folder of a switch that is to be made: absent or empty. */
  readonly to: string
  readonly goal: RestoreGoal
  /** A backup by name, instead of the newest that will do. */
  readonly backup?: string
  /** Folders with journal that the archive may not have yet: `pg_wal` of the server that was backed up. */
  readonly moreJournal: readonly string[]
  /** Ends at a gap of the archive instead of refusing. */
  readonly acceptGap: boolean
  /** Folder of another server's programs; absent = those of the package. */
  readonly binaries?: string
  readonly sizes: { readonly sharedBuffersMb?: number; readonly maxWalSizeMb: number }
  /** Where root puts what the server's user could not reach. Default /var/lib/mizan. */
  readonly relocationRoot?: string
  readonly onLog?: (line: string) => void
}

/** A restored database, running on a free port for as long as it is looked at. */
export interface RestoredDatabase {
  readonly url: string
  readonly port: number
  readonly manifest: BackupManifest
  /** Data folder of the new server, PGDATA. */
  readonly clusterDir: string
  /** Stops it; it is then ready for `mizan start` on the new data folder. Idempotent. */
  close(): Promise<void>
}

const DEFAULT_RELOCATION_ROOT = '/var/lib/mizan'
const SPARE_BYTES = 256 * 1024 * 1024
const RESTORING = 'restoring'

/**
 * Makes a new data folder from a base backup and the archived journal, up to a moment or a batch, and starts its
 * server. Nothing that runs is touched. PGDATA gets its name only after recovery has ended: a folder that a cut-off
 * restore leaves holds no database.
 * @throws MizanError RESTORE_FAILED with the way out, NOT_FOUND when there is no backup for that moment
 */
export async function restoreBackup(request: RestoreRequest): Promise<RestoredDatabase> {
  const say = request.onLog ?? (() => undefined)
  const chosen = chooseBackup(backupFolder(request.folder), request)
  say(
    `base backup ${chosen.name} of ${chosen.manifest.endedAt}, journal up to ${segmentInWords(chosen.chain.lastSegment)}`,
  )
  const dataDir = path.resolve(request.to)
  requireEmpty(dataDir)
  if (request.binaries !== undefined) requireMajor(chosen.manifest, programsIn(request.binaries))
  mkdirSync(dataDir, { recursive: true, mode: 0o755 })
  const { root, user, ...place } = placeCluster(dataDir, request.relocationRoot ?? DEFAULT_RELOCATION_ROOT, say)
  const binaries = request.binaries === undefined ? place.binaries : programsIn(request.binaries)
  const data = path.join(root, RESTORING)
  const cluster: Cluster = { root, data, serverLog: path.join(root, 'server.log'), password: '', user, binaries }
  try {
    requireMajor(chosen.manifest, binaries)
    const target = await targetOf(request, chosen, cluster, say)
    await copyAndRecover(request, chosen, cluster, target, say)
    requireWhole(chosen, cluster, target)
    const password = await setPassword(cluster)
    clearAway(cluster)
    return await openRestored(cluster, request, chosen.manifest, password)
  } catch (error) {
    await stopServer(data, 'immediate', 60_000).catch(() => false)
    // The folder was absent or empty: it can be used for the next attempt.
    for (const made of [root, path.join(dataDir, 'postgres')]) rmSync(made, { recursive: true, force: true })
    if (error instanceof MizanError) throw error
    throw new MizanError('RESTORE_FAILED', describeError(error), { cause: error })
  }
}

async function openRestored(
  unnamed: Cluster,
  { sizes, goal, to }: RestoreRequest,
  manifest: BackupManifest,
  password: string,
): Promise<RestoredDatabase> {
  const data = path.join(unnamed.root, 'data')
  renameSync(unnamed.data, data)
  await syncFolders([unnamed.root])
  const cluster = { ...unnamed, data }
  writeWholeFile(
    path.join(path.resolve(to), 'restored.json'),
    `${JSON.stringify({ backup: manifest.name, goal, restoredAt: new Date().toISOString() })}\n`,
  )
  const server = await startRecovered({ cluster, sizes })
  const url = `postgresql://${SUPERUSER}:${encodeURIComponent(password)}@127.0.0.1:${server.port}/${encodeURIComponent(manifest.database)}`
  let closing: Promise<void> | undefined
  return {
    url,
    port: server.port,
    manifest,
    clusterDir: data,
    close() {
      closing ??= stop(cluster).then(() => clearAway(cluster))
      return closing
    },
  }
}

/**
 * Recovery can end at a transaction and not at a batch: for a batch the whole journal is recovered once, to ask which
 * transaction wrote it. The server that was backed up is not needed.
 */
async function targetOf(
  request: RestoreRequest,
  chosen: ChosenBackup,
  cluster: Cluster,
  say: (line: string) => void,
): Promise<RecoveryTarget> {
  const { goal } = request
  if (chosen.target !== undefined) return chosen.target
  if (goal.kind !== 'batch') throw new MizanError('RESTORE_FAILED', 'the goal has no target')
  say(`looking for batch ${goal.seq} of lane ${goal.lane} in the whole journal`)
  await copyAndRecover(request, chosen, cluster, { kind: 'latest' }, say)
  const password = await setPassword(cluster)
  const server = await startRecovered({ cluster, sizes: request.sizes })
  try {
    const url = `postgresql://${SUPERUSER}:${encodeURIComponent(password)}@127.0.0.1:${server.port}/${encodeURIComponent(chosen.manifest.database)}`
    const client = await connect({ url, name: 'mizan restore' })
    const id = await readBatchTransaction(client, goal.lane, goal.seq).finally(() => client.end())
    if (id !== undefined) return { kind: 'transaction', id }
  } finally {
    await stop(cluster)
    rmSync(cluster.data, { recursive: true, force: true })
  }
  throw new MizanError('NOT_FOUND', `batch ${goal.seq} of lane ${goal.lane} is not in the backed-up journal`)
}

async function copyAndRecover(
  request: RestoreRequest,
  { folder, manifest }: ChosenBackup,
  cluster: Cluster,
  target: RecoveryTarget,
  say: (line: string) => void,
): Promise<void> {
  rmSync(cluster.data, { recursive: true, force: true })
  await requireSpace(cluster.root, manifest.totalBytes)
  say(`copying ${manifest.files.length} files`)
  await copyBase(path.join(folder, 'data'), cluster.data, manifest)
  completeFiles(cluster)
  giveTree(cluster)
  say(`recovering (${targetInWords(target)})`)
  const recovery: RecoveryCluster = { cluster, sizes: request.sizes }
  const wal = backupFolder(request.folder).wal
  await recover(recovery, [wal, ...request.moreJournal], target)
}

/** Copies the files of a backup and holds each against the manifest. */
async function copyBase(from: string, to: string, manifest: BackupManifest): Promise<void> {
  const names = manifest.files.map(([name]) => name)
  const folders = readdirSync(from, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.relative(from, path.join(entry.parentPath, entry.name)))
    .sort()
  await makeFolders(to, folders)
  const copied = await copyFiles(from, to, names, { bytesPerSecond: 0, durable: false })
  const hashes = new Map(copied.map(([name, , sha256]) => [name, sha256]))
  const damaged = manifest.files.filter(([name, , sha256]) => hashes.get(name) !== sha256)
  if (damaged.length > 0) {
    const names = damaged.slice(0, 3).map(([name]) => name)
    throw new MizanError(
      'RESTORE_FAILED',
      `${damaged.length} files of backup ${manifest.name} are damaged or gone (${names.join(', ')}); use an older one with --backup`,
    )
  }
  await copyFiles(from, to, ['backup_label'], { bytesPerSecond: 0, durable: false })
}

/** A damaged segment ends recovery as the end of the journal would: the difference is where it ended. */
function requireWhole({ chain, manifest }: ChosenBackup, cluster: Cluster, target: RecoveryTarget): void {
  if (target.kind !== 'latest' || chain.lastArchived === undefined) return
  const reached = recoveredUpTo(cluster)
  const last = parseSegment(chain.lastArchived, manifest.segmentBytes)
  if (reached === undefined || last === undefined) return
  if (reached.lsn >= last.number * BigInt(manifest.segmentBytes)) return
  const at = `${(reached.lsn >> 32n).toString(16)}/${(reached.lsn & 0xffff_ffffn).toString(16)}`.toUpperCase()
  throw new MizanError(
    'RESTORE_FAILED',
    `the archived journal is damaged at ${at}: what follows, up to ${segmentInWords(chain.lastArchived)}, cannot be read; restore with --at to a moment before, or repair the archive from a copy`,
  )
}

function requireEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new MizanError('RESTORE_FAILED', `${folder} is not empty; a restore makes a new data folder`)
  }
}

async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize >= bytes + SPARE_BYTES) return
  const wanted = ((bytes + SPARE_BYTES) / 1_000_000).toFixed(0)
  throw new MizanError('RESTORE_FAILED', `the disk of ${folder} needs ${wanted} MB free, and room for the journal`)
}

function requireMajor({ serverVersion, name }: BackupManifest, binaries: PostgresBinaries): void {
  const made = Math.floor(serverVersion / 10_000)
  const [major] = binaries.version.split('.')
  if (String(made) === major) return
  throw new MizanError(
    'RESTORE_FAILED',
    `backup ${name} is of PostgreSQL ${made} and ${binaries.postgres} is ${major}; give the folder of its programs with --binaries`,
  )
}

function targetInWords(target: RecoveryTarget): string {
  switch (target.kind) {
    case 'latest':
      return 'to the end of the journal'
    case 'backup-end':
      return 'to the end of the backup'
    case 'time':
      return `to ${target.at}`
    case 'transaction':
      return `to transaction ${target.id}`
  }
}
