import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { describeError, MizanError } from '../errors.ts'
import { writeWholeFile } from '../whole-file.ts'
import { type ArchiveOptions, archiveSettings } from './embedded/archiving.ts'
import { clusterExists, clusterRoot, prepareCluster, readPassword, SUPERUSER } from './embedded/cluster.ts'
import { isOwnerAlive, readOwner, withLockFile, writeOwnerFile } from './embedded/lock-file.ts'
import { findServer, type RunningServer, startServer, stopServer } from './embedded/server-process.ts'

/** How to run the embedded server. */
export interface EmbeddedPostgresOptions {
  /** Data folder of the switch; the cluster lies in `postgres/` and run-time files in `run/` below it. */
  readonly dataDir: string
  /** TCP port on 127.0.0.1. Default 0: the port of the last run if it is free, else any free one. */
  readonly port?: number
  /** PostgreSQL's page cache in MiB. Default a twelfth of the machine's memory, 128 to 4096. */
  readonly sharedBuffersMb?: number
  /** Size of the journal between two checkpoints in MiB. Default 4096. */
  readonly maxWalSizeMb?: number
  /** Archives the journal into the backup folder; absent = not. Counts when the server is started. */
  readonly archive?: ArchiveOptions
  /** Gets a line about each step that takes time. Never holds a secret. */
  readonly onLog?: (line: string) => void
  /** Longest wait for a server that starts or recovers from a crash, in milliseconds. Default 600000. */
  readonly startTimeoutMs?: number
  /** Where root puts what the server's user could not reach in the data folder. Default /var/lib/mizan. */
  readonly relocationRoot?: string
}

