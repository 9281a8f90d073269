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
  const fetch = () => {
    const coming = client.query<T>(`fetch ${ROWS} from ${name}`)
    // Whoever stops reading early does not hear of it.
    coming.catch(() => undefined)
    return coming
  }
  // The database looks for the next rows while these are worked on.
  for (let coming = fetch(); ; ) {
    const { rows } = await coming
    const isLast = rows.length < ROWS
    if (!isLast) coming = fetch()
    if (rows.length > 0) yield rows
    if (isLast) break
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
