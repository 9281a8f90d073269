import type { Client } from '../connection.ts'

/** Rows that are fetched at once. */
const ROWS = 2_000
let streams = 0

/**
 * Rows of a query, some thousand at a time, however many there are: through a cursor in the transaction that the caller
 * has begun. Several may be open at once.
 */
export async function* streamRows<T extends object>(
  client: Client,
  text: string,
  values: readonly unknown[],
): AsyncGenerator<T[]> {
  const name = `clearing_rows_${++streams}`
  await client.query(`declare ${name} no scroll cursor for ${text}`, [...values])
  for (;;) {
    const { rows } = await client.query<T>(`fetch ${ROWS} from ${name}`)
    if (rows.length > 0) yield rows
    if (rows.length < ROWS) break
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
