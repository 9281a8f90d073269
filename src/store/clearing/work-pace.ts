import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../connection.ts'

/** A rest is so many times as long as the work before it: at most a quarter of a processor goes into such work. */
const REST_TIMES = 3
const REST_MIN_MS = 1
const REST_MAX_MS = 1_000
/** It is looked whether others are busy after so long, and not with every rest: those come by the thousand a second. */
const LOOK_MS = 50
/**
 * Whoever adds more to the log of the database in a second is a lane with authorizations to commit: about fifty of
 * them.
 */
const BUSY_BYTES_PER_SECOND = 100_000

/** Tells whether others were busy since it was asked before; at the first time, when nobody knows, that they are. */
export type BusyLook = () => Promise<boolean>

/** Goes by the batches of the lanes: for work that writes itself. */
export function lanesCommit(client: Client): BusyLook {
  let known: string | undefined
  return async () => {
    const { rows } = await client.query<{ batches: string }>('select coalesce(sum(last_seq), 0) as batches from lane')
    const before = known
    known = rows[0]?.batches
    return before === undefined || known !== before
  }
}

/**
 * Goes by the position in the log of the database, which whoever only reads does not move: for work in a snapshot, where
 * the rows of the lanes stand still.
 */
export function logGrows(client: Client): BusyLook {
  let known: { readonly bytes: number; readonly atMs: number } | undefined
  return async () => {
    const { rows } = await client.query<{ bytes: string }>(
      `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as bytes`,
    )
    const now = { bytes: Number(rows[0]?.bytes), atMs: performance.now() }
    const before = known
    known = now
    if (before === undefined) return true
    return ((now.bytes - before.bytes) * 1_000) / (now.atMs - before.atMs) > BUSY_BYTES_PER_SECOND
  }
}

/** What a pace may be told besides. */
export interface WorkPaceOptions {
  readonly signal?: AbortSignal | undefined
  /** Told of each rest that is taken, in milliseconds. */
  readonly onRest?: ((restMs: number) => void) | undefined
}

/**
 * Rests between pieces of work while the lanes have authorizations to commit, and not at all while nobody waits. The
 * shorter the pieces, the sooner an authorization finds a processor: a thread that is woken waits for the one that runs,
 * nicer or not, up to some milliseconds each time, and a commit is woken several times.
 */
export class WorkPace {
  readonly #look: BusyLook
  readonly #options: WorkPaceOptions
  #areBusy = true
  #lookedMs = Number.NEGATIVE_INFINITY
  #sinceMs = performance.now()

  constructor(look: BusyLook, options: WorkPaceOptions = {}) {
    this.#look = look
    this.#options = options
  }

  /** Whether others were busy when it was looked last. */
  get areBusy(): boolean {
    return this.#areBusy
  }

  /** Looks again when that is due. @throws Error of the database */
  async look(): Promise<boolean> {
    const nowMs = performance.now()
    if (nowMs - this.#lookedMs >= LOOK_MS) {
      this.#areBusy = await this.#look()
      this.#lookedMs = nowMs
    }
    return this.#areBusy
  }

  /** A piece of work is done, and the next one comes after this. @throws what aborted the signal; Error of the database */
  async rest(): Promise<void> {
    const { signal, onRest } = this.#options
    if (await this.look()) {
      const workedMs = performance.now() - this.#sinceMs
      const restMs = Math.min(Math.max(workedMs * REST_TIMES, REST_MIN_MS), REST_MAX_MS)
      onRest?.(restMs)
      signal?.throwIfAborted()
      await sleep(restMs, undefined, signal && { signal })
    }
    signal?.throwIfAborted()
    this.#sinceMs = performance.now()
  }
}
