import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { BackupTask } from '../store/backup/backup-worker.ts'
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
      const worker = new Worker(new URL('../store/backup/backup-worker.ts', import.meta.url), { workerData: task })
      const stop = () => void worker.terminate()
      signal.addEventListener('abort', stop, { once: true })
      try {
        const [said] = (await once(worker, 'message')) as [string]
        return said
      } finally {
        signal.removeEventListener('abort', stop)
        await worker.terminate()
      }
    },
  }
}
