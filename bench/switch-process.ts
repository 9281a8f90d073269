import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LoadPorts } from '../src/simulator/load-generator.ts'

/** A switch in a process of its own. */
export interface SwitchProcess {
  readonly pid: number
  readonly ports: LoadPorts
  readonly httpPort: number
  /** From the start of the process to the moment it said that it is ready. */
  readonly readyMs: number
  /** Whether the process still runs. */
  alive(): boolean
  /** Asks it to stop, and waits until it has. @returns its exit status; null when a signal ended it */
  stop(): Promise<number | null>
  /** Kills it at once, and waits until it is gone. */
  kill(): Promise<void>
}

export interface SwitchOptions {
  readonly varDir: string
  readonly databaseUrl: string
  /** Configuration file; absent = the defaults. */
  readonly config?: string
  /** Further flags for Node, such as --cpu-prof. */
  readonly nodeFlags?: readonly string[]
}

const cli = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', 'src', 'cli.ts')
const READY_POLL_MS = 5
const READY_WITHIN_MS = 120_000
const LOG_TAIL = 2_000

/**
 * Starts `mizan start` on free ports and waits until it is ready to answer.
 * @throws Error with the end of its log when it does not become ready
 */
export async function startSwitchProcess(options: SwitchOptions): Promise<SwitchProcess> {
  const beganMs = performance.now()
  const announcement = path.join(options.varDir, 'run', 'listeners.json')
  rmSync(announcement, { force: true })
  const logFile = path.join(options.varDir, 'switch.log')
  mkdirSync(options.varDir, { recursive: true })
  const log = openSync(logFile, 'a')
  const config = options.config === undefined ? [] : ['--config', path.resolve(options.config)]
  const child = spawn(process.execPath, [...(options.nodeFlags ?? []), cli, 'start', ...config], {
    stdio: ['ignore', log, log],
    cwd: options.varDir,
    env: {
      ...process.env,
      MIZAN_VAR: options.varDir,
      MIZAN_PORT_ASCII: '0',
      MIZAN_PORT_VISA: '0',
      MIZAN_PORT_BCD: '0',
      MIZAN_PORT_HTTP: '0',
      DATABASE_URL: options.databaseUrl,
    },
  })
  closeSync(log)
  // The switch must not outlive the bench, however that ends.
  const killIt = () => void child.kill('SIGKILL')
  process.once('exit', killIt)
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  void exited.then(() => process.off('exit', killIt))
  const listeners = await untilReady(child, announcement, logFile)
  const { ascii, bcd, visa, http } = listeners
  return {
    pid: child.pid ?? 0,
    ports: { 'iso87-ascii': ascii, 'iso87-bcd': bcd, 'visa-base1': visa },
    httpPort: http,
    readyMs: performance.now() - beganMs,
    alive: () => child.exitCode === null && child.signalCode === null,
    stop: async () => {
      child.kill('SIGTERM')
      await exited
      return child.exitCode
    },
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

interface Listeners {
  readonly ascii: number
  readonly bcd: number
  readonly visa: number
  readonly http: number
  readonly pid: number
}

async function untilReady(child: ChildProcess, announcement: string, logFile: string): Promise<Listeners> {
  const giveUpMs = performance.now() + READY_WITHIN_MS
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > giveUpMs) {
      child.kill('SIGKILL')
      throw new Error(
        `the switch does not become ready; its log ends: ${readFileSync(logFile, 'utf8').slice(-LOG_TAIL)}`,
      )
    }
    const found = readListeners(announcement)
    if (found !== undefined && found.pid === child.pid) return found
    await sleep(READY_POLL_MS)
  }
}

/** The file may be seen before it is written to its end. */
function readListeners(file: string): Listeners | undefined {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Listeners
  } catch {
    return undefined
  }
}