/** A running server and this user's hold on it. */
export interface EmbeddedPostgres {
  /** Connection URL of a database of this server; holds the password. */
  url(database: string): string
  readonly port: number
  readonly pid: number
  /** Whether the server ran already: left behind by a killed switch, or in use by another process. */
  readonly attached: boolean
  /** PGDATA. */
  readonly clusterDir: string
  /** Gives up this hold; whoever is last stops the server. Idempotent. Returns whether the server was stopped. */
  release(): Promise<boolean>
  /** Stops the server whoever uses it. `fast` (the default) turns to `immediate` after a minute. Idempotent. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
}

const DEFAULT_RELOCATION_ROOT = '/var/lib/mizan'
const LOCK_WAIT_MS = 120_000
const START_TIMEOUT_MS = 600_000
const STOP_TIMEOUT_MS = 60_000
/** A server that has just been started on a machine that is busy may take long to answer for the first time. */
const CONNECT_TIMEOUT_MS = 60_000

/**
 * Starts the PostgreSQL server of a data folder, or attaches to the one that runs. Safe to call from several
 * processes at once: a lock file orders them, one starts and the others attach. The cluster is made at first use.
 * fsync, full_page_writes and synchronous_commit are on and have no option.
 * @throws MizanError DATABASE_START_FAILED with what to do about it
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  refuseWindows()
  const onLog = options.onLog ?? (() => undefined)
  const files = runFiles(options.dataDir, true)
  return withLockFile(files.lock, LOCK_WAIT_MS, async () => {
    const running = await findRunning(files.dataDir, options.startTimeoutMs ?? START_TIMEOUT_MS)
    if (running !== undefined) {
      onLog(`using the PostgreSQL server that runs on port ${running.port} (pid ${running.pid})`)
      return hold(files, running, true, onLog)
    }
    return hold(files, await begin(files, options), false, onLog)
  })
}

/**
 * Starts the server of a data folder again on the port that it had, where it has died (killed for memory, for one): whoever
 * holds it keeps its URL. Never makes a cluster.
 * @returns whether it had died
 * @throws MizanError DATABASE_START_FAILED with what to do about it
 */
export async function reviveEmbeddedPostgres(options: EmbeddedPostgresOptions & { port: number }): Promise<boolean> {
  const files = runFiles(options.dataDir, false)
  if (findServer(path.join(clusterRoot(files.dataDir), 'data')) !== undefined) return false
  return withLockFile(files.lock, LOCK_WAIT_MS, async () => {
    if ((await findRunning(files.dataDir, options.startTimeoutMs ?? START_TIMEOUT_MS)) !== undefined) return false
    if (!clusterExists(files.dataDir)) throw new MizanError('DATABASE_START_FAILED', `${files.dataDir} has lost it`)
    await begin(files, options)
    return true
  })
}

/** Starts the server; the caller holds the lock and knows that none runs. */
async function begin(files: RunFiles, options: EmbeddedPostgresOptions): Promise<RunningServer> {
  const { sharedBuffersMb, maxWalSizeMb = 4_096, archive, onLog = () => undefined } = options
  const cluster = await prepareCluster(files.dataDir, options.relocationRoot ?? DEFAULT_RELOCATION_ROOT, onLog)
  const fixedPort = (options.port ?? 0) !== 0
  const port = fixedPort ? (options.port ?? 0) : rememberedPort(files.info)
  const settings = archiveSettings(archive, cluster, onLog)
  const sizes = { maxWalSizeMb, settings, ...(sharedBuffersMb === undefined ? {} : { sharedBuffersMb }) }
  const started = await startServer(cluster, port, fixedPort, sizes, options.startTimeoutMs ?? START_TIMEOUT_MS)
  onLog(`PostgreSQL runs on port ${started.port} (pid ${started.pid})`)
  await checkAnswers(cluster.root, started)
  const info = { port: started.port, pid: started.pid, clusterDir: cluster.data, user: SUPERUSER }
  writeWholeFile(files.info, `${JSON.stringify(info)}\n`, 0o600)
  return started
}

/**
 * Attaches to the server of a data folder if one runs; never starts one.
 * @throws MizanError DATABASE_START_FAILED when one runs but does not answer
 */
export async function findEmbeddedPostgres(
  options: Pick<EmbeddedPostgresOptions, 'dataDir' | 'onLog' | 'startTimeoutMs'>,
): Promise<EmbeddedPostgres | undefined> {
  if (process.platform === 'win32' || !existsSync(path.join(options.dataDir, 'run'))) return undefined
  const files = runFiles(options.dataDir, false)
  return withLockFile(files.lock, LOCK_WAIT_MS, async () => {
    const running = await findRunning(files.dataDir, options.startTimeoutMs ?? START_TIMEOUT_MS)
    return running === undefined ? undefined : hold(files, running, true, options.onLog ?? (() => undefined))
  })
}

/** Whether a data folder has a database, running or not. */
export function embeddedDatabaseExists(dataDir: string): boolean {
  return clusterExists(path.resolve(dataDir))
}

/** How many live processes hold the server of a data folder, this one included. */
export function countEmbeddedUsers(dataDir: string): number {
  const folder = path.join(dataDir, 'run', 'database-users')
  if (!existsSync(folder)) return 0
  // Without the lock a mark may be seen before its line is written: that one is alive.
  return readdirSync(folder).filter((name) => isHeld(path.join(folder, name), true)).length
}

interface RunFiles {
  readonly dataDir: string
  readonly lock: string
  readonly info: string
  readonly users: string
}

function runFiles(dataDir: string, create: boolean): RunFiles {
  const run = path.join(path.resolve(dataDir), 'run')
  try {
    if (create) mkdirSync(run, { recursive: true })
    mkdirSync(path.join(run, 'database-users'), { recursive: true, mode: 0o700 })
  } catch (error) {
    const detail = `the data folder cannot be written: ${describeError(error)}. Set MIZAN_VAR to one that can`
    throw new MizanError('DATABASE_START_FAILED', detail, { cause: error })
  }
  const real = realpathSync(path.resolve(dataDir))
  return {
    dataDir: real,
    lock: path.join(real, 'run', 'database.lock'),
    info: path.join(real, 'run', 'database.json'),
    users: path.join(real, 'run', 'database-users'),
  }
}

/** A running server of this data folder, once it is ready; one that is shutting down is waited out. */
async function findRunning(dataDir: string, timeoutMs: number): Promise<RunningServer | undefined> {
  const root = clusterRoot(dataDir)
  const data = path.join(root, 'data')
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const found = findServer(data)
    if (found === undefined) return undefined
    if (found.ready) {
      await checkAnswers(root, found)
      return found
    }
    if (Date.now() > deadline) {
      throw new MizanError(
        'DATABASE_START_FAILED',
        `the server with pid ${found.pid} is not ready after ${timeoutMs} ms`,
      )
    }
    await sleep(50)
  }
}

