import { parentPort, workerData } from 'node:worker_threads'
import type { BackupManifest } from './backup-folder.ts'
import { runBackup } from './base-backup.ts'
import { pruneBackups } from './prune.ts'

/** What the thread of a scheduled backup is to do. */
export interface BackupTask {
  readonly url: string
  readonly folder: string
  readonly bytesPerSecond: number
  readonly keep: number
  readonly masterKey: NonNullable<BackupManifest['masterKey']>
}

const ARCHIVE_WAIT_MS = 600_000

/** Makes a backup, then removes old ones, and says so in words; what fails ends the thread with the error. */
if (parentPort !== null) {
  const task = workerData as BackupTask
  const { url, folder, bytesPerSecond, masterKey } = task
  const manifest = await runBackup({
    url,
    folder,
    bytesPerSecond,
    masterKey,
    checkpoint: 'spread',
    archiveWaitMs: ARCHIVE_WAIT_MS,
  })
  const { backups, segments } = await pruneBackups(folder, task.keep, false)
  const megabytes = (manifest.totalBytes / 1_000_000).toFixed(0)
  parentPort.postMessage(
    `${manifest.name}: ${megabytes} MB; ${backups.length} old backups and ${segments} segments of journal removed`,
  )
}
