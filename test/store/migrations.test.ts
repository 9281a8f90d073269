import t from 'tap'
import { connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { migrate, readMigrations } from '../../src/store/migrations.ts'
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
  const [known = { name: '', sql: '', checksum: '' }, ...others] = readMigrations()
  await t.rejects(migrate(client, [{ ...known, checksum: 'other' }, ...others]), {
    code: 'STORE_SCHEMA_MISMATCH',
    message: /was changed after it was applied/,
  })
  await t.rejects(migrate(client, others), { code: 'STORE_SCHEMA_MISMATCH', message: /does not know/ })
  const broken = { name: '9999-broken', sql: 'create table half (); select nonsense', checksum: 'x' }
  await t.rejects(migrate(client, [known, ...others, broken]), {
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
