import { type Client, connect } from './connection.ts'

/** What to watch, and whom to tell. */
export interface ChangeWatchOptions<Found> {
  readonly url: string
  /** Of the connection, shown in pg_stat_activity. */
  readonly name: string
  /** Notification that something changed: it is then looked for at once. The regular look stands behind it. */
  readonly channel?: string
  /**
   * Reads what changed since the last look; undefined when nothing did. What it throws loses nothing: it is read again.
   */
  readonly look: (client: Client) => Promise<Found | undefined>
  /** Gets what was found, before the next look. What it throws goes to `onError`; the same does not come again. */
  readonly onChange: (found: Found) => void | Promise<void>
  /** Gets what keeps changes from being read, once until they can be read again, and what `onChange` throws. */
  readonly onError: (error: unknown) => void
  /** Between looks. @default 1000 */
  readonly intervalMs?: number
  /** Longest time of one statement of a look. @default 5000 */
  readonly queryTimeoutMs?: number
}

/** A running watch. */
export interface ChangeWatch {
  /** Looks now, besides the regular times; resolves when what was found has been told. */
  poll(): Promise<void>
  /** Stops, after a look that is under way. Idempotent. */
  close(): Promise<void>
}

const INTERVAL_MS = 1_000
const QUERY_TIMEOUT_MS = 5_000

/**
 * Watches data that people change while the switch runs, over a connection of its own, which is opened again when it
 * was lost. A look should cost one row when nothing changed. A fault never stops the watch, and what is in use stays in
 * use.
 */
export function watchChanges<Found>(options: ChangeWatchOptions<Found>): ChangeWatch {
  const watch = new Watch(options)
  watch.schedule()
  return watch
}

class Watch<Found> implements ChangeWatch {
  readonly #options: ChangeWatchOptions<Found>
  #client: Client | undefined
  #timer: NodeJS.Timeout | undefined
  /** The look that is under way: only one at a time. */
  #looking: Promise<void> | undefined
  /** A notification came; one look answers all that come before it begins. */
  #notified = false
  #failing = false
  #closed = false

  constructor(options: ChangeWatchOptions<Found>) {
    this.#options = options
  }

  schedule(): void {
    if (this.#closed) return
    // With a channel the first look is at once: it opens the connection that listens.
    const delayMs = this.#client === undefined && this.#listens && !this.#failing ? 0 : this.#intervalMs
    this.#timer = setTimeout(() => {
      void this.poll().then(() => this.schedule())
    }, delayMs)
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

  get #listens(): boolean {
    return this.#options.channel !== undefined
  }

  get #intervalMs(): number {
    return this.#options.intervalMs ?? INTERVAL_MS
  }

  async #look(): Promise<void> {
    this.#notified = false
    const found = await this.#read().catch((error: unknown) => {
      this.#client?.end().catch(() => undefined)
      this.#client = undefined
      if (!this.#failing && !this.#closed) this.#options.onError(error)
      this.#failing = true
      return undefined
    })
    if (this.#client !== undefined) this.#failing = false
    if (found === undefined) return
    try {
      await this.#options.onChange(found)
    } catch (error) {
      this.#options.onError(error)
    }
  }

  async #read(): Promise<Found | undefined> {
    this.#client ??= await this.#open()
    return this.#options.look(this.#client)
  }

  async #open(): Promise<Client> {
    const { url, name, channel, queryTimeoutMs = QUERY_TIMEOUT_MS } = this.#options
    const client = await connect({ url, name, role: 'mizan_app', queryTimeoutMs })
    if (channel === undefined) return client
    client.on('notification', () => {
      if (this.#notified || this.#closed) return
      this.#notified = true
      void this.poll()
    })
    try {
      // Before the first look: what changes after it is notified.
      await client.query(`listen ${channel}`)
    } catch (error) {
      client.end().catch(() => undefined)
      throw error
    }
    return client
  }
}
