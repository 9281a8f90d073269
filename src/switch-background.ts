import { type ChildProcess, fork } from 'node:child_process'
import os from 'node:os'
import type { DayRun } from './clearing/day/machine.ts'
import type { Config } from './config/config.ts'
import { describeError, type ErrorCode, errorCatalogue, MizanError } from './errors.ts'
import type { SwitchBase } from './switch-base.ts'
import type { Parts } from './switch-parts.ts'
import type { JobOutcome } from './switch-receiving.ts'
import * as events from './telemetry/background-events.ts'
import type { Logger } from './telemetry/logger.ts'
import { systemClock } from './timing.ts'

/** Work that a process of its own does: what it takes, and what comes of it. */
export interface BackgroundTasks {
  /** Goes on with the business days whose end was asked for. */
  readonly days: { readonly input: undefined; readonly result: DayRun }
  /** Runs a job of those that take files in. */
  readonly receive: { readonly input: { readonly job: string }; readonly result: JobOutcome }
}

export type BackgroundTask = keyof BackgroundTasks

/** What the two processes say to each other. */
export type ToBackground =
  | { readonly kind: 'open'; readonly config: Config; readonly url: string }
  | { readonly kind: 'run'; readonly id: number; readonly task: BackgroundTask; readonly input: unknown }
  | { readonly kind: 'stop'; readonly id: number }

export type FromBackground =
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly code: string | undefined; readonly message: string }

/** Runs heavy work where it holds up no authorization. */
export interface Background {
  /**
   * @throws MizanError what the work threw, by its code; BACKGROUND_ENDED when the process went away under it: the same
   * work goes on where it was when it is asked for again; whatever aborted `signal`
   */
  run<T extends BackgroundTask>(
    task: T,
    input: BackgroundTasks[T]['input'],
    signal: AbortSignal,
  ): Promise<BackgroundTasks[T]['result']>
  /** Stops what is under way and ends the process. Idempotent. */
  close(): Promise<void>
}

export interface BackgroundOptions {
  readonly config: Config
  readonly url: string
  readonly log: Logger
  /** Without work for so long the process is ended. */
  readonly idleMs?: number
}

/**
 * Where a switch does its heavy work, so that closing days and reading files of millions of transactions takes nothing
 * from the thread that authorizes; undefined where jobs run elsewhere, and where another clock than the system's goes:
 * then it is done here.
 */
export function openBackground({ config, clock, log, database }: SwitchBase, parts: Parts): Background | undefined {
  if (!config.jobs.enabled || clock !== systemClock) return undefined
  const background = new BackgroundProcess({ config, url: database.url, log })
  parts.add(() => background.close())
  return background
}

/** Of the operating system's -20 to 19: whoever waits for an authorization comes first. */
const NICE = 10
/** Its garbage is collected by one thread: helpers on each processor would take them all from authorizations at once. */
const NODE_FLAGS = ['--single-threaded-gc']
const IDLE_MS = 60_000
/** Work that is told to stop and does not is killed: all of it can be cut off at any place. */
const STOP_MS = 5_000

interface Running {
  readonly child: ChildProcess
  resolve(result: unknown): void
  reject(error: unknown): void
}

/** Work in a process of its own with lower priority, which is there only while there is work. */
export class BackgroundProcess implements Background {
  readonly #options: BackgroundOptions
  readonly #running = new Map<number, Running>()
  #child: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()
  #idle: NodeJS.Timeout | undefined
  #lastId = 0
  #isClosed = false

  constructor(options: BackgroundOptions) {
    this.#options = options
  }

  /** Of the process, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  async run<T extends BackgroundTask>(
    task: T,
    input: BackgroundTasks[T]['input'],
    signal: AbortSignal,
  ): Promise<BackgroundTasks[T]['result']> {
    signal.throwIfAborted()
    if (this.#isClosed) throw new MizanError('BACKGROUND_ENDED', 'this process stops')
    clearTimeout(this.#idle)
    const child = this.#child ?? this.#start()
    this.#lastId++
    const id = this.#lastId
    let patience: NodeJS.Timeout | undefined
    const stop = () => {
      tell(child, { kind: 'stop', id })
      patience = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    }
    signal.addEventListener('abort', stop, { once: true })
    try {
      return await new Promise((resolve, reject) => {
        const done = (result: unknown) => resolve(result as BackgroundTasks[T]['result'])
        this.#running.set(id, { child, resolve: done, reject })
        tell(child, { kind: 'run', id, task, input })
      })
    } catch (error) {
      signal.throwIfAborted()
      throw error
    } finally {
      clearTimeout(patience)
      signal.removeEventListener('abort', stop)
      this.#running.delete(id)
      this.#restIfIdle()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#idle)
    const child = this.#child
    const patience = setTimeout(() => child?.kill('SIGKILL'), STOP_MS)
    // Its channel is closed: it stops what it does, and ends.
    if (child?.connected === true) child.disconnect()
    await this.#ended
    clearTimeout(patience)
  }

  #start(): ChildProcess {
    const { config, url, log } = this.#options
    const child = fork(new URL('./switch-background-main.ts', import.meta.url), {
      // A profile of this process is not that one's.
      execArgv: [...process.execArgv.filter((flag) => !flag.startsWith('--cpu-prof')), ...NODE_FLAGS],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    this.#child = child
    const { pid } = child
    if (pid !== undefined) lowerPriority(pid)
    events.backgroundStarted(log, { pid: pid ?? 0 })
    child.on('message', (message) => this.#hear(message as FromBackground))
    this.#ended = new Promise((resolve) => {
      const end = (how: string) => {
        if (this.#child === child) this.#child = undefined
        this.#fail(child, how)
        resolve()
      }
      child.once('error', (error) => end(describeError(error)))
      child.once('exit', (code, killedBy) => end(killedBy === null ? `exit code ${code}` : `ended by ${killedBy}`))
    })
    tell(child, { kind: 'open', config, url })
    return child
  }

  #hear(message: FromBackground): void {
    const running = this.#running.get(message.id)
    if (message.kind === 'done') running?.resolve(message.result)
    else running?.reject(errorOf(message))
  }

  #fail(child: ChildProcess, how: string): void {
    const lost = [...this.#running.values()].filter((one) => one.child === child)
    if (lost.length === 0) return
    events.backgroundLost(this.#options.log, { how, tasks: lost.length })
    for (const { reject } of lost) reject(new MizanError('BACKGROUND_ENDED', how))
  }

  #restIfIdle(): void {
    if (this.#running.size > 0 || this.#child === undefined || this.#isClosed) return
    this.#idle = setTimeout(() => {
      const child = this.#child
      this.#child = undefined
      if (child?.connected === true) child.disconnect()
    }, this.#options.idleMs ?? IDLE_MS)
    this.#idle.unref()
  }
}

/** A process that has gone meanwhile is noticed by its end. */
function tell(child: ChildProcess, message: ToBackground): void {
  if (child.connected) child.send(message, () => undefined)
}

function lowerPriority(pid: number): void {
  try {
    os.setPriority(pid, NICE)
  } catch {
    // It has ended already, which its exit tells, or the system does not let us: then it competes as an equal.
  }
}

function errorOf({ code, message }: { readonly code: string | undefined; readonly message: string }): Error {
  if (code === undefined || !(code in errorCatalogue)) return new Error(message)
  const known = code as ErrorCode
  const said = `${errorCatalogue[known].summary}: `
  return new MizanError(known, message.startsWith(said) ? message.slice(said.length) : undefined)
}
