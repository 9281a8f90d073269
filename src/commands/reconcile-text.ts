import { type CivilDate, isCivilDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'

/** A table for people: a line of heads, then the rows; columns are as wide as what is in them, the last is free. */
export function tableLines(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  rightAligned: readonly number[] = [],
): string[] {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const width = column === row.length - 1 && !rightAligned.includes(column) ? 0 : (widths[column] ?? 0)
        return rightAligned.includes(column) ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [heads, ...rows].map(line)
}

/** Reads a date of an option. @throws MizanError BAD_INPUT */
export function dateOption(text: string): CivilDate {
  const value = Number(text.replaceAll('-', ''))
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && isCivilDate(value)) return value
  throw new MizanError('BAD_INPUT', `${text} is no date: yyyy-mm-dd`)
}

/** Reads a whole number of an option, from 1. @throws MizanError BAD_INPUT */
export function numberOption(text: string, what: string, max = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (value >= 1 && value <= max) return value
  throw new MizanError('BAD_INPUT', `${what} must be a whole number from 1 to ${max}`)
}
