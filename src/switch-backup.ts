import type { HealthCheck } from './api/health.ts'
import type { Config } from './config/config.ts'
import { backupJob } from './jobs/backup-job.ts'
import type { NamedJob } from './jobs/scheduler.ts'
import { type MasterKey, masterKeyCheckValue } from './security/master-key.ts'
import { type BackupState, readBackupState } from './store/backup/backup-check.ts'
import { keptConnection } from './store/kept-connection.ts'
import { backupsInOrder, backupsNotInOrder, backupsUnknown } from './telemetry/backup-events.ts'
import type { BackupMetrics } from './telemetry/backup-metrics.ts'
import type { Logger } from './telemetry/logger.ts'

/** Backups of a running switch: it watches them, and makes them at their times. */
export interface SwitchBackups {
  /** The scheduled backup, where the configuration has one; for the process that runs jobs. */
  readonly jobs: readonly NamedJob[]
  /** For /readyz: always ready, for a switch with old backups still answers; the detail says how they stand. */
  checks(): Readonly<Record<string, HealthCheck>>
  close(): Promise<void>
}

type BackupConfig = NonNullable<Config['backup']>

const EVERY_MS = 30_000
const MEGABYTE = 1_000_000

/** Watches backups where the configuration has a backup folder; does nothing where it has none. */
export function openBackups(
  { backup }: Pick<Config, 'backup'>,
  url: string,
  masterKey: MasterKey,
  metrics: BackupMetrics,
  log: Logger,
): SwitchBackups {
  if (backup === undefined) return { jobs: [], checks: () => ({}), close: async () => undefined }
  return { jobs: backupJobs(backup, url, masterKey), ...watchBackups(backup, url, metrics, log) }
}

function backupJobs(
  { folder, schedule, keep, megabytesPerSecond }: BackupConfig,
  url: string,
  masterKey: MasterKey,
): NamedJob[] {
  if (schedule === undefined) return []
  return [
    backupJob({
      url,
      folder,
      cron: schedule,
      keep,
      bytesPerSecond: megabytesPerSecond * MEGABYTE,
      masterKey: { checkValue: masterKeyCheckValue(masterKey), custody: masterKey.description },
    }),
  ]
}

function watchBackups(
  { folder, maxAgeHours }: BackupConfig,
  url: string,
  metrics: BackupMetrics,
  log: Logger,
): Omit<SwitchBackups, 'jobs'> {
  const connection = keptConnection({ url, name: 'mizan backup watch', role: 'mizan_app', queryTimeoutMs: 10_000 })
  let detail = 'not looked at yet'
  let said: string | undefined
  const tell = (found: string, speak: () => void) => {
    if (found !== said) speak()
    said = found
  }
  const look = async () => {
    try {
      const state = await connection.use((client) => readBackupState(client, { folder, maxAgeHours }, Date.now()))
      setMetrics(metrics, state)
      const { problems, lastBackup } = state
      detail = problems.length > 0 ? problems.join('; ') : `last base backup ${lastBackup?.endedAt ?? 'none'}`
      if (problems.length > 0) tell(kindsOf(problems), () => backupsNotInOrder(log, { problems }))
      else tell('in order', () => backupsInOrder(log, { lastBackup: lastBackup?.name }))
    } catch (error) {
      detail = 'backups cannot be looked at'
      tell('unknown', () => backupsUnknown(log, error))
    }
  }
  let looking = look()
  const timer = setInterval(() => {
    looking = looking.then(look)
  }, EVERY_MS)
  timer.unref()
  return {
    checks: () => ({ backup: { ready: true, detail } }),
    async close() {
      clearInterval(timer)
      await looking
      await connection.close()
    },
  }
}

/** Problems without their figures, which change from look to look. */
function kindsOf(problems: readonly string[]): string {
  return problems.map((problem) => problem.replaceAll(/[0-9A-F-]+/g, '')).join()
}

function setMetrics(metrics: BackupMetrics, { lastBackup, archive }: BackupState): void {
  metrics.lastTimestamp.set(lastBackup === undefined ? 0 : Date.parse(lastBackup.endedAt) / 1_000)
  metrics.archiveLagBytes.set(archive.lagBytes ?? 0)
  metrics.archiveFailures.set(archive.failures)
  metrics.archiveFailing.set(archive.failing ? 1 : 0)
  metrics.lastArchivedTimestamp.set((archive.lastArchivedMs ?? 0) / 1_000)
}
