import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describeError, MizanError } from '../../errors.ts'
import { writeWholeFile } from '../../whole-file.ts'

/** Where a lane's journal stood. */
export interface LaneHead {
  readonly lane: number
  readonly epoch: number
  readonly lastSeq: number
  /** Of the hash chain, hex. */
  readonly lastHash: string
}

/** A copied file: path below `data/`, size, SHA-256 in hex. */
export type CopiedFile = readonly [path: string, bytes: number, sha256: string]

/** What a base backup says of itself; written last, so that a folder without one is no backup. */
export interface BackupManifest {
  readonly format: 1
  readonly name: string
  /** Server's clock, ISO 8601 UTC. */
  readonly startedAt: string
  /** The earliest moment to which this backup can be restored. */
  readonly endedAt: string
  readonly systemIdentifier: string
  readonly serverVersion: number
  readonly database: string
  readonly timeline: number
  readonly segmentBytes: number
  readonly startLsn: string
  readonly stopLsn: string
  readonly startSegment: string
  readonly stopSegment: string
  /** Heads that are in this backup for certain, and those that it may have at most. */
  readonly headsAtLeast: readonly LaneHead[]
  readonly headsAtMost: readonly LaneHead[]
  /** Check value of the master key under which its keys lie, and what kept that key; the key itself is not here. */
  readonly masterKey?: { readonly checkValue: string; readonly custody: string }
  readonly totalBytes: number
  readonly files: readonly CopiedFile[]
}

/** A base backup in a folder, whole or not. */
export interface BaseBackup {
  readonly name: string
  readonly folder: string
  readonly manifest: BackupManifest | undefined
  /** Why it cannot be used; undefined when it can. */
  readonly problem: string | undefined
}

/** Parts of a backup folder. */
export interface BackupFolder {
  readonly root: string
  readonly base: string
  readonly wal: string
  readonly lock: string
}

const MANIFEST = 'manifest.json'
const UNFINISHED = 'unfinished-'

/** Names of the parts of a backup folder, whether they exist or not. */
export function backupFolder(root: string): BackupFolder {
  return { root, base: path.join(root, 'base'), wal: path.join(root, 'wal'), lock: path.join(root, 'backup.lock') }
}

/**
 * Makes the parts of a backup folder that belong to this process; `wal/` belongs to the server.
 * @throws MizanError BACKUP_FAILED
 */
export function makeBackupFolder(folder: BackupFolder): void {
  try {
    mkdirSync(folder.root, { recursive: true, mode: 0o711 })
    mkdirSync(folder.base, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new MizanError('BACKUP_FAILED', `${folder.root} cannot be written: ${describeError(cause)}`, { cause })
  }
}

/** Where a backup is put together, before it has its name. */
export function unfinishedFolder(folder: BackupFolder, name: string): string {
  return path.join(folder.base, `${UNFINISHED}${name}`)
}

/** Backups that were never finished. The caller holds the lock, so nobody works on them. */
export function unfinishedBackups(folder: BackupFolder): string[] {
  if (!existsSync(folder.base)) return []
  const names = readdirSync(folder.base).filter((name) => name.startsWith(UNFINISHED))
  return names.map((name) => path.join(folder.base, name))
}

/** Writes the manifest of a backup. */
export function writeManifest(backup: string, manifest: BackupManifest): void {
  writeWholeFile(path.join(backup, MANIFEST), `${JSON.stringify(manifest)}\n`, 0o600)
}

/**
 * The base backups of a folder, oldest first.
 * @throws MizanError NOT_FOUND when the folder is not there
 */
export function listBackups(folder: BackupFolder): BaseBackup[] {
  if (!existsSync(folder.root)) throw new MizanError('NOT_FOUND', `there is no backup folder ${folder.root}`)
  if (!existsSync(folder.base)) return []
  const names = readdirSync(folder.base).filter((name) => !name.startsWith(UNFINISHED))
  return names.sort().map((name) => readBackup(path.join(folder.base, name), name))
}

/** Those that can be used, oldest first. */
export function usableBackups(folder: BackupFolder): (BaseBackup & { readonly manifest: BackupManifest })[] {
  return listBackups(folder).filter(isUsable)
}

function isUsable(backup: BaseBackup): backup is BaseBackup & { readonly manifest: BackupManifest } {
  return backup.manifest !== undefined && backup.problem === undefined
}

function readBackup(folder: string, name: string): BaseBackup {
  try {
    const manifest = JSON.parse(readFileSync(path.join(folder, MANIFEST), 'utf8')) as BackupManifest
    const problem = manifest.format === 1 ? undefined : `its format is ${manifest.format}, and this version reads 1`
    return { name, folder, manifest, problem }
  } catch (error) {
    return { name, folder, manifest: undefined, problem: `its manifest cannot be read: ${describeError(error)}` }
  }
}

/** Name of a backup that begins now: sorts by time. */
export function backupName(nowMs: number): string {
  return new Date(nowMs).toISOString().replaceAll(/[-:.]/g, '')
}
