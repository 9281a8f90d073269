import { Gauge, type Registry } from 'prom-client'

/** Metrics of backups; zero where there is no backup folder. */
export interface BackupMetrics {
  readonly lastTimestamp: Gauge
  readonly archiveLagBytes: Gauge
  readonly archiveFailures: Gauge
  /** 1 while the last attempt failed. */
  readonly archiveFailing: Gauge
  readonly lastArchivedTimestamp: Gauge
}

/** Makes the metrics of backups on a registry. */
export function createBackupMetrics(registry: Registry): BackupMetrics {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] })
  return {
    lastTimestamp: gauge(
      'mizan_backup_last_timestamp_seconds',
      'End of the last base backup, seconds since 1970 UTC; 0 = none',
    ),
    archiveLagBytes: gauge('mizan_backup_archive_lag_bytes', 'Database journal that is not in the archive yet'),
    archiveFailures: gauge(
      'mizan_backup_archive_failures',
      'Failed attempts of the server to archive its journal since its statistics began',
    ),
    archiveFailing: gauge('mizan_backup_archive_failing', 'Whether the last attempt to archive the journal failed'),
    lastArchivedTimestamp: gauge(
      'mizan_backup_last_archived_timestamp_seconds',
      'When the archive got its last segment, seconds since 1970 UTC; 0 = never',
    ),
  }
}
