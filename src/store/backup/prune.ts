import { rmSync } from 'node:fs'
import { withLockFile } from '../embedded/lock-file.ts'
import { backupFolder, listBackups, unfinishedBackups, usableBackups } from './backup-folder.ts'
import { pruneArchive } from './wal-archive.ts'

/** What pruning removed, or would. */
export interface Pruned {
  readonly backups: readonly string[]
  readonly segments: number
  readonly segmentBytes: number
}

/**
 * Removes base backups beyond the newest `keep` that can be used, and the journal that only they needed. What is not
 * whole goes too, unless nothing whole is left.
 * @throws MizanError NOT_FOUND when there is no such folder; BACKUP_FAILED while a backup is made
 */
export async function pruneBackups(root: string, keep: number, dryRun: boolean): Promise<Pruned> {
  const folder = backupFolder(root)
  listBackups(folder)
  const refusal = { code: 'BACKUP_FAILED', doing: 'working on this backup folder' } as const
  return withLockFile(
    folder.lock,
    0,
    async () => {
      const kept = usableBackups(folder).slice(-keep)
      const [oldest] = kept
      if (oldest === undefined) return { backups: [], segments: 0, segmentBytes: 0 }
      const names = new Set(kept.map(({ name }) => name))
      const gone = listBackups(folder).filter(({ name }) => !names.has(name))
      if (!dryRun) {
        for (const left of unfinishedBackups(folder)) rmSync(left, { recursive: true, force: true })
        for (const { folder: one } of gone) rmSync(one, { recursive: true, force: true })
      }
      // The backups go first: a backup without its journal would look as if it could be restored.
      const { files, bytes } = pruneArchive(folder.wal, oldest.manifest.startSegment, dryRun)
      return { backups: gone.map(({ name }) => name), segments: files, segmentBytes: bytes }
    },
    refusal,
  )
}
