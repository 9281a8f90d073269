import { type CivilDate, DATE_FORM, readDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'

/** Reads a day as callers write it, yyyy-mm-dd. @throws MizanError BAD_INPUT when there is no such day */
export function dayOf(text: string): CivilDate {
  const date = readDate(text)
  if (date !== undefined) return date
  throw new MizanError('BAD_INPUT', `a day must be ${DATE_FORM}`)
}

/** A day as answers show it, of yyyymmdd. */
export function dashed(day: number): string {
  return String(day).replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3')
}
