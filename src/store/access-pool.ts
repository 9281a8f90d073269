import pg from 'pg'
import { describeError, MizanError } from '../errors.ts'
import { type Client, isOutcomeUnknown, isOvertaken, refusalOf } from './connection.ts'
import { poolTarget } from './primary.ts'
import { inTransaction } from './transaction.ts'

/** The part of a connection, or of a pool of them, that asks questions. */
export type Queryable = Pick<Client, 'query'>

/** How the API reaches the database. */
export interface ApiDatabaseOptions {
  readonly url: string
  /** Connections that change and look up; @default 5 */
  readonly connections?: number
  /** Connections that search, as an analyst: @default 3 */
  readonly searches?: number
  /** Longest run of a statement, in milliseconds. @default 10000 */
  readonly statementTimeoutMs?: number
}

const CONNECTIONS = 5
const SEARCHES = 3
const STATEMENT_TIMEOUT_MS = 10_000
const WAIT_MS = 5_000
const IDLE_MS = 30_000
const QUERY_CANCELED = '57014'

/**
 * The connections of the API: few, of their own, each statement bounded, so that no request of a person can hold up a
 * lane. A connection is opened when it is first needed and held for one transaction at most, never while something is
 * waited for.
 */
export class ApiDatabase {
  readonly #app: pg.Pool
  readonly #analyst: pg.Pool

  constructor(options: ApiDatabaseOptions) {
    this.#app = poolOf(options, 'mizan_app', options.connections ?? CONNECTIONS)
    this.#analyst = poolOf(options, 'mizan_analyst', options.searches ?? SEARCHES)
    const query = (...given: unknown[]) =>
      onConnection(this.#app, (client) =>
        (client.query as (...given: unknown[]) => Promise<unknown>).apply(client, given),
      )
    this.queryable = { query } as unknown as Queryable
  }

  /** One statement at a time, each on whichever connection is free; errors are those of {@link change}. */
  readonly queryable: Queryable

  /**
   * Reads, all as of one moment; nothing can be changed.
   * @throws MizanError STORE_UNAVAILABLE; what `work` throws from the catalogue
   */
  async read<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return transacted(this.#app, 'begin isolation level repeatable read read only', work)
  }

  /**
   * Changes, all or nothing.
   * @throws MizanError STORE_UNAVAILABLE; STORE_REJECTED when the database refuses a row; what `work` throws
   */
  async change<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return transacted(this.#app, 'begin', work)
  }

  /**
   * Searches in the views that analysts may read, and nothing else.
   * @throws MizanError STORE_UNAVAILABLE; BAD_INPUT when the search takes too long
   */
  async search<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return transacted(this.#analyst, 'begin isolation level repeatable read read only', work)
  }

  /** A connection outside of any transaction, for work that has transactions of its own. */
  async use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return onConnection(this.#app, work)
  }

  /** Ends all connections. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([this.#app, this.#analyst].map((pool) => (pool.ended ? undefined : pool.end())))
  }
}

/**
 * A connection in a transaction, for work that begins and ends one of its own: that becomes a part of this one, which
 * is undone alone when it fails and made durable with the rest.
 */
export function nested(client: Client): Client {
  const words: Readonly<Record<string, string>> = {
    begin: 'savepoint nested',
    commit: 'release savepoint nested',
    rollback: 'rollback to savepoint nested',
  }
  const query = (first: unknown, ...rest: unknown[]) => {
    const text = typeof first === 'string' ? (words[first] ?? first) : first
    return (client.query as (...given: unknown[]) => unknown).call(client, text, ...rest)
  }
  return new Proxy(client, { get: (target, name) => (name === 'query' ? query : Reflect.get(target, name)) })
}

function poolOf(options: ApiDatabaseOptions, role: string, max: number): pg.Pool {
  const timeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS
  const pool = new pg.Pool({
    ...poolTarget(options.url),
    application_name: role === 'mizan_app' ? 'mizan api' : 'mizan api searches',
    options: [`role=${role}`, 'jit=off', `statement_timeout=${timeoutMs}`, 'idle_in_transaction_session_timeout=15s']
      .map((setting) => `-c ${setting}`)
      .join(' '),
    max,
    connectionTimeoutMillis: WAIT_MS,
    idleTimeoutMillis: IDLE_MS,
    query_timeout: timeoutMs + WAIT_MS,
    keepAlive: true,
  })
  // Without a listener a connection that dies between queries would end the process.
  pool.on('error', () => undefined)
  // The pool itself listens only while nobody uses the connection.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/** A connection that cannot even be rolled back is given up. */
async function transacted<T>(pool: pg.Pool, begin: string, work: (client: Client) => Promise<T>): Promise<T> {
  return onConnection(pool, (client) => inTransaction(client, () => work(client), begin))
}

async function onConnection<T>(pool: pg.Pool, work: (client: Client) => Promise<T>): Promise<T> {
  let client: pg.PoolClient
  try {
    client = await pool.connect()
  } catch (cause) {
    throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
  }
  let broken = false
  try {
    return await work(client as unknown as Client)
  } catch (error) {
    broken = !(error instanceof MizanError) && isOutcomeUnknown(error)
    throw catalogued(error)
  } finally {
    client.release(broken)
  }
}

/** Errors of the database in words of the catalogue; what is none of the database's stays what it is. */
function catalogued(cause: unknown): unknown {
  if (cause instanceof MizanError) return cause
  const refusal = refusalOf(cause)
  if (refusal === undefined) {
    const isConnection = /connection|timeout|socket|ECONN|EPIPE/i.test(describeError(cause))
    return isConnection ? new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause }) : cause
  }
  if (refusal.code === QUERY_CANCELED) {
    return new MizanError('BAD_INPUT', 'this takes too long: ask for a shorter time or for fewer rows', { cause })
  }
  if (isOvertaken(refusal.code) || isOutcomeUnknown(cause)) {
    return new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
  }
  return new MizanError('STORE_REJECTED', refusal.constraint || refusal.code, { cause })
}
