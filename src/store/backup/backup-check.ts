import path from 'node:path'
import { MizanError } from '../../errors.ts'
import { HOUR_MS } from '../../time-units.ts'
import type { Client } from '../connection.ts'
import { type BackupManifest, backupFolder, type LaneHead, listBackups } from './backup-folder.ts'
import { hashFile } from './copy-files.ts'
import { type ArchiveState, readArchiveState, readBatchHash, readLaneHeads } from './server-facts.ts'
import { followJournal } from './wal-archive.ts'
import { segmentInWords } from './wal-names.ts'

/** How old a backup may be. */
export interface FreshnessRules {
  /** Absent = base backups are made by another program, and only the archive is looked at. */
  readonly folder?: string
  readonly maxAgeHours: number
}

/** How backups stand; sound when there are no problems. */
export interface BackupState {
  readonly lastBackup: { readonly name: string; readonly endedAt: string; readonly ageSeconds: number } | undefined
  readonly archive: ArchiveState
  /** For people: what is wrong, and what to do. */
  readonly problems: readonly string[]
}

/** How far a copy goes in a lane, and whether it is of one journal with the backup and with the live database. */
export interface LaneComparison {
  readonly lane: number
  readonly lastSeq: number
  /** Whether what the backup held is in it, by the hash chain. */
  readonly holdsBackup: boolean
  /**
   * Head of the live database, and whether the copy is a beginning of its journal; undefined without a live database.
   */
  readonly live: { readonly lastSeq: number; readonly isBeginning: boolean } | undefined
}

/**
 * A segment fills in minutes under load, and is sent half full after the archive timeout: this much waiting is not
 * normal.
 */
const LAG_MAX_BYTES = 256 * 1024 * 1024

/**
 * Looks at the newest base backup and at the archive.
 * @throws MizanError STORE_UNAVAILABLE
 */
export async function readBackupState(client: Client, rules: FreshnessRules, nowMs: number): Promise<BackupState> {
  const archive = await readArchiveState(client)
  const newest = rules.folder === undefined ? undefined : newestOf(rules.folder)
  const lastBackup =
    newest === undefined
      ? undefined
      : { ...newest, ageSeconds: Math.max(0, Math.round((nowMs - Date.parse(newest.endedAt)) / 1_000)) }
  const problems = [...archiveProblems(archive), ...ageProblems(lastBackup, rules)]
  return { lastBackup, archive, problems }
}

function newestOf(folder: string): { readonly name: string; readonly endedAt: string } | undefined {
  try {
    const newest = listBackups(backupFolder(folder)).findLast(({ problem }) => problem === undefined)
    return newest?.manifest === undefined ? undefined : { name: newest.name, endedAt: newest.manifest.endedAt }
  } catch (error) {
    if (error instanceof MizanError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

function archiveProblems(archive: ArchiveState): string[] {
  if (!archive.on) return ['the server does not archive its journal (archive_mode is off)']
  const problems: string[] = []
  if (archive.failing) {
    problems.push(
      `archiving of ${segmentInWords(archive.lastFailed)} fails; the log of the server says why (full disk, no permission)`,
    )
  }
  if ((archive.lagBytes ?? 0) > LAG_MAX_BYTES) {
    problems.push(`${Math.round((archive.lagBytes ?? 0) / 1_000_000)} MB of the journal wait to be archived`)
  }
  return problems
}

function ageProblems(last: BackupState['lastBackup'], { folder, maxAgeHours }: FreshnessRules): string[] {
  if (folder === undefined) return []
  if (last === undefined) return [`there is no base backup in ${folder}; mizan backup run makes one`]
  if (last.ageSeconds * 1_000 <= maxAgeHours * HOUR_MS) return []
  return [`the last base backup is ${Math.round(last.ageSeconds / 3_600)} hours old; mizan backup run makes one`]
}

/**
 * Reads every file of a backup and its journal again.
 * @returns what is damaged or gone; empty when it can be restored as far as files tell
 */
export async function checkFiles(root: string, folder: string, manifest: BackupManifest): Promise<string[]> {
  const problems: string[] = []
  for (const [name, bytes, sha256] of manifest.files) {
    const found = await hashFile(path.join(folder, 'data', name)).catch(() => undefined)
    if (found?.bytes !== bytes || found.sha256 !== sha256) problems.push(`file ${name} is damaged or gone`)
  }
  const { missing, torn } = followJournal([backupFolder(root).wal], manifest)
  if (missing !== undefined) problems.push(`journal segment ${segmentInWords(missing)} is missing`)
  for (const name of torn) problems.push(`journal segment ${segmentInWords(name)} is cut short`)
  return problems
}

/** Holds the lanes of a restored copy against its backup and, where one answers, the live database. */
export async function compareHeads(
  copy: Client,
  atLeast: readonly LaneHead[],
  live: Client | undefined,
): Promise<LaneComparison[]> {
  const liveHeads = live === undefined ? [] : await readLaneHeads(live)
  const comparisons: LaneComparison[] = []
  for (const { lane, lastSeq, lastHash } of await readLaneHeads(copy)) {
    const backed = atLeast.find((head) => head.lane === lane)
    const holdsBackup = backed === undefined || (await readBatchHash(copy, lane, backed.lastSeq)) === backed.lastHash
    const liveHead = liveHeads.find((head) => head.lane === lane)
    const isBeginning = live !== undefined && (await readBatchHash(live, lane, lastSeq)) === lastHash
    comparisons.push({
      lane,
      lastSeq,
      holdsBackup,
      live: liveHead === undefined ? undefined : { lastSeq: liveHead.lastSeq, isBeginning },
    })
  }
  return comparisons
}
