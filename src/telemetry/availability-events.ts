import { describeError } from '../errors.ts'
import type { Logger } from './logger.ts'

/** What is logged of who writes the lanes. */

/** A process as logs name it. */
export interface NamedProcess {
  readonly instance: string
  readonly host: string
  readonly pid: number
}

export function standingBy(log: Logger, fields: { instance: string; httpPort: number; takeoverAfterMs: number }): void {
  log.info({ event: 'standing_by', ...fields }, 'standing by')
}

/** @param fields `reason` is silent (no heartbeat in time) or released (handed over, or stopped in good order) */
export function takeoverBegins(
  log: Logger,
  fields: { reason: string; silentMs: number; from: NamedProcess | undefined },
): void {
  log.warn({ event: 'takeover_begins', ...fields }, 'taking the lanes over')
}

export function takeoverDone(log: Logger, fields: { reason: string; tookMs: number; epochs: readonly number[] }): void {
  log.warn({ event: 'takeover_done', ...fields }, 'the lanes are taken over; this process answers now')
}

/** Another one was faster, or something is in the way; it is tried again. */
export function takeoverFailed(log: Logger, error: unknown): void {
  log.error({ event: 'takeover_failed', reason: describeError(error) }, 'the lanes could not be taken over')
}

/** @param fields `next` is what the process does now */
export function writerFenced(log: Logger, fields: { lanes: readonly number[]; next: 'standby' | 'exit' }): void {
  log.error({ event: 'writer_fenced', ...fields }, 'another process has taken the lanes over; this one stops answering')
}

export function handingOver(log: Logger, fields: { standbys: number }): void {
  log.warn({ event: 'handing_over', ...fields }, 'handing the lanes over, as asked')
}

export function handedOver(log: Logger, fields: { tookMs: number }): void {
  log.warn({ event: 'handed_over', ...fields }, 'the lanes are free')
}

export function heartbeatFailed(log: Logger, error: unknown): void {
  log.error({ event: 'heartbeat_failed', reason: describeError(error) }, 'heartbeats cannot be written or read')
}

/** Commits should wait for a standby of the database, and do not. */
export function notSynchronous(log: Logger, fields: { detail: string }): void {
  log.warn({ event: 'not_synchronous', ...fields }, 'commits do not wait for a standby of the database')
}

export function synchronousAgain(log: Logger): void {
  log.info({ event: 'synchronous_again' }, 'commits wait for a standby of the database again')
}