async function checkAnswers(root: string, server: RunningServer): Promise<void> {
  const client = new pg.Client({
    connectionString: databaseUrl(server.port, readPassword(root), 'postgres'),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  })
  // A server that goes away in the middle of the check fails the query below too.
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ folder: string }>("select current_setting('data_directory') as folder")
    const folder = rows[0]?.folder ?? ''
    if (folder !== path.join(root, 'data')) throw new Error(`it serves ${folder}`)
  } catch (error) {
    const detail = `the server on port ${server.port} (pid ${server.pid}) does not answer for ${root}: ${describeError(error)}`
    throw new MizanError('DATABASE_START_FAILED', detail, { cause: error })
  } finally {
    await client.end().catch(() => undefined)
  }
}

function databaseUrl(port: number, password: string, database: string): string {
  return `postgresql://${SUPERUSER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`
}

function hold(
  files: RunFiles,
  server: RunningServer,
  attached: boolean,
  onLog: (line: string) => void,
): EmbeddedPostgres {
  const root = clusterRoot(files.dataDir)
  const password = readPassword(root)
  const data = path.join(root, 'data')
  const mark = path.join(files.users, `${process.pid}-${randomBytes(4).toString('hex')}`)
  writeOwnerFile(mark)
  let released = false
  const stopNow = async (mode: 'fast' | 'immediate') => {
    if (mode === 'fast' && (await stopServer(data, 'fast', STOP_TIMEOUT_MS))) return
    if (mode === 'fast')
      onLog(`PostgreSQL (pid ${server.pid}) did not stop in ${STOP_TIMEOUT_MS} ms; stopping it at once`)
    if (!(await stopServer(data, 'immediate', STOP_TIMEOUT_MS))) {
      throw new MizanError('STORE_UNAVAILABLE', `the server with pid ${server.pid} does not stop`)
    }
  }
  return {
    url: (database) => databaseUrl(server.port, password, database),
    port: server.port,
    pid: server.pid,
    attached,
    clusterDir: data,
    async release() {
      if (released) return false
      released = true
      return withLockFile(files.lock, LOCK_WAIT_MS, async () => {
        rmSync(mark, { force: true })
        if (liveHolds(files.users).length > 0) return false
        await stopNow('fast')
        return true
      })
    },
    async stop(mode = 'fast') {
      released = true
      await withLockFile(files.lock, LOCK_WAIT_MS, async () => {
        rmSync(mark, { force: true })
        await stopNow(mode)
      })
    },
  }
}

/** Marks of processes that still run; those of dead ones are removed. The caller holds the lock. */
function liveHolds(folder: string): string[] {
  return readdirSync(folder).filter((name) => {
    const file = path.join(folder, name)
    if (isHeld(file, false)) return true
    rmSync(file, { force: true })
    return false
  })
}

function isHeld(file: string, whenUnreadable: boolean): boolean {
  const owner = readOwner(file)
  return owner === undefined ? whenUnreadable : isOwnerAlive(owner)
}

function rememberedPort(file: string): number {
  if (!existsSync(file)) return 0
  chmodSync(file, 0o600)
  try {
    const { port } = JSON.parse(readFileSync(file, 'utf8')) as { port?: unknown }
    return typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536 ? port : 0
  } catch {
    // A file cut short by a crash only costs the memory of the port.
    return 0
  }
}

function refuseWindows(): void {
  if (process.platform !== 'win32') return
  throw new MizanError('DATABASE_START_FAILED', 'the embedded server is not supported on Windows; set DATABASE_URL')
}
