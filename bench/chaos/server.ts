import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '../../src/errors.ts'
import { withClient } from '../../src/store/database-location.ts'
import { isProcessAlive } from '../../src/store/embedded/processes.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts'
import { childrenOf } from '../probes.ts'
import type { BenchWorld } from '../world.ts'

const POLL_MS = 20
const GONE_WITHIN_MS = 30_000
/** One that has lost its volume and got it back may end and recover several times. */
const START_WITHIN_MS = 90_000
const RETRY_MS = 300

/** The database server of a chaos run, which is killed, stopped and started again. */
export class ChaosServer {
  readonly #world: BenchWorld
  readonly #holds: EmbeddedPostgres[] = []
  readonly #port: number
  #pid: number
  /** The server outlives whoever started it, and this one's data would be gone. */
  readonly #onExit = () => void signalled(this.#pid, 'SIGQUIT')

  constructor(world: BenchWorld) {
    process.once('exit', this.#onExit)
    this.#world = world
    this.#port = Number(new URL(world.url).port)
    this.#pid = world.serverPid
  }

  get port(): number {
    return this.#port
  }

  /** Asks the server itself, past any proxy. */
  ask<T extends object>(text: string, values: readonly unknown[] = []): Promise<T[]> {
    return withClient(this.#world.adminUrl, async (client) => (await client.query<T>(text, [...values])).rows)
  }

  /** Backend of the connection on which the lane of the newest writer commits. */
  async laneBackend(): Promise<number> {
    const rows = await this.ask<{ pid: number }>(
      "select pid from pg_stat_activity where application_name = 'mizan lane 0' and datname = $1 order by backend_start desc",
      [this.#world.database],
    )
    const pid = rows[0]?.pid ?? 0
    // A pid of 0 would name this process and all its children.
    assert(pid > 1, 'the writer has a backend')
    return pid
  }

  /** All processes of the server, the first one first. */
  processes(): number[] {
    return [this.#pid, ...childrenOf(this.#pid)]
  }

  /** Ends the server without a checkpoint, or kills its first process, upon which the others end. */
  async end(signal: 'SIGQUIT' | 'SIGKILL'): Promise<void> {
    process.kill(this.#pid, signal)
    const giveUpMs = performance.now() + GONE_WITHIN_MS
    while (isProcessAlive(this.#pid)) {
      if (performance.now() > giveUpMs) throw new Error(`the server (pid ${this.#pid}) does not end`)
      await sleep(POLL_MS)
    }
  }

  /** Starts the server unless it runs, and waits until it takes connections. */
  async start(): Promise<void> {
    const giveUpMs = performance.now() + START_WITHIN_MS
    for (;;) {
      try {
        const held = await startEmbeddedPostgres({ dataDir: this.#world.varDir, port: this.#port })
        this.#holds.push(held)
        this.#pid = held.pid
        return
      } catch (error) {
        if (performance.now() > giveUpMs) throw error
        await sleep(RETRY_MS)
      }
    }
  }

  /** Whether its first process runs. */
  get isAlive(): boolean {
    return isProcessAlive(this.#pid)
  }

  async close(): Promise<void> {
    process.off('exit', this.#onExit)
    for (const held of this.#holds) await held.release()
  }
}

/** Sends a signal. @returns whether the process was there */
export function signalled(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
