import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MizanError } from '../../errors.ts'
import { writeAll } from '../../whole-file.ts'
import type { CopiedFile } from './backup-folder.ts'

/** How files are copied. */
export interface CopyOptions {
  /** 0 = as fast as the disk. */
  readonly bytesPerSecond: number
  /** Whether each file is made durable; a server that recovers does that itself. */
  readonly durable: boolean
  readonly onBytes?: (bytes: number) => void
}

const CHUNK_BYTES = 1024 * 1024
/** Files synchronised and copied at once: many are a few pages, and each waits for its own fsync. */
const AT_ONCE = 8

/** Folders whose content belongs to the running server and is made anew; see "Making a Base Backup Using the Low Level API". */
const EMPTY_FOLDERS = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
])
const SKIPPED_FILES = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'backup_label',
  'backup_label.old',
  'tablespace_map',
  'tablespace_map.old',
  'current_logfiles',
  'backup_manifest',
  'recovery.signal',
  'standby.signal',
])

/** What of a server's data folder goes into a backup. */
export interface SourceTree {
  /** Relative to the data folder, parents first. */
  readonly folders: readonly string[]
  readonly files: readonly string[]
  readonly bytes: number
}

/**
 * Lists what of a data folder goes into a backup.
 * @throws MizanError BACKUP_FAILED for a link to another place: tablespaces are not backed up
 */
export async function listSource(data: string): Promise<SourceTree> {
  const folders: string[] = []
  const files: string[] = []
  let bytes = 0
  const visit = async (relative: string): Promise<void> => {
    const entries = await readdir(path.join(data, relative), { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = path.join(relative, entry.name)
      if (/^pgsql_tmp/.test(entry.name) || /^pg_internal\.init/.test(entry.name)) continue
      if (entry.isDirectory()) {
        folders.push(name)
        if (!EMPTY_FOLDERS.has(name)) await visit(name)
      } else if (entry.isFile() && !(relative === '' && SKIPPED_FILES.has(entry.name))) {
        files.push(name)
        bytes += await sizeOf(path.join(data, name))
      } else if (entry.isSymbolicLink()) refuseLink(name, folders)
    }
  }
  await visit('')
  return { folders, files, bytes }
}

/** `pg_wal` may lie on a disk of its own; what it holds is not copied anyway. */
function refuseLink(name: string, folders: string[]): void {
  if (name !== 'pg_wal') {
    throw new MizanError('BACKUP_FAILED', `${name} leads to another place: tablespaces and links are not backed up`)
  }
  folders.push(name)
}

async function sizeOf(file: string): Promise<number> {
  const handle = await openIfThere(file)
  if (handle === undefined) return 0
  try {
    return (await handle.stat()).size
  } finally {
    await handle.close()
  }
}

/**
 * Copies files, each with its SHA-256. A file that is gone by its turn is left out: its relation was
 * dropped, and recovery drops it again.
 */
export async function copyFiles(
  from: string,
  to: string,
  files: readonly string[],
  options: CopyOptions,
): Promise<CopiedFile[]> {
  const pace = new Pace(options.bytesPerSecond)
  const queue = files.entries()
  const copied: CopiedFile[] = []
  const work = async () => {
    for (const [, name] of queue) {
      const done = await copyFile(path.join(from, name), path.join(to, name), name, pace, options)
      if (done !== undefined) copied.push(done)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return copied.sort(([a], [b]) => (a < b ? -1 : 1))
}

async function copyFile(
  from: string,
  to: string,
  name: string,
  pace: Pace,
  { onBytes, durable }: CopyOptions,
): Promise<CopiedFile | undefined> {
  const source = await openIfThere(from)
  if (source === undefined) return undefined
  try {
    const target = await open(to, 'wx', 0o600)
    try {
      const hash = createHash('sha256')
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
      let total = 0
      for (;;) {
        const { bytesRead } = await source.read(buffer, 0, CHUNK_BYTES, total)
        if (bytesRead === 0) break
        const chunk = buffer.subarray(0, bytesRead)
        hash.update(chunk)
        await writeAll(target, chunk, total)
        total += bytesRead
        onBytes?.(bytesRead)
        await pace.spend(bytesRead)
      }
      if (durable) await target.datasync()
      return [name, total, hash.digest('hex')]
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, constants.O_RDONLY)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** SHA-256 and size of a file. */
export async function hashFile(file: string): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const handle = await open(file, constants.O_RDONLY)
  try {
    const hash = createHash('sha256')
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    let bytes = 0
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, bytes)
      if (bytesRead === 0) return { bytes, sha256: hash.digest('hex') }
      hash.update(buffer.subarray(0, bytesRead))
      bytes += bytesRead
    }
  } finally {
    await handle.close()
  }
}

/** Makes folders below `root`, parents first. */
export async function makeFolders(root: string, folders: readonly string[]): Promise<void> {
  await mkdir(root, { mode: 0o700 })
  for (const name of folders) await mkdir(path.join(root, name), { mode: 0o700 })
}

/** Makes the names in folders durable. */
export async function syncFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const handle = await open(folder, constants.O_RDONLY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

/** Keeps copying below a rate, for the disk is also that of the ledger. */
class Pace {
  readonly #bytesPerMs: number
  #freeAtMs = performance.now()

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1_000
  }

  async spend(bytes: number): Promise<void> {
    if (this.#bytesPerMs === 0) return
    const nowMs = performance.now()
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + bytes / this.#bytesPerMs
    if (this.#freeAtMs - nowMs > 20) await sleep(this.#freeAtMs - nowMs)
  }
}
