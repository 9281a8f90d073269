import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePorts } from './free-ports.ts'

/** Where a process of a pair listens; fixed, since both sides must know it before it answers. */
export interface RolePorts {
  readonly ascii: number
  readonly visa: number
  readonly bcd: number
  readonly http: number
}

/** What `GET /readyz` says; `gone` when nobody answers. */
export type RoleStatus = 'ready' | 'standby' | 'starting' | 'stopping' | 'not ready' | 'gone'

/** One of the processes that stand in for each other. */
export interface RoleProcess {
  readonly pid: number
  readonly ports: RolePorts
  readonly varDir: string
  /** Resolves when it has ended; null when a signal ended it. */
  readonly exited: Promise<number | null>
  status(): Promise<RoleStatus>
  /** @throws Error when it does not come to that in time */
  until(status: RoleStatus, withinMs?: number): Promise<void>
  /** Where it answers, as it says itself; undefined while it does not. */
  announced(): Partial<RolePorts> | undefined
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM' | 'SIGKILL'): void
  /** Its log so far. */
  log(): string
}

/** How to start one. */
export interface RoleProcessOptions {
  readonly varDir: string
  readonly databaseUrl: string
  /** 64 hex digits; the same for both. */
  readonly masterKey: string
  readonly ports: RolePorts
  /** Arguments after `mizan start`. */
  readonly args?: readonly string[]
  /** Configuration, as the file would hold it. */
  readonly config: Readonly<Record<string, unknown>>
}

const cli = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', 'src', 'cli.ts')
const POLL_MS = 10
const WITHIN_MS = 60_000
const STATUS_TIMEOUT_MS = 500
const LOG_TAIL = 3_000

/** Starts `mizan start`; what it does then is asked with {@link RoleProcess.until}. */
export function startRoleProcess(options: RoleProcessOptions): RoleProcess {
  const { varDir, databaseUrl, masterKey, ports, args = [], config } = options
  mkdirSync(varDir, { recursive: true })
  const configFile = path.join(varDir, 'config.json')
  writeFileSync(configFile, JSON.stringify(config))
  const logFile = path.join(varDir, 'switch.log')
  const log = openSync(logFile, 'a')
  const child = spawn(process.execPath, [cli, 'start', '--config', configFile, ...args], {
    stdio: ['ignore', log, log],
    cwd: varDir,
    env: {
      PATH: process.env.PATH ?? '',
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
      MIZAN_VAR: varDir,
      DATABASE_URL: databaseUrl,
      MIZAN_MASTER_KEY: masterKey,
      MIZAN_PORT_ASCII: String(ports.ascii),
      MIZAN_PORT_VISA: String(ports.visa),
      MIZAN_PORT_BCD: String(ports.bcd),
      MIZAN_PORT_HTTP: String(ports.http),
    },
  })
  closeSync(log)
  // It must not outlive whoever started it, however that ends.
  const killIt = () => void child.kill('SIGKILL')
  process.once('exit', killIt)
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  void exited.then(() => process.off('exit', killIt))
  const readLog = () => readFileSync(logFile, 'utf8')
  const status = () => statusOf(ports.http)
  return {
    pid: child.pid ?? 0,
    ports,
    varDir,
    exited,
    status,
    async until(wanted, withinMs = WITHIN_MS) {
      const giveUpMs = performance.now() + withinMs
      while ((await status()) !== wanted) {
        if (child.exitCode !== null || performance.now() > giveUpMs) {
          throw new Error(`the process does not become ${wanted}; its log ends: ${readLog().slice(-LOG_TAIL)}`)
        }
        await sleep(POLL_MS)
      }
    },
    announced() {
      try {
        return JSON.parse(readFileSync(path.join(varDir, 'run', 'listeners.json'), 'utf8')) as Partial<RolePorts>
      } catch {
        return undefined
      }
    },
    signal: (signal) => void child.kill(signal),
    log: readLog,
  }
}

async function statusOf(port: number): Promise<RoleStatus> {
  try {
    const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS)
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal })
    return ((await response.json()) as { status: RoleStatus }).status
  } catch {
    return 'gone'
  }
}

/** Ports for one process. */
export async function rolePorts(): Promise<RolePorts> {
  const [ascii = 0, visa = 0, bcd = 0, http = 0] = await freePorts(4)
  return { ascii, visa, bcd, http }
}
