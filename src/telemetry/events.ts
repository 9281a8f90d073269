import { describeError, MizanError } from '../errors.ts'
import type { Logger } from './logger.ts'

/**
 * Everything the switch logs: one function an event, so that each field is chosen once and none holds card data.
 * The `event` field is stable, for alerts and searches; docs/metrics.md lists what to watch.
 */

/** How many lines like this one were not written since the last, because there were too many (line-limit.ts). */
interface LinesLeftOut {
  readonly leftOut?: number
}

/** What an event says of an error: its text and catalogue code; the stack only where a programmer needs it. */
function failure(error: unknown): { code?: string; reason: string } {
  const code = error instanceof MizanError ? error.code : (error as { code?: unknown } | null)?.code
  return { ...(code === undefined ? {} : { code: String(code) }), reason: describeError(error) }
}

export function switchStarting(log: Logger, fields: { version: string; environment: string; varDir: string }): void {
  log.info({ event: 'switch_starting', ...fields }, 'switch starting')
}

export function switchStarted(
  log: Logger,
  fields: { ports: Readonly<Record<string, number>>; pid: number; startMs: number },
): void {
  log.info({ event: 'switch_started', ...fields }, 'switch started')
}

export function switchStopping(log: Logger, fields: { reason: string }): void {
  log.info({ event: 'switch_stopping', ...fields }, 'switch stopping')
}

export function switchStopped(log: Logger, fields: { drainMs: number }): void {
  log.info({ event: 'switch_stopped', ...fields }, 'switch stopped')
}

/** Something was thrown that nobody caught: the process ends. `how` says whether it was an error or a promise. */
export function processFailed(log: Logger, fields: { how: string }, error: unknown): void {
  log.fatal({ event: 'process_failed', ...fields, err: error }, 'the process ends for a defect')
}

/** A failure nobody expected; the stack goes along. */
export function unexpectedError(log: Logger, fields: { where: string } & LinesLeftOut, error: unknown): void {
  log.error({ event: 'unexpected_error', ...fields, err: error }, 'unexpected error')
}

export function databaseProgress(log: Logger, fields: { step: string }): void {
  log.info({ event: 'database_progress', ...fields }, 'database')
}

/** The embedded server had died and runs again. */
export function databaseRevived(log: Logger): void {
  log.error({ event: 'database_revived' }, 'the embedded PostgreSQL had died and was started again')
}

/** The embedded server has died and cannot be started, or nobody can tell whether it has; it is tried again. */
export function databaseNotRevived(log: Logger, error: unknown): void {
  log.error(
    { event: 'database_not_revived', reason: describeError(error) },
    'the embedded PostgreSQL has died and cannot be started, or cannot be looked at',
  )
}

export function migrationApplied(log: Logger, fields: { name: string; tookMs: number }): void {
  log.info({ event: 'migration_applied', ...fields }, 'migration applied')
}

export function demoWorldMade(log: Logger, fields: { households: number; file: string; tookMs: number }): void {
  log.info({ event: 'demo_world_made', ...fields }, 'demo world made; its keys are test keys')
}

/** How far a lane's sweep through the households of a past month is. */
export function monthClosing(
  log: Logger,
  fields: { lane: number; month: number; total: number; handed: number },
): void {
  log.info({ event: 'month_closing', ...fields }, 'closing the wallets of a past month')
}

export function listenerOpened(
  log: Logger,
  fields: { listener: string; host: string; port: number; dialect: string; framing: string; tls: boolean },
): void {
  log.info({ event: 'listener_opened', ...fields }, 'listening')
}

export function linkConnected(
  log: Logger,
  fields: { link: string; connection: number; remote: string } & LinesLeftOut,
): void {
  log.info({ event: 'link_connected', ...fields }, 'link connected')
}

/** @param fields `reason` is a close reason of the link room; `detail` says more */
export function linkClosed(
  log: Logger,
  fields: { link: string; connection: number; remote: string; reason: string; detail?: string } & LinesLeftOut,
): void {
  const orderly = ['peer-closed', 'drained', 'idle-timeout', 'closed'].includes(fields.reason)
  log[orderly ? 'info' : 'warn']({ event: 'link_closed', ...fields }, 'link closed')
}

