import { type Client, connect } from './connection.ts'
import { type KeySnapshot, readKeyGeneration, readKeys } from './key-store.ts'

/** What to watch, and whom to tell. */
export interface KeyWatchOptions {
  readonly url: string
  /** Generation of the keys that are in use already. */
  readonly generation: number
  /** Gets all keys after a change. What it throws goes to `onError`; the same keys do not come again. */
  readonly onChange: (snapshot: KeySnapshot) => void | Promise<void>
  /**
   * Gets what keeps keys from being read, once until they can be read again: meanwhile those in use stay in use. Gets
   * also what `onChange` throws.
   */
  readonly onError: (error: unknown) => void
  /** @default 1000 */
  readonly intervalMs?: number
}

/** A running watch. */
export interface KeyWatch {
  /** Looks now, besides the regular times; resolves when what was found has been told. */
  poll(): Promise<void>
  /** Stops, after a look that is under way. Idempotent. */
  close(): Promise<void>
}

const INTERVAL_MS = 1_000
const QUERY_TIMEOUT_MS = 5_000

/** Watches the keys over a connection of its own, which is opened again when it was lost. Reads one row a second. */
export function watchKeys(options: KeyWatchOptions): KeyWatch {
  const watch = new Watch(options)
  watch.schedule()
  return watch
}

class Watch implements KeyWatch {
  readonly #options: KeyWatchOptions
  #client: Client | undefined
  #generation: number
  #timer: NodeJS.Timeout | undefined
  /** The look that is under way: only one at a time. */
  #looking: Promise<void> | undefined
  #failing = false
  #closed = false

  constructor(options: KeyWatchOptions) {
    this.#options = options
    this.#generation = options.generation
  }

  schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      void this.poll().then(() => this.schedule())
    }, this.#options.intervalMs ?? INTERVAL_MS)
  }

  async poll(): Promise<void> {
    // A look that has begun may have passed what the caller wants to see: wait for it, then look.
    await this.#looking
    if (this.#closed) return
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    await this.#looking
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#looking
    await this.#client?.end().catch(() => undefined)
    this.#client = undefined
  }

  async #look(): Promise<void> {
    const found = await this.#read().catch((error: unknown) => {
      this.#client?.end().catch(() => undefined)
      this.#client = undefined
      if (!this.#failing && !this.#closed) this.#options.onError(error)
      this.#failing = true
      return undefined
    })
    if (found === undefined) return
    this.#failing = false
    if (found.generation === this.#generation) return
    this.#generation = found.generation
    try {
      await this.#options.onChange(found)
    } catch (error) {
      this.#options.onError(error)
    }
  }

  /** The keys when they changed, or their unchanged generation alone. */
  async #read(): Promise<KeySnapshot> {
    const { url } = this.#options
    this.#client ??= await connect({
      url,
      name: 'mizan key watch',
      role: 'mizan_app',
      queryTimeoutMs: QUERY_TIMEOUT_MS,
    })
    const generation = await readKeyGeneration(this.#client)
    return generation === this.#generation ? { generation, keys: [] } : readKeys(this.#client)
  }
}
