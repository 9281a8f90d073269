import type { Client } from '../connection.ts'
import { logGrows, WorkPace, type WorkPaceOptions } from './work-pace.ts'

/** Rows that are fetched at once while nobody else writes, and while others do: the work of a millisecond or two. */
const ROWS = 2_000
const ROWS_BESIDE_OTHERS = 100
let streams = 0

/**
 * Rows of a query, many at a time, however many there are: through a cursor in the transaction that the caller has
 * begun. Several may be open at once. While others write to the database they come few at a time, with rests between
 * them, so that authorizations find a processor.
 */
export async function* streamRows<T extends object>(
  client: Client,
  text: string,
  values: readonly unknown[],
  options: WorkPaceOptions = {},
): AsyncGenerator<T[]> {
  const name = `clearing_rows_${++streams}`
  const pace = new WorkPace(logGrows(client), options)
  await client.query(`declare ${name} no scroll cursor for ${text}`, [...values])
  const fetch = (count: number) => {
    const coming = client.query<T>(`fetch ${count} from ${name}`)
    // Whoever stops reading early does not hear of it.
    coming.catch(() => undefined)
    return coming
  }
  let count = ROWS_BESIDE_OTHERS
  for (let coming = fetch(count); ; ) {
    const { rows } = await coming
    const isLast = rows.length < count
    const isQuiet = !isLast && !(await pace.look())
    count = isQuiet ? ROWS : ROWS_BESIDE_OTHERS
    // The database looks for the next rows while these are worked on.
    if (isQuiet) coming = fetch(count)
    if (rows.length > 0) yield rows
    if (isLast) break
    await pace.rest()
    if (!isQuiet) coming = fetch(count)
  }
  await client.query(`close ${name}`)
}

/**
 * Does a piece of reading in one snapshot, for which statements are planned to be read to their end.
 * @throws what `work` throws
 */
export async function inSnapshot<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin isolation level repeatable read read only')
  try {
    await client.query('set local cursor_tuple_fraction = 1')
    await client.query(`set local work_mem = '64MB'`)
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}
