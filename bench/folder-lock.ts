import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import { isOwnerAlive, ownerLine, readOwner } from '../src/store/embedded/lock-file.ts'

/**
 * Claims a bench folder for this process: two runs at once would spoil each other's figures and databases.
 * @returns gives the folder up
 * @throws Error when another live process has it
 */
export function claimFolder(folder: string): () => void {
  const file = path.join(folder, 'bench.lock')
  const owner = readOwner(file)
  if (owner !== undefined && isOwnerAlive(owner)) {
    throw new Error(
      `another benchmark (pid ${owner.pid}) uses ${folder}; wait for it, or name another folder with --var`,
    )
  }
  rmSync(file, { force: true })
  const fd = openSync(file, 'wx', 0o600)
  writeSync(fd, ownerLine())
  closeSync(fd)
  return () => rmSync(file, { force: true })
}
