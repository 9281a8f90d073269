import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, MizanError } from '../../errors.ts'
import { withPlace } from '../../whole-file.ts'
import { isProcessAlive, processStartMark } from './processes.ts'

const POLL_MS = 25
/** A lock file without a readable owner is one that is just being written; past this age its writer has died. */
const UNFINISHED_AFTER_MS = 5_000

/** How a lock that is not free is told. */
export interface LockRefusal {
  readonly code: ErrorCode
  /** What the owner is doing: "another process has been …". */
  readonly doing: string
}

const starting: LockRefusal = { code: 'DATABASE_START_FAILED', doing: 'starting or stopping it' }

/**
 * Runs `work` while holding an exclusive lock file, which names its owner by pid and start time. A lock whose owner has
 * died is taken over. The lock orders concurrent starters; what protects the data itself is PostgreSQL's own
 * postmaster.pid, so a lock lost to an unsupported file system costs a clear start failure and never data.
 * @throws MizanError DATABASE_START_FAILED, or as `refusal` says, when the lock is not free after `waitMs`
 */
export async function withLockFile<T>(
  file: string,
  waitMs: number,
  work: () => Promise<T>,
  refusal: LockRefusal = starting,
): Promise<T> {
  const deadline = Date.now() + waitMs
  while (!tryCreate(file)) {
    if (isAbandoned(file)) removeAbandoned(file)
    else if (Date.now() > deadline) {
      throw new MizanError(
        refusal.code,
        `another process (pid ${readOwner(file)?.pid ?? 'unknown'}) has been ${refusal.doing} for ${waitMs} ms (lock ${file})`,
      )
    } else await sleep(POLL_MS)
  }
  try {
    return await work()
  } finally {
    rmSync(file, { force: true })
  }
}

/** Whether the process that wrote a `pid start-mark` line is still that same running process. */
export function isOwnerAlive(owner: { pid: number; mark: string }): boolean {
  if (!isProcessAlive(owner.pid)) return false
  return owner.mark === '' || (processStartMark(owner.pid) ?? '') === owner.mark
}

/** The `pid start-mark` line that names this process in lock and user files. */
export function ownerLine(pid: number = process.pid): string {
  return `${pid} ${processStartMark(pid) ?? ''}`
}

/** Reads an owner line; undefined when the file is gone or not complete. */
export function readOwner(file: string): { pid: number; mark: string } | undefined {
  try {
    const match = /^(\d+) (\d*)$/.exec(readFileSync(file, 'utf8'))
    return match === null ? undefined : { pid: Number(match[1]), mark: match[2] ?? '' }
  } catch {
    return undefined
  }
}

function tryCreate(file: string): boolean {
  let fd: number
  try {
    fd = openSync(file, 'wx', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw withPlace(error, file)
  }
  try {
    writeSync(fd, ownerLine())
    return true
  } catch (error) {
    rmSync(file, { force: true })
    throw withPlace(error, file)
  } finally {
    closeSync(fd)
  }
}

/** Makes a file that names this process for as long as it stands. @throws MizanError DISK_FULL; nothing is left then */
export function writeOwnerFile(file: string): void {
  if (!tryCreate(file)) throw new MizanError('CONFLICT', `${file} is there already`)
}

function isAbandoned(file: string): boolean {
  const owner = readOwner(file)
  return owner === undefined ? ageMs(file) > UNFINISHED_AFTER_MS : !isOwnerAlive(owner)
}

/** Two waiters may both see a dead owner: only the one that makes the second file may remove the first. */
function removeAbandoned(file: string): void {
  const breaking = `${file}.breaking`
  if (!tryCreate(breaking)) {
    if (isAbandoned(breaking)) rmSync(breaking, { force: true })
    return
  }
  if (isAbandoned(file)) rmSync(file, { force: true })
  rmSync(breaking, { force: true })
}

function ageMs(file: string): number {
  try {
    return Date.now() - statSync(file).mtimeMs
  } catch {
    return 0
  }
}
