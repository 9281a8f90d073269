import { renameSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'

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

/** Whether anything stands under a name; what may not be looked at is not there. */
export async function isThere(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined)) !== undefined
}
