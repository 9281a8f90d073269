import { Worker } from 'node:worker_threads'
import { MizanError } from '../errors.ts'
import type { BackupTask } from '../store/backup/backup-worker.ts'
import { freeBackupFolder } from '../store/backup/base-backup.ts'
import type { NamedJob } from './scheduler.ts'

/** When and how base backups are made by themselves. */
export interface BackupJobOptions extends BackupTask {
  readonly cron: string
}

/**
 * The job that makes a base backup and removes old ones. It runs on a thread of its own: copying and hashing a whole
 * database must not hold up the lanes.
 */
export function backupJob({ cron, ...task }: BackupJobOptions): NamedJob {
  return {
    name: 'backup',
    cron,
    description: `make a base backup in ${task.folder} and keep the newest ${task.keep}`,
    async run(signal) {
      signal.throwIfAborted()
      const worker = new Worker(new URL('../store/backup/backup-worker.ts', import.meta.url), { workerData: task })
      const stop = () => void worker.terminate()
      signal.addEventListener('abort', stop, { once: true })
      try {
        return await saidBy(worker)
      } finally {
        signal.removeEventListener('abort', stop)
        await worker.terminate()
        freeBackupFolder(task.folder)
      }
    },
  }
}

/** What the thread says at its end; one that is stopped says nothing. */
function saidBy(worker: Worker): Promise<string> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new MizanError('BACKUP_FAILED', 'it was stopped before it was whole')))
  })
}
