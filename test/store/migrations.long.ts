import { readFileSync } from 'node:fs'
import t from 'tap'
import { connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import type { LanePosition } from '../../src/store/lane-journal.ts'
import { LaneStore } from '../../src/store/lane-store.ts'
import {
  changedSince,
  countWriters,
  type Migration,
  migrate,
  migrationOf,
  readMigrations,
  readSchemaState,
} from '../../src/store/migrations.ts'
import { batchAfter, ended } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'

t.test('a second run changes nothing', async (t) => {
  const { url } = await createTestDatabase(t, { empty: true })
  const first = await prepareDatabase(url, 2)
  t.equal(first.isNew, true)
  t.same(
    first.migrations,
    readMigrations().map((migration) => migration.name),
  )
  const second = await prepareDatabase(url, 2)
  t.same(second, { laneCount: 2, migrations: [], isNew: false })
  await t.rejects(prepareDatabase(url, 3), { code: 'STORE_SCHEMA_MISMATCH', message: /set lanes\.count to 2/ })
})

t.test('several programs that start at once', async (t) => {
  const { url } = await createTestDatabase(t, { empty: true })
  const installations = await Promise.all(Array.from({ length: 4 }, () => prepareDatabase(url, 4)))
  t.equal(installations.filter((installation) => installation.isNew).length, 1)
  t.equal(installations.filter((installation) => installation.migrations.length > 0).length, 1)
  const client = await connect({ url, name: 'mizan test' })
  t.teardown(() => client.end())
  const { rows } = await client.query('select lane, last_seq, next_id from lane order by lane')
  t.same(
    rows,
    [0, 1, 2, 3].map((lane) => ({ lane, last_seq: '0', next_id: String(lane + 64) })),
  )
})

t.test('a database of another version is refused', async (t) => {
  const { url } = await createTestDatabase(t, { empty: true })
  await prepareDatabase(url, 1)
  const client = await connect({ url, name: 'mizan test' })
  t.teardown(() => client.end())
  const [known, ...others] = readMigrations()
  const first = known as Migration
  await t.rejects(migrate(client, { migrations: [{ ...first, checksum: 'other' }, ...others] }), {
    code: 'STORE_SCHEMA_MISMATCH',
    message: /was changed after it was applied/,
  })
  await t.rejects(migrate(client, { migrations: readMigrations().slice(0, -1) }), {
    code: 'STORE_SCHEMA_MISMATCH',
    message: /does not know and cannot work with: it takes one that knows migration \d+, and this one knows up to \d+/,
  })
  const broken = migrationOf('9999-broken', 'create table half (); select nonsense')
  await t.rejects(migrate(client, { migrations: [first, ...others, broken] }), {
    code: 'STORE_MIGRATION_FAILED',
    message: /9999-broken/,
  })
  const { rows } = await client.query(`select to_regclass('half') as half`)
  t.same(rows, [{ half: null }], 'a migration that fails leaves nothing behind')
})

t.test('partitions of a day can be made by several lanes at once', async (t) => {
  const { url } = await createTestDatabase(t, { empty: true })
  await prepareDatabase(url, 1)
  const clients = await Promise.all(
    Array.from({ length: 4 }, () => connect({ url, name: 'mizan test', role: 'mizan_app' })),
  )
  t.teardown(() => Promise.all(clients.map((client) => client.end())))
  const made = await Promise.all(
    clients.map((client) => client.query<{ made: number }>(`select ensure_partitions('2027-02-26', 8) as made`)),
  )
  t.same(made.map(({ rows }) => rows[0]?.made).sort(), [0, 0, 0, 16])
})

/** A migration of a later version. */
const additive = migrationOf(
  '9001-additive',
  `-- A later version's table and column.
-- compatible-with: 1
alter table batch add column remark text;
create table later (id bigint primary key)`,
)
const incompatible = migrationOf('9002-incompatible', 'alter table batch alter column hash drop not null')

t.test(
  'a migration that goes with the running version is applied while it writes, and one that does not is refused',
  async (t) => {
    const { url } = await createTestDatabase(t, { empty: true })
    await prepareDatabase(url, 1)
    const client = await connect({ url, name: 'mizan test' })
    const reader = await connect({ url, name: 'mizan test' })
    const store = new LaneStore({ url, lane: 0, commitTimeoutMs: 10_000 })
    t.teardown(() => Promise.all([client.end(), reader.end(), store.close()]))
    let position = (await store.take()) as LanePosition
    const outcomes: string[] = []
    let slowestMs = 0
    let going = true
    const traffic = (async () => {
      while (going) {
        const batch = batchAfter(position)
        const beganMs = performance.now()
        const outcome = await ended(store.commit(batch, position.lastHash))
        slowestMs = Math.max(slowestMs, performance.now() - beganMs)
        outcomes.push(outcome.kind)
        if (outcome.kind !== 'committed') return
        position = { ...position, lastSeq: batch.seq, nextId: batch.nextId, lastHash: outcome.hash }
      }
    })()
    // A report that reads the table keeps the migration out; commits must not wait for the end of it behind the migration.
    await reader.query('begin; select count(*) from batch')
    const current = readMigrations()
    const retries: number[] = []
    const onRetry = (_: string, attempt: number) => {
      retries.push(attempt)
      void reader.query('commit')
    }
    t.same(await migrate(client, { migrations: [...current, additive], onRetry }), ['9001-additive'])
    t.same(retries, [1])
    const later = [...current, additive, incompatible]
    t.match(await readSchemaState(client, later), { pending: [{ name: '9002-incompatible', compatible: false }] })
    await t.rejects(migrate(client, { migrations: later }), {
      code: 'STORE_SCHEMA_MISMATCH',
      message: /older version writes this database, and does not go with 9002-incompatible: stop every older process/,
    })
    going = false
    await traffic
    t.ok(outcomes.length > 10, `${outcomes.length} batches`)
    t.same(new Set(outcomes), new Set(['committed']), 'no commit failed')
    t.ok(slowestMs < 5_000, `the slowest waited ${slowestMs.toFixed(0)} ms`)

    t.same(await migrate(client), [], 'the older version starts again on the newer schema')
    t.same(await readSchemaState(client), { pending: [], ahead: ['9001-additive'] })
    await store.close()
    while ((await countWriters(client)) > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    t.same(await migrate(client, { migrations: later }), ['9002-incompatible'], 'with nobody writing it is applied')
    await t.rejects(migrate(client), { code: 'STORE_SCHEMA_MISMATCH', message: /9002-incompatible/ })
  },
)

t.test('a migration cannot state what cannot be', async (t) => {
  t.equal(migrationOf('0020-x', '-- compatible-with: 0018\nselect 1').compatibleWith, 18)
  t.equal(migrationOf('0020-x', 'select 1').compatibleWith, 20)
  for (const stated of ['20', '21', 'all', '']) {
    t.throws(() => migrationOf('0020-x', `-- compatible-with: ${stated}`), { code: 'STORE_MIGRATION_FAILED' })
  }
})

t.test('released migrations are as they were released', async (t) => {
  const file = new URL('../../schemas/sql/released.json', import.meta.url)
  const released = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
  t.same(changedSince(released, readMigrations()), [])
  const [first] = readMigrations()
  const name = first?.name ?? ''
  t.same(changedSince({ [name]: 'other', '0000-gone': '0' }, readMigrations()), [name, '0000-gone'])
})
