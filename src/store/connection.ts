import pg from 'pg'
import { describeError, MizanError } from '../errors.ts'
import { openClient } from './primary.ts'

export type { Client } from 'pg'

/** How a part of the program connects. */
export interface ConnectionOptions {
  readonly url: string
  /** Shown in pg_stat_activity. */
  readonly name: string
  /** `mizan_app` for the running program, `mizan_analyst` for read-only queries; absent for migrations. */
  readonly role?: 'mizan_app' | 'mizan_analyst'
  readonly statementTimeoutMs?: number
  /** How long a transaction may wait for its next statement: a process that hangs must not hold locks for ever. */
  readonly idleInTransactionMs?: number
  /**
   * For a connection that only ever looks single rows up: plans must not depend on statistics that are not there yet.
   */
  readonly pointQueries?: boolean
  /** Sends a statement before those ahead of it are answered; each is a transaction of its own. */
  readonly pipeline?: boolean
  /**
   * Client-side bound on one query: a connection that swallows bytes must not hold a lane for ever. The server ends its
   * statements by then too, unless `statementTimeoutMs` says otherwise: else it works on for nobody, and whoever asks
   * again and again takes all its connections.
   */
  readonly queryTimeoutMs?: number
}

const pointQuerySettings = [
  '-c enable_seqscan=off',
  '-c enable_hashjoin=off',
  '-c enable_mergejoin=off',
  '-c enable_bitmapscan=off',
  '-c plan_cache_mode=force_generic_plan',
]

/** SQLSTATE read_only_sql_transaction. */
const READ_ONLY = '25006'
const { types } = pg
// Dates stay text (yyyy-mm-dd): a Date object would shift them by the machine's time zone.
types.setTypeParser(types.builtins.DATE, (text) => text)

/**
 * Opens one connection; of several servers, to the one that can be written.
 * @throws MizanError STORE_UNAVAILABLE
 */
export async function connect(options: ConnectionOptions): Promise<pg.Client> {
  // No query takes further processors for itself: authorizations need them.
  const settings = ['-c jit=off', '-c synchronous_commit=on', '-c max_parallel_workers_per_gather=0']
  if (options.pointQueries === true) settings.push(...pointQuerySettings)
  if (options.role !== undefined) settings.push(`-c role=${options.role}`)
  const statementTimeoutMs = options.statementTimeoutMs ?? options.queryTimeoutMs
  if (statementTimeoutMs !== undefined) settings.push(`-c statement_timeout=${statementTimeoutMs}`)
  if (options.idleInTransactionMs !== undefined) {
    settings.push(`-c idle_in_transaction_session_timeout=${options.idleInTransactionMs}`)
  }
  try {
    return await openClient(options.url, {
      application_name: options.name,
      options: settings.join(' '),
      keepAlive: true,
      pipeline: options.pipeline === true,
      ...(options.queryTimeoutMs === undefined ? {} : { query_timeout: options.queryTimeoutMs }),
    })
  } catch (cause) {
    if (cause instanceof MizanError) throw cause
    throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
  }
}

/**
 * Whether an error leaves the outcome of a commit open. An ERROR answered by the server means that the transaction was
 * rolled back; everything else (connection lost, FATAL, time-out on our side) leaves it unknown. A server that has
 * become read-only is one of those too: nothing was written there, and the one that can be written has to be found.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return true
  return error.severity !== 'ERROR' || error.code === READ_ONLY
}

/** SQLSTATE and constraint of a refusal, for logs and for telling one refusal from another. */
export function refusalOf(error: unknown): { code: string; constraint: string } | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined
  return { code: error.code ?? '', constraint: error.constraint ?? '' }
}

/** Ended so that another transaction can go on, by a deadlock or by order: the same statement may well succeed. */
export function isRolledBack(sqlState: string): boolean {
  return sqlState === '40P01' || sqlState === '40001'
}

/** As {@link isRolledBack}, or a lock that was not to be had in time. */
export function isOvertaken(sqlState: string): boolean {
  return isRolledBack(sqlState) || sqlState === '55P03'
}

/** SQLSTATE classes 53 (no resources, such as a full disk), 55 and 57 (cancelled): the rows are not at fault. */
export function isCapacity(sqlState: string): boolean {
  return ['53', '55', '57'].includes(sqlState.slice(0, 2))
}
