import { execFileSync, spawn } from 'node:child_process'
import { chownSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Who the servers run as: PostgreSQL refuses to run as root. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

const POLL_MS = 50

/** The user `postgres` when this runs as root, else whoever runs it. */
export function serverUser(): ServerUser {
  const uid = process.getuid?.() ?? 0
  if (uid !== 0) return { uid, gid: process.getgid?.() ?? 0 }
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** Makes a folder of the servers' user. */
export function ownFolder(folder: string, { uid, gid }: ServerUser): void {
  // Whoever the servers run as must get there.
  mkdirSync(path.dirname(folder), { recursive: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chownSync(folder, uid, gid)
}

/** Starts a server that outlives this process; its output goes to a file of its folder. @returns its pid */
export function startServer(program: string, args: readonly string[], folder: string, user: ServerUser): number {
  const log = openSync(path.join(folder, `${program}.log`), 'a')
  const child = spawn(program, args, {
    stdio: ['ignore', log, log],
    cwd: folder,
    detached: true,
    ...user,
    env: { PATH: process.env.PATH ?? '', HOME: folder, LANG: 'C.UTF-8' },
  })
  closeSync(log)
  child.on('error', () => undefined)
  child.unref()
  if (child.pid === undefined) throw new Error(`${program} cannot be started; is its package installed?`)
  return child.pid
}

/** Whether a process runs; one that has ended and was not waited for does not. */
export function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Ends processes that were started here, and waits until they have. */
export async function end(pids: readonly number[], signal: 'SIGTERM' | 'SIGKILL', withinMs: number): Promise<void> {
  for (const pid of pids) if (pid > 1 && runs(pid)) process.kill(pid, signal)
  const giveUpMs = performance.now() + withinMs
  while (pids.some(runs) && performance.now() < giveUpMs) await sleep(POLL_MS)
  for (const pid of pids) if (pid > 1 && runs(pid)) process.kill(pid, 'SIGKILL')
}

/** Processes that a process has started. */
export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // The name may hold spaces and brackets: what follows the last one is "state ppid".
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
      } catch {
        return false
      }
    })
}
