import { type CivilDate, formatDate } from '../calendar.ts'
import { describeError, MizanError } from '../errors.ts'
import type { Logger } from './logger.ts'
import { maskText } from './mask.ts'

/** The closing of business days in the log. */

interface StepFields {
  readonly businessDate: CivilDate
  readonly step: string
}

/** The end of a business day was asked for. */
export function cutoverAsked(log: Logger, fields: { businessDate: CivilDate; days: number; by: string }): void {
  const { businessDate, ...rest } = fields
  log.info(
    { event: 'cutover_asked', businessDate: formatDate(businessDate), ...rest },
    'the end of a business day was asked for',
  )
}

/** A message of a network that would end the day came when that was not possible. */
export function cutoverRefused(log: Logger, fields: { by: string }, error: unknown): void {
  const code = error instanceof MizanError ? error.code : undefined
  const found = { ...(code === undefined ? {} : { code }), reason: describeError(error) }
  log.warn({ event: 'cutover_refused', ...fields, ...found }, 'a business day cannot be ended')
}

export function dayStepBegan(log: Logger, { businessDate, step }: StepFields): void {
  log.debug(
    { event: 'day_step_began', businessDate: formatDate(businessDate), step },
    'a step of a business day begins',
  )
}

interface StepEnd extends StepFields {
  readonly state: string
  readonly words: string
  readonly tookMs: number
  /** It did not stop for the same reason at the last look. */
  readonly isNews: boolean
}

/** A step ended: it is done, or says what it waits for, what blocks it or why it failed. */
export function dayStepEnded(log: Logger, { businessDate, step, state, words, tookMs, isNews }: StepEnd): void {
  const fields = { event: 'day_step_ended', businessDate: formatDate(businessDate), step, state, tookMs }
  const detail = maskText(words)
  if (state === 'done') log.info({ ...fields, detail }, 'a step of a business day is done')
  else if (state === 'waiting' || !isNews) log.debug({ ...fields, detail }, 'a step of a business day has not gone on')
  else log.error({ ...fields, detail }, 'a business day cannot go on; mizan cutover status')
}

export function dayClosed(log: Logger, { businessDate }: { businessDate: CivilDate }): void {
  log.info({ event: 'business_day_closed', businessDate: formatDate(businessDate) }, 'a business day is closed')
}

/** Days cannot be looked at, or a run broke off; it is tried again. */
export function dayWatchFailed(log: Logger, error: unknown): void {
  const code = error instanceof MizanError ? error.code : undefined
  const found = { ...(code === undefined ? {} : { code }), reason: describeError(error) }
  log.error({ event: 'day_watch_failed', ...found }, 'business days cannot be looked at')
}
