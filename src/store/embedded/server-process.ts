import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { totalmem } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MizanError } from '../../errors.ts'
import type { Cluster } from './cluster.ts'
import { isProcessAlive, processCommand } from './processes.ts'

/** What postmaster.pid says of a server; see "Files used by the server" and miscadmin.h of PostgreSQL. */
export interface RunningServer {
  readonly pid: number
  readonly port: number
  readonly ready: boolean
}

/** Memory and journal sizes of the server, and what is particular to a start. */
export interface ServerSizes {
  /** Absent = by the machine's memory. */
  readonly sharedBuffersMb?: number
  readonly maxWalSizeMb: number
  /** Settings beyond those that every start has, and over them: archiving, recovery. */
  readonly settings?: Readonly<Record<string, string>>
}

const LOCK_NAME = 'postmaster.pid'
const POLL_MS = 20
const LOG_TAIL_BYTES = 8_192
const LOG_TAIL_LINES = 12
const LOG_KEEP_BYTES = 8 * 1024 * 1024
/** Above every kernel's largest pid, so that it never names a process. */
const NO_SUCH_PID = 2_147_483_646

/**
 * Settings of the server. Durability is stated, not left to the defaults, and has no option: the switch answers only
 * what is on disk. The log is terse because the detail of an error may quote a row.
 */
function serverSettings(port: number, sizes: ServerSizes): Record<string, string> {
  return {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '100',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    shared_buffers: `${sizes.sharedBuffersMb ?? buffersOf(machineMemoryMb())}MB`,
    // One segment, which is also what the server would choose at its most; a batch is far smaller.
    wal_buffers: '16MB',
    max_wal_size: `${sizes.maxWalSizeMb}MB`,
    // Segments are kept for reuse, all that there ever were: to make one is a write of 16 MB inside some commit, some 50
    // ms, and it would come with each rush after a quiet time, as when a day ends.
    min_wal_size: `${sizes.maxWalSizeMb}MB`,
    checkpoint_timeout: '15min',
    checkpoint_completion_target: '0.9',
    random_page_cost: '1.1',
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_error_verbosity: 'terse',
    log_min_error_statement: 'panic',
    cluster_name: 'mizan',
  }
}

/**
 * The server's page cache where nobody says how large: enough for what a day moves, and a small part of the machine,
 * which the switch and others use too. PostgreSQL takes pages of it only as it fills.
 */
export function buffersOf(memoryMb: number): number {
  return Math.min(4_096, Math.max(128, Math.floor(memoryMb / 12)))
}

function machineMemoryMb(): number {
  // 0, or more than there is, where no limit is set.
  const limit = process.constrainedMemory()
  const bytes = totalmem()
  return (limit > 0 && limit < bytes ? limit : bytes) / (1024 * 1024)
}

/** The server that holds this PGDATA, if one runs. The postmaster.pid of one that was killed does not count. */
export function findServer(data: string): RunningServer | undefined {
  const lines = readLockLines(data)
  const pid = Number(lines?.[0])
  if (lines === undefined || !isProcessAlive(pid)) return undefined
  const command = processCommand(pid)
  // The pid was meanwhile given to another program.
  if (command !== undefined && !command.includes(lines[1] ?? data)) return undefined
  return { pid, port: Number(lines[3] ?? 0), ready: (lines[7] ?? '').startsWith('ready') }
}

/**
 * PostgreSQL refuses to start while any process has the pid in a postmaster.pid left behind: another program that got
 * the pid, or the dead server itself until its parent collects it. Only the pid is changed: the rest of the file lets
 * the server find out whether children of the dead one still use its shared memory.
 */
function disarmStaleLock(data: string): void {
  const lines = readLockLines(data)
  if (lines === undefined || findServer(data) !== undefined) return
  writeFileSync(path.join(data, LOCK_NAME), [NO_SUCH_PID, ...lines.slice(1)].join('\n'))
}

