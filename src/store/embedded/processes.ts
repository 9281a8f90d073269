import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Whether a process exists and still runs. One that ended but was not collected by its parent (a zombie; usual in a
 * container whose first process does not collect orphans) counts as ended.
 */
export function isProcessAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  const stat = readProcFile(pid, 'stat')
  // The state is the first letter after the command, which is in parentheses and may hold any character.
  return stat === undefined || !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
}

/**
 * When a process started, as an opaque text: with the pid it names one process for good, since pids are used again.
 * Undefined where the system does not tell (no /proc).
 */
export function processStartMark(pid: number): string | undefined {
  const stat = readProcFile(pid, 'stat')
  // proc(5): starttime is field 22, the 20th after the parenthesised command.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

/** The command line of a process, or undefined when it cannot be known. */
export function processCommand(pid: number): string | undefined {
  const command = readProcFile(pid, 'cmdline')
  if (command !== undefined) return command.replaceAll('\0', ' ').trim()
  const listed = spawnSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' })
  return listed.status === 0 ? listed.stdout.trim() : undefined
}

function readProcFile(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return undefined
  }
}
