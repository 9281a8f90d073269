import { renameSync, writeFileSync, writeSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { assert, MizanError } from './errors.ts'

const WRITES_SOMETHING = 'a write to a file writes something'

/**
 * Writes a file that other processes wait for or read at any time: it appears under its name complete or not at all,
 * and a half-written one is never seen.
 *
 * @throws Error of the file system; what stood under the name before is then still there
 */
export function writeWholeFile(file: string, text: string, mode = 0o644): void {
  const unfinished = `${file}.${process.pid}.tmp`
  writeFileSync(unfinished, text, { mode })
  renameSync(unfinished, file)
}

/** A full disk is told with the file and the way out: the file system names neither. Any other error stays as it is. */
export function withPlace(error: unknown, file: string): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  const words = `${file} could not be written (${code}): make room in ${path.dirname(file)}, then do the same again; nothing of it was left`
  return new MizanError('DISK_FULL', words, { cause: error })
}

/** Whether anything stands under a name; what may not be looked at is not there. */
export async function isThere(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined)) !== undefined
}

/** What {@link writeAll} needs of an open file. */
export interface WritableFile {
  write(bytes: Uint8Array, from: number, length: number, at: number | null): Promise<{ readonly bytesWritten: number }>
}

/**
 * Writes all bytes: the system may take fewer than it was given, such as on a disk that is nearly full, and says so only
 * by their number.
 * @param at place in the file in bytes; null = where the last write ended
 * @throws Error of the file system
 */
export async function writeAll(file: WritableFile, bytes: Uint8Array, at: number | null = null): Promise<void> {
  for (let from = 0; from < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, from, bytes.length - from, at === null ? null : at + from)
    assert(bytesWritten > 0, WRITES_SOMETHING)
    from += bytesWritten
  }
}

/**
 * The same for a file descriptor, without a turn of the event loop.
 * @param write of the file system; injected by tests
 * @throws Error of the file system
 */
export function writeAllSync(
  file: number,
  bytes: Uint8Array,
  write: (file: number, bytes: Uint8Array, from: number) => number = writeSync,
): void {
  for (let from = 0; from < bytes.length; ) {
    const bytesWritten = write(file, bytes, from)
    assert(bytesWritten > 0, WRITES_SOMETHING)
    from += bytesWritten
  }
}