/** Lines of postmaster.pid; undefined when there is none or it is just being written. */
function readLockLines(data: string): string[] | undefined {
  try {
    const lines = readFileSync(path.join(data, LOCK_NAME), 'utf8').split('\n')
    return /^\d+$/.test(lines[0] ?? '') ? lines : undefined
  } catch (error) {
    // A process that may open no more files cannot tell: a server that runs must not be taken for dead.
    if (['EMFILE', 'ENFILE'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return undefined
  }
}

/**
 * Starts the server in a session of its own, so that Ctrl-C on the terminal reaches the switch only, and waits until
 * it takes connections. It goes on when this process dies, and the next start attaches to it.
 * @param preferredPort port to use if it is free; 0 for none
 * @param fixedPort whether another port may not be used instead
 * @throws MizanError DATABASE_START_FAILED with the last lines of the server's log
 */
export async function startServer(
  cluster: Cluster,
  preferredPort: number,
  fixedPort: boolean,
  sizes: ServerSizes,
  timeoutMs: number,
): Promise<RunningServer> {
  const deadline = Date.now() + timeoutMs
  let port = preferredPort !== 0 && (fixedPort || (await isPortFree(preferredPort))) ? preferredPort : await freePort()
  for (let attempt = 1; ; attempt++) {
    disarmStaleLock(cluster.data)
    const logStart = rotateLog(cluster.serverLog)
    const child = launch(cluster, port, sizes)
    const running = await waitUntilReady(cluster.data, child, deadline)
    if (running !== undefined) return running
    const tail = readTail(cluster.serverLog, logStart)
    // Another program took the free port first.
    if (!fixedPort && attempt < 5 && /Address already in use/.test(tail)) port = await freePort()
    // Children of a server that was killed have not ended yet.
    else if (attempt < 20 && /pre-existing shared memory block/.test(tail)) await sleep(250)
    else throw startFailure(cluster, port, child, tail)
  }
}

function launch(cluster: Cluster, port: number, sizes: ServerSizes): ChildProcess {
  const all = { ...serverSettings(port, sizes), ...sizes.settings }
  const settings = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const log = openSync(cluster.serverLog, 'a', 0o600)
  try {
    const child = spawn(cluster.binaries.postgres, ['-D', cluster.data, ...settings], {
      ...cluster.user.spawnOptions,
      detached: true,
      stdio: ['ignore', log, log],
    })
    // The exit code or the log explains the failure; without a listener the event would end this process.
    child.on('error', () => undefined)
    child.unref()
    return child
  } finally {
    closeSync(log)
  }
}

/** Undefined when the child ended before it was ready. */
async function waitUntilReady(data: string, child: ChildProcess, deadline: number): Promise<RunningServer | undefined> {
  for (;;) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return undefined
    const found = findServer(data)
    if (found?.pid === child.pid && found.ready) return found
    if (Date.now() > deadline) {
      child.kill('SIGQUIT')
      return undefined
    }
    await sleep(POLL_MS)
  }
}

function startFailure(cluster: Cluster, port: number, child: ChildProcess, tail: string): MizanError {
  const outcome = child.pid === undefined ? 'it could not be launched' : `exit ${child.exitCode ?? child.signalCode}`
  const way = /Address already in use/.test(tail) ? `; port ${port} is taken, set database.embedded.port to 0` : ''
  const lines = tail === '' ? 'it wrote no log' : `its log ends: ${tail}`
  return new MizanError('DATABASE_START_FAILED', `${outcome}${way}; ${lines} (${cluster.serverLog})`)
}

/**
 * Asks a server to stop and waits until it has.
 * @param mode `fast` ends the connections and writes a checkpoint; `immediate` is as a crash: the next start recovers
 * @returns false when it still runs after the time
 */
export async function stopServer(data: string, mode: 'fast' | 'immediate', timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  const server = findServer(data)
  if (server === undefined) return true
  try {
    process.kill(server.pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
  } catch {
    // It ended by itself meanwhile; the wait below sees that.
  }
  while (isProcessAlive(server.pid)) {
    if (Date.now() > deadline) return false
    await sleep(POLL_MS)
  }
  return true
}

/** One earlier log is kept. Returns where the next run's lines begin. */
function rotateLog(file: string): number {
  if (!existsSync(file)) return 0
  const { size } = statSync(file)
  if (size < LOG_KEEP_BYTES) return size
  renameSync(file, `${file}.1`)
  return 0
}

function readTail(file: string, from: number): string {
  if (!existsSync(file)) return ''
  const { size } = statSync(file)
  const start = Math.max(from, size - LOG_TAIL_BYTES)
  const buffer = Buffer.alloc(Math.max(0, size - start))
  const fd = openSync(file, 'r')
  readSync(fd, buffer, 0, buffer.length, start)
  closeSync(fd)
  return buffer.toString('utf8').trim().split('\n').slice(-LOG_TAIL_LINES).join(' | ')
}

function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}
