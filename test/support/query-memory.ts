import pg from 'pg'
import { tuneHeap } from '../../src/heap.ts'
import { PgClient } from '../../src/store/pg-client.ts'
import { agedBy, collect } from './young-memory.ts'

/**
 * Sends queries one after another and prints how much of them grows old, as JSON. A process of
 * its own: a test runner follows each promise, and keeps what hangs on it.
 */
const QUERIES = 4_000
const NUMBERS = 100
const [url, whose] = process.argv.slice(2)

async function queryOften(client: pg.Client): Promise<void> {
  const text = 'select cardinality($1::int[]) as count, pg_sleep($2)'
  const heavy = () => Array.from({ length: NUMBERS }, (_, index) => index)
  // Under way while the young generation is collected.
  const first = client.query({ name: 'often', text, values: [heavy(), 0.1] })
  await new Promise(setImmediate)
  collect('minor')
  collect('minor')
  await first
  for (let query = 1; query < QUERIES; query++) await client.query({ name: 'often', text, values: [heavy(), 0] })
}

tuneHeap()
const Client = whose === 'ours' ? PgClient : pg.Client
const client = new Client({ connectionString: url, query_timeout: 60_000 })
await client.connect()
await queryOften(client)
const agedBytes = await agedBy(() => queryOften(client))
await client.end()
process.stdout.write(JSON.stringify({ agedBytes, sentBytes: QUERIES * NUMBERS * 8 }))
