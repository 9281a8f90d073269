import type { Socket } from 'node:net'
import pg from 'pg'

/** How long the end of a connection waits for the server to close its side: one that is gone never does. */
const END_MS = 1_000
/** How often it is looked whether an answer is overdue, as a part of the time that one may take, and within bounds. */
const LOOKS_PER_LIMIT = 10
const LOOK_MIN_MS = 20
const LOOK_MAX_MS = 1_000

type Answered = (error: Error | null, result: unknown) => void
type Send = (config: unknown, values: unknown, answered: unknown) => unknown
type Query = pg.QueryConfig & { readonly query_timeout?: number | undefined }

/**
 * A connection whose end does not depend on the other side, and whose queries leave nothing in memory when they are
 * answered.
 *
 * The promise and the timer that the package makes for a query hold the query, which holds them. On a connection that
 * sends one query after another the young collector then finds each in turn still in use, long after its answer, and
 * moves it with its parameters and rows to the old generation (docs/benchmarks.md has what that cost). So a query is
 * given a callback that knows nothing of it, and one clock watches the whole connection. `query_timeout` in the
 * settings is how long an answer may take after the one before it; one that takes longer ends the connection, with an
 * error for all that wait.
 */
export class PgClient extends pg.Client {
  readonly #limitMs: number | undefined
  /** How long the answers that are waited for may take, in their order. */
  readonly #waiting: number[] = []
  /** When the last answer came, or the first query was sent that waits. */
  #movedMs = 0
  #looking: NodeJS.Timeout | undefined

  constructor(settings: pg.ClientConfig = {}) {
    const { query_timeout: limitMs, ...rest } = settings
    super(rest)
    this.#limitMs = limitMs
    this.once('end', () => clearInterval(this.#looking))
  }

  /** See pg.Client: with a callback, or for a promise. */
  override query(config: unknown, values?: unknown, callback?: unknown): never {
    const send = super.query.bind(this) as unknown as Send
    if (!isPlain(config)) return send(config, values, callback) as never
    const { query_timeout: ownLimitMs, ...query }: Query = typeof config === 'string' ? { text: config } : config
    this.#expect(ownLimitMs ?? this.#limitMs)
    const [parameters, answered] = typeof values === 'function' ? [undefined, values] : [values, callback]
    if (answered !== undefined) return send(query, parameters, this.#noting(answered as Answered)) as never
    const { promise, settle } = settled()
    send(query, parameters, this.#noting(settle))
    return promise as never
  }

  override end(): Promise<void>
  override end(callback: (error: Error) => void): void
  override end(callback?: (error: Error) => void): Promise<void> | undefined {
    const cut = setTimeout(() => this.#stream.destroy(), END_MS)
    const ended = super.end().finally(() => clearTimeout(cut))
    if (callback === undefined) return ended
    ended.then(() => callback(undefined as unknown as Error), callback)
    return undefined
  }

  get #stream(): Socket {
    return (this as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream
  }

  #noting(answered: Answered): Answered {
    return (error, result) => {
      this.#waiting.shift()
      this.#movedMs = performance.now()
      answered(error, result)
    }
  }

  #expect(limitMs = Number.POSITIVE_INFINITY): void {
    if (this.#waiting.length === 0) this.#movedMs = performance.now()
    this.#waiting.push(limitMs)
    if (this.#looking !== undefined || limitMs === Number.POSITIVE_INFINITY) return
    const everyMs = Math.min(LOOK_MAX_MS, Math.max(LOOK_MIN_MS, limitMs / LOOKS_PER_LIMIT))
    this.#looking = setInterval(() => {
      // What came while this process stood still is read before it is judged.
      if (this.#isOverdue) setImmediate(() => this.#cutOverdue())
    }, everyMs).unref()
  }

  get #isOverdue(): boolean {
    const [limitMs] = this.#waiting
    return limitMs !== undefined && performance.now() - this.#movedMs > limitMs
  }

  #cutOverdue(): void {
    if (this.#isOverdue) this.#stream.destroy(new Error(`the database did not answer within ${this.#waiting[0]} ms`))
  }
}

function isPlain(config: unknown): config is string | Query {
  return typeof config === 'string' || (typeof config === 'object' && config !== null && !('submit' in config))
}

/** Outside the method that sends: a closure made there would hold what it holds. */
function settled(): { promise: Promise<unknown>; settle: Answered } {
  const { promise, resolve, reject } = Promise.withResolvers()
  return {
    promise,
    settle: (error, result) => (error === null || error === undefined ? resolve(result) : reject(error)),
  }
}
