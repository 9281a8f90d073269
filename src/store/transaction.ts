import type { Client } from './connection.ts'

/**
 * Does the work in a transaction, whole or not at all: what throws is undone, and the connection may be used again.
 * @param client not in a transaction
 * @param begin statement that begins it, where it is another than usual
 */
export async function inTransaction<T>(client: Client, work: () => Promise<T>, begin = 'begin'): Promise<T> {
  await client.query(begin)
  try {
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    // A connection that is gone has undone it by itself.
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}
