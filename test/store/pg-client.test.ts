import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { PgClient } from '../../src/store/pg-client.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'

async function open(t: TeardownHost, settings: pg.ClientConfig = {}) {
  const { url } = await createTestDatabase(t)
  const client: pg.Client = new PgClient({ connectionString: url, ...settings })
  client.on('error', () => undefined)
  await client.connect()
  t.teardown(() => client.end().catch(() => undefined))
  return client
}

t.test('what a query was sent with is not kept by the old generation after its answer', async (t) => {
  const { url } = await createTestDatabase(t)
  const script = new URL('../support/query-memory.ts', import.meta.url).pathname
  const measure = async (whose: 'ours' | 'theirs'): Promise<{ agedBytes: number; sentBytes: number }> =>
    JSON.parse((await promisify(execFile)(process.execPath, [script, url, whose])).stdout)
  const ours = await measure('ours')
  t.ok(ours.agedBytes < ours.sentBytes / 2, `${ours.agedBytes} bytes of ${ours.sentBytes} grew old`)
  const theirs = await measure('theirs')
  t.ok(theirs.agedBytes > theirs.sentBytes, `${theirs.agedBytes} with the client of the package: it is seen here`)
})

t.test('an answer that takes too long ends the connection, with an error for all that wait', async (t) => {
  const client = await open(t, { query_timeout: 300 })
  const late = [client.query('select pg_sleep(20)'), client.query('select 1')]
  const outcomes = await Promise.allSettled(late)
  for (const outcome of outcomes) {
    t.match(outcome, { status: 'rejected', reason: /the database did not answer within 300 ms/ })
  }
  await t.rejects(client.query('select 1'))
})

t.test('each answer has its time, and a query may have another', async (t) => {
  const client = await open(t, { query_timeout: 1_000 })
  const slow = { text: 'select pg_sleep(0.4)' }
  await Promise.all([client.query(slow), client.query(slow), client.query(slow)])
  const patient: pg.QueryConfig & { query_timeout: number } = { text: 'select pg_sleep(1.3)', query_timeout: 20_000 }
  await client.query(patient)
  t.same((await client.query('select 1 as one')).rows, [{ one: 1 }])
})

t.test('what came while the process stood still is an answer', async (t) => {
  const client = await open(t, { query_timeout: 200 })
  const answer = client.query('select 2 as two')
  await new Promise(setImmediate)
  for (const untilMs = performance.now() + 600; performance.now() < untilMs; );
  t.same((await answer).rows, [{ two: 2 }])
})

t.test('a query is asked as of any client of the package', async (t) => {
  const client = await open(t)
  t.same((await client.query('select $1::int as n', [3])).rows, [{ n: 3 }])
  t.same((await client.query({ text: 'select $1::int as n' }, [4])).rows, [{ n: 4 }])
  t.same((await client.query({ text: 'select $1::int', values: [5], rowMode: 'array' })).rows, [[5]])
  const called = await new Promise((resolve, reject) => {
    client.query('select $1::int as n', [6], (error, result) => (error ? reject(error) : resolve(result.rows)))
  })
  t.same(called, [{ n: 6 }])
  const bare = await new Promise((resolve, reject) => {
    client.query('select 7 as n', (error, result) => (error ? reject(error) : resolve(result.rows)))
  })
  t.same(bare, [{ n: 7 }])
  const submitted = client.query(new pg.Query('select 8 as n'))
  t.same(await new Promise((resolve) => submitted.on('row', resolve)), { n: 8 })
  await t.rejects(client.query('select nothing'), { code: '42703' })
  t.throws(() => client.query(undefined as unknown as string), TypeError)
})
