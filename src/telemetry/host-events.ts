import type { Logger } from './logger.ts'

/** The account host is not asked any more, until echoes are answered again: stand-in decides. */
export function hostCircuitOpened(log: Logger): void {
  log.warn({ event: 'account_host_open' }, 'the account host is not asked: stand-in decides until it answers again')
}

/** The account host is asked again. */
export function hostCircuitClosed(log: Logger): void {
  log.info({ event: 'account_host_closed' }, 'the account host answers: it is asked again')
}

/** The host refused what Mizan did in its place, or could not be told; somebody has to settle it with the Post. */
export function hostExceptionsRaised(log: Logger, fields: { open: number; piasters: number; raised: number }): void {
  log.warn(
    { event: 'account_host_exceptions', ...fields },
    'exceptions with the account host; mizan account-host exceptions',
  )
}

/** How things stand with the host cannot be read; it is tried again. */
export function hostWatchFailed(log: Logger, error: unknown): void {
  log.error(
    { event: 'account_host_watch_failed', err: error },
    'advices and exceptions of the account host cannot be read',
  )
}
