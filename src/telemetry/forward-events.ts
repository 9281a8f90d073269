import { describeError, MizanError } from '../errors.ts'
import type { Logger } from './logger.ts'

/** Messages of our own in the log: numbers, types and response codes, never what a message says. */

interface MessageFields {
  readonly destination: string
  readonly message: number
  readonly kind: string
}

/** This process sends to a destination from now on. */
export function forwardingClaimed(log: Logger, fields: { destination: string; epoch: number }): void {
  log.info({ event: 'forwarding_claimed', ...fields }, 'sends to a destination')
}

/** Another process sends to it now. */
export function forwardingLost(log: Logger, fields: { destination: string }): void {
  log.warn({ event: 'forwarding_lost', ...fields }, 'another process sends to a destination')
}

/** The queue cannot be read or written; it is tried again. */
export function forwardingFailed(log: Logger, fields: { destination: string }, error: unknown): void {
  const code = error instanceof MizanError ? { code: error.code } : {}
  const reason = describeError(error)
  log.error({ event: 'forwarding_failed', ...fields, ...code, reason }, 'the queue of messages of our own fails')
}

/** A message was not taken, and is sent again. */
export function forwardPutOff(
  log: Logger,
  fields: MessageFields & { why: string; responseCode?: string; retryMs: number },
): void {
  log.info({ event: 'forward_put_off', ...fields }, 'a message of our own is sent again')
}

/** A message was refused for good, or given up: a dead letter. */
export function forwardDead(
  log: Logger,
  fields: MessageFields & { why: string; responseCode?: string; reason?: string },
): void {
  log.warn({ event: 'forward_dead', ...fields }, 'a message of our own is a dead letter; mizan forward show')
}

export function forwardAcknowledged(
  log: Logger,
  fields: MessageFields & { late: boolean; responseCode?: string },
): void {
  log.debug({ event: 'forward_acknowledged', ...fields }, 'a message of our own is acknowledged')
}

/** The oldest message of a destination has waited for too long; said once until it moves again. */
export function forwardingStuck(
  log: Logger,
  fields: { destination: string; waiting: number; oldestS: number; reason: string },
): void {
  log.warn({ event: 'forwarding_stuck', ...fields }, 'messages of our own do not get through')
}

/** A network closed its business day. */
export function networkCutover(log: Logger, fields: { link: string; settlementDate: string }): void {
  log.info({ event: 'network_cutover', ...fields }, 'a network closed its business day')
}
