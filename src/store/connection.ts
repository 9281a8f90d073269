import pg from 'pg'
import { describeError, MizanError } from '../errors.ts'

export type { Client } from 'pg'

/** How a part of the program connects. */
export interface ConnectionOptions {
  readonly url: string
  /** Shown in pg_stat_activity. */
  readonly name: string
  /** `mizan_app` for the running program, `mizan_analyst` for read-only queries; absent for migrations. */
  readonly role?: 'mizan_app' | 'mizan_analyst'
  readonly statementTimeoutMs?: number
  /** For a connection that only ever looks single rows up: plans must not depend on statistics that are not there yet. */
  readonly pointQueries?: boolean
  /** Client-side bound on one query: a connection that swallows bytes must not hold a lane for ever. */
  readonly queryTimeoutMs?: number
}

const pointQuerySettings = [
  '-c enable_seqscan=off',
  '-c enable_hashjoin=off',
  '-c enable_mergejoin=off',
  '-c enable_bitmapscan=off',
  '-c plan_cache_mode=force_generic_plan',
]

const { Client: PgClient, types } = pg
// Dates stay text (yyyy-mm-dd): a Date object would shift them by the machine's time zone.
types.setTypeParser(types.builtins.DATE, (text) => text)

/**
 * Opens one connection.
 * @throws MizanError STORE_UNAVAILABLE
 */
export async function connect(options: ConnectionOptions): Promise<pg.Client> {
  const settings = ['-c jit=off', '-c synchronous_commit=on']
  if (options.pointQueries === true) settings.push(...pointQuerySettings)
  if (options.role !== undefined) settings.push(`-c role=${options.role}`)
  if (options.statementTimeoutMs !== undefined) settings.push(`-c statement_timeout=${options.statementTimeoutMs}`)
  const client = new PgClient({
    connectionString: options.url,
    application_name: options.name,
    options: settings.join(' '),
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    ...(options.queryTimeoutMs === undefined ? {} : { query_timeout: options.queryTimeoutMs }),
  })
  // Without a listener a connection that dies between queries would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (cause) {
    throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
  }
  return client
}

/**
 * Whether an error leaves the outcome of a commit open. An ERROR answered by the server means that the transaction was
 * rolled back; everything else (connection lost, FATAL, time-out on our side) leaves it unknown.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return true
  return error.severity !== 'ERROR'
}

/** SQLSTATE and constraint of a refusal, for logs and for telling one refusal from another. */
export function refusalOf(error: unknown): { code: string; constraint: string } | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined
  return { code: error.code ?? '', constraint: error.constraint ?? '' }
}

/** SQLSTATE classes 53 (no resources, such as a full disk), 55 and 57 (cancelled): the rows are not at fault. */
export function isCapacity(sqlState: string): boolean {
  return ['53', '55', '57'].includes(sqlState.slice(0, 2))
}
