import type { Logger } from './logger.ts'

/** The process that does heavy work beside the lanes, in the log. */

export function backgroundStarted(log: Logger, fields: { pid: number }): void {
  log.debug({ event: 'background_started', ...fields }, 'a process for heavy work was started')
}

/** It went away while it worked; what it did is asked for again, and goes on where it was. */
export function backgroundLost(log: Logger, fields: { how: string; tasks: number }): void {
  log.error({ event: 'background_lost', ...fields }, 'the process for heavy work ended while it worked')
}
