import { type CivilDate, isCivilDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'

/** Reads a day as callers write it, yyyy-mm-dd. @throws MizanError BAD_INPUT when there is no such day */
export function dayOf(text: string): CivilDate {
  const value = Number(text.replaceAll('-', ''))
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && isCivilDate(value)) return value
  throw new MizanError('BAD_INPUT', 'a day is written yyyy-mm-dd, and there is such a day')
}

/** A day as answers show it, of yyyymmdd. */
export function dashed(day: number): string {
  return String(day).replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3')
}
