import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/**
 * Has the kernel write to the disk what programs have written, with the command `sync`; left to itself it does so half a
 * minute later, all at once. Where there is no such command nothing happens.
 */
export async function writeBack(): Promise<void> {
  await promisify(execFile)('sync').catch(() => undefined)
}
