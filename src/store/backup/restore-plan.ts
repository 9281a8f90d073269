import { MizanError } from '../../errors.ts'
import { type BackupFolder, type BackupManifest, type LaneHead, listBackups, usableBackups } from './backup-folder.ts'
import type { RecoveryTarget } from './recovery.ts'
import { followJournal, type JournalChain } from './wal-archive.ts'
import { segmentInWords } from './wal-names.ts'

/** What whoever restores wants. */
export type RestoreGoal =
  | { readonly kind: 'latest' }
  | { readonly kind: 'time'; readonly at: string }
  /** The journal of a lane up to and with this batch; other lanes as they stood then. */
  | { readonly kind: 'batch'; readonly lane: number; readonly seq: number }

/** A backup from which a goal can be reached. */
export interface ChosenBackup {
  readonly name: string
  readonly folder: string
  readonly manifest: BackupManifest
  readonly chain: JournalChain & { readonly lastArchived: string | undefined }
  /** Undefined for a batch: its transaction has to be looked up first. */
  readonly target: RecoveryTarget | undefined
}

/** What the choice depends on. */
export interface PlanOptions {
  readonly goal: RestoreGoal
  readonly moreJournal: readonly string[]
  readonly acceptGap: boolean
  /** A backup by name, instead of the newest that will do. */
  readonly backup?: string
}

/**
 * Chooses the newest backup from which the goal can be reached, and follows its journal.
 * @throws MizanError NOT_FOUND when there is none; RESTORE_FAILED when its journal is torn or has a gap
 */
export function chooseBackup(folder: BackupFolder, options: PlanOptions): ChosenBackup {
  const { goal } = options
  const candidates = named(folder, options.backup).filter(({ manifest }) => reaches(manifest, goal))
  const found = candidates.at(-1)
  if (found === undefined) throw none(folder, goal)
  const { name, manifest } = found
  const chain = followJournal([folder.wal, ...options.moreJournal], manifest)
  const { lastSegment: lastArchived } = followJournal([folder.wal], manifest)
  requireJournal(chain, manifest, options)
  return { name, folder: found.folder, manifest, chain: { ...chain, lastArchived }, target: targetFor(manifest, goal) }
}

function named(folder: BackupFolder, wanted: string | undefined) {
  const usable = usableBackups(folder)
  if (wanted === undefined) return usable
  const found = usable.filter(({ name }) => name === wanted)
  if (found.length > 0) return found
  const problem = listBackups(folder).find(({ name }) => name === wanted)?.problem
  throw new MizanError('NOT_FOUND', `backup ${wanted}: ${problem ?? 'mizan backup list names those there are'}`)
}

/** Recovery can go forward from the end of a backup only. */
function reaches(manifest: BackupManifest, goal: RestoreGoal): boolean {
  if (goal.kind === 'latest') return true
  if (goal.kind === 'time') return Date.parse(manifest.endedAt) <= Date.parse(goal.at)
  const least = headOf(manifest.headsAtLeast, goal.lane)
  const most = headOf(manifest.headsAtMost, goal.lane)
  // At the head itself only when no batch came while the backup ended: then it is that of the backup's end.
  return most < goal.seq || (most === goal.seq && least === most)
}

function targetFor(manifest: BackupManifest, goal: RestoreGoal): RecoveryTarget | undefined {
  if (goal.kind !== 'batch') return goal
  return headOf(manifest.headsAtMost, goal.lane) === goal.seq ? { kind: 'backup-end' } : undefined
}

function headOf(heads: readonly LaneHead[], lane: number): number {
  return heads.find((head) => head.lane === lane)?.lastSeq ?? Number.POSITIVE_INFINITY
}

function none(folder: BackupFolder, goal: RestoreGoal): MizanError {
  const usable = usableBackups(folder)
  const [oldest] = usable
  if (oldest === undefined) {
    return new MizanError('NOT_FOUND', `${folder.root} holds no backup that can be used; mizan backup list says why`)
  }
  const from =
    goal.kind === 'batch'
      ? `batch ${headOf(oldest.manifest.headsAtMost, goal.lane) + 1} of lane ${goal.lane}`
      : oldest.manifest.endedAt
  return new MizanError('NOT_FOUND', `no backup reaches back so far: the oldest can be restored from ${from} on`)
}

/** Up to a moment or a batch the journal may have holes after it: recovery itself finds out whether it gets there. */
function requireJournal(chain: JournalChain, { name }: BackupManifest, { goal, acceptGap }: PlanOptions): void {
  const { missing, torn, lastSegment, isComplete } = chain
  if (!isComplete) {
    throw new MizanError(
      'RESTORE_FAILED',
      `segment ${segmentInWords(missing)} of the archived journal is missing, and backup ${name} is nothing without it`,
    )
  }
  if (goal.kind !== 'latest') return
  if (torn.length > 0) {
    throw new MizanError(
      'RESTORE_FAILED',
      `segments of the archived journal are cut short: ${torn.slice(0, 3).map(segmentInWords).join(', ')}; repair the archive from a copy, or restore with --at to a moment before`,
    )
  }
  if (missing === undefined || acceptGap) return
  throw new MizanError(
    'RESTORE_FAILED',
    `segment ${segmentInWords(missing)} of the archived journal is missing (the last before it is ${segmentInWords(lastSegment)}); bring it back, or restore up to the gap with --accept-gap`,
  )
}
