import { chownSync, existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { describeError } from '../../errors.ts'
import { type Cluster, canEnter } from './cluster.ts'

/** Where the server puts its journal. */
export interface ArchiveOptions {
  /** Backup folder; the journal goes to `wal/` in it. */
  readonly folder: string
  /** A segment that is not full goes to the archive after this many seconds. */
  readonly timeoutSeconds: number
}

/**
 * Settings that archive the journal, after making the archive the server's own. The module `basic_archive` of
 * PostgreSQL writes each segment under another name, makes it durable and only then gives it its name; it never writes
 * over a segment that is not the same. An archive that cannot be had is told and does not keep the server from
 * starting: the server keeps its journal until it can be archived.
 */
export function archiveSettings(
  archive: ArchiveOptions | undefined,
  cluster: Pick<Cluster, 'user'>,
  onLog: (line: string) => void,
): Readonly<Record<string, string>> {
  if (archive === undefined) return {}
  const wal = path.join(archive.folder, 'wal')
  const problem = prepareArchive(archive.folder, wal, cluster)
  if (problem !== undefined) onLog(`the journal cannot be archived: ${problem}`)
  return {
    archive_mode: 'on',
    archive_library: 'basic_archive',
    'basic_archive.archive_directory': wal,
    archive_timeout: `${archive.timeoutSeconds}s`,
  }
}

function prepareArchive(folder: string, wal: string, { user }: Pick<Cluster, 'user'>): string | undefined {
  try {
    if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o711 })
    if (!existsSync(wal)) {
      mkdirSync(wal, { mode: 0o700 })
      if (user.uid !== undefined && user.gid !== undefined) chownSync(wal, user.uid, user.gid)
    }
    if (canEnter(wal, user)) return undefined
    return `the user ${user.name}, whom the server runs as, cannot enter ${wal}: give search permission on its parent folders`
  } catch (error) {
    return `${wal}: ${describeError(error)}`
  }
}
