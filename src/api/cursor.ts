import { MizanError } from '../errors.ts'
import { PAGE } from './shapes.ts'
import { isKeptText } from './validation.ts'

/** Position in a list, as a caller carries it from one page to the next. */
export type Position = readonly (string | number)[]

/** Writes a position; it says nothing that the page did not. */
export function cursorOf(position: Position): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

/** Largest whole number of a place in a list, by the type of its column. */
export const WHOLE_MAX = { bigint: Number.MAX_SAFE_INTEGER, integer: 2_147_483_647, smallint: 32_767 } as const

/** Whether a position is of whole numbers that the columns of the list can be compared with. */
export function isWholes(position: Position, ...columns: readonly (keyof typeof WHOLE_MAX)[]): boolean {
  const fits = (column: keyof typeof WHOLE_MAX, at: number) => {
    const part = position[at]
    return Number.isSafeInteger(part) && Number(part) >= 0 && Number(part) <= WHOLE_MAX[column]
  }
  return position.length === columns.length && columns.every(fits)
}

/**
 * Reads a cursor.
 * @param isPosition whether it is one of this list
 * @throws MizanError BAD_INPUT
 */
export function readCursor(
  cursor: string | undefined,
  isPosition: (position: Position) => boolean,
): Position | undefined {
  if (cursor === undefined) return undefined
  try {
    const position: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    const isRead = Array.isArray(position) && position.every((part) => typeof part !== 'string' || isKeptText(part))
    if (isRead && isPosition(position)) return position
  } catch {
    // The same as any other text that is none.
  }
  throw new MizanError('BAD_INPUT', 'the cursor is none of this list: begin with the first page')
}

/** Reads a cursor that is the number of the last row. */
export function idCursor(cursor: string | undefined): number | undefined {
  const position = readCursor(cursor, (found) => isWholes(found, 'bigint'))
  return position === undefined ? undefined : Number(position[0])
}

/**
 * A page of rows that were asked for with one more than the page holds: that one tells whether there is a next page.
 * @param rows up to `limit + 1`
 */
export function page<T, R>(
  rows: readonly T[],
  limit: number | undefined,
  positionOf: (row: T) => Position,
  view: (row: T) => R,
): { items: R[]; next: string | null } {
  const size = limit ?? PAGE
  const items = rows.slice(0, size)
  const last = items.at(-1)
  const next = rows.length > size && last !== undefined ? cursorOf(positionOf(last)) : null
  return { items: items.map(view), next }
}

/** A page of rows that are listed by their number, the newest first. */
export async function pageById<T extends { readonly id: number }, R>(
  { limit, cursor }: { readonly limit?: number | undefined; readonly cursor?: string | undefined },
  read: (range: { readonly limit: number; readonly beforeId?: number }) => Promise<readonly T[]>,
  view: (row: T) => R,
): Promise<{ items: R[]; next: string | null }> {
  const beforeId = idCursor(cursor)
  const rows = await read({ limit: rowsFor(limit), ...(beforeId === undefined ? {} : { beforeId }) })
  return page(rows, limit, ({ id }) => [id], view)
}

/** Rows to ask for, so that {@link page} can tell whether there are more. */
export function rowsFor(limit: number | undefined): number {
  return (limit ?? PAGE) + 1
}

/** An instant as answers show it; null when there is none. */
export function instantOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