export function linkRefused(
  log: Logger,
  fields: { link: string; remote: string; reason: string } & LinesLeftOut,
): void {
  log.warn({ event: 'link_refused', ...fields }, 'link refused')
}

export function linkSignedOn(log: Logger, fields: { link: string; connection: number }): void {
  log.info({ event: 'link_signed_on', ...fields }, 'link signed on')
}

export function linkSignedOff(log: Logger, fields: { link: string; connection: number }): void {
  log.info({ event: 'link_signed_off', ...fields }, 'link signed off')
}

/** An outbound link could not be opened. */
export function linkConnectFailed(
  log: Logger,
  fields: { link: string; attempt: number; retryMs: number },
  error: unknown,
): void {
  log.warn({ event: 'link_connect_failed', ...fields, ...failure(error) }, 'link cannot connect')
}

/** Bytes that cannot be framed or decoded. They are never told: they may hold card data. */
export function frameRefused(log: Logger, fields: { link: string; reason: string }): void {
  log.warn({ event: 'frame_refused', ...fields }, 'frame refused')
}

export function responseUnmatched(
  log: Logger,
  fields: { link: string; mti: string; stan?: string; rrn?: string } & LinesLeftOut,
): void {
  log.warn({ event: 'response_unmatched', ...fields }, 'response matches no request')
}

/** An approval that could not be delivered; the network's repeat or reversal settles it. */
export function responseUndelivered(
  log: Logger,
  fields: { link: string; mti: string; stan?: string; rrn?: string; responseCode: string } & LinesLeftOut,
): void {
  log.warn({ event: 'response_undelivered', ...fields }, 'answer could not be delivered')
}

/** @param fields `outcome` is `not_committed` (undone, answered 91/96) or `unknown` (being found out) */
export function batchFailed(
  log: Logger,
  fields: { lane: number; seq: number; size: number; outcome: 'not_committed' | 'unknown' } & LinesLeftOut,
  error: unknown,
): void {
  log.error({ event: 'batch_failed', ...fields, ...failure(error) }, 'batch failed')
}

export function laneStarted(log: Logger, fields: { lane: number; epoch: number; lastSeq: number }): void {
  log.info({ event: 'lane_started', ...fields }, 'lane started')
}

export function laneFenced(log: Logger, fields: { lane: number; epoch: number }): void {
  log.error({ event: 'lane_fenced', ...fields }, 'another writer has taken the lane over')
}

/** A defect of the program ended the lane; the process ends, and the next one goes on from the journal. */
export function laneFailed(log: Logger, fields: { lane: number }, error: unknown): void {
  log.fatal({ event: 'lane_failed', ...fields, err: error }, 'a defect ended the lane')
}

/** After an unknown outcome: whether the batch turned out to be in the journal. */
export function laneRecovered(
  log: Logger,
  fields: { lane: number; epoch: number; lastSeq: number; committed: boolean; tookMs: number },
): void {
  log.warn({ event: 'lane_recovered', ...fields }, 'lane recovered')
}

/**
 * Requests of a link are answered 91 unseen; `reason` is that of `mizan_early_91_total`. Said at most once a second.
 */
export function overloaded(log: Logger, fields: { link: string; reason: string; refused: number }): void {
  log.warn({ event: 'overloaded', ...fields }, 'overloaded')
}

export function httpListening(log: Logger, fields: { host: string; port: number }): void {
  log.info({ event: 'http_listening', ...fields }, 'HTTP listening')
}

/** A fault of the program while it served a request. The URL's query is not told: it may hold a search for a card. */
export function httpRequestFailed(
  log: Logger,
  fields: { method: string; route: string; requestId: string },
  error: unknown,
): void {
  log.error({ event: 'http_request_failed', ...fields, err: error }, 'HTTP request failed')
}
