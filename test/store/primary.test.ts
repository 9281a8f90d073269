import { createServer } from 'node:net'
import { PgBoss } from 'pg-boss'
import t from 'tap'
import { ApiDatabase } from '../../src/store/access-pool.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { openDatabase, withClient } from '../../src/store/database-location.ts'
import { databaseServers, maskDatabaseUrl, whereabouts } from '../../src/store/database-url.ts'
import { keptConnection } from '../../src/store/kept-connection.ts'
import { poolTarget } from '../../src/store/primary.ts'
import { inTransaction } from '../../src/store/transaction.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'

t.test('a URL may name several servers', async (t) => {
  const url =
    'postgresql://mizan:p%2Cw@one:5432,[::1]:5433,three/ledger?target_session_attrs=read-write&sslmode=require'
  t.strictSame(databaseServers(url), {
    urls: [
      'postgresql://mizan:p%2Cw@one:5432/ledger?sslmode=require',
      'postgresql://mizan:p%2Cw@[::1]:5433/ledger?sslmode=require',
      'postgresql://mizan:p%2Cw@three/ledger?sslmode=require',
    ],
    mustBeWritable: true,
  })
  t.equal(databaseServers('postgres://one/ledger').mustBeWritable, false, 'one server is taken as it is')
  t.equal(databaseServers('postgres://one/ledger?target_session_attrs=primary').mustBeWritable, true)
  t.equal(whereabouts(url), 'one:5432,[::1]:5433,three/ledger')
  t.equal(
    maskDatabaseUrl('postgres://u:secret@one,two/l?password=secret'),
    'postgres://u:********@one,two/l?password=********',
  )
  for (const bad of [
    'postgres://',
    'postgres://one,,two/l',
    'postgres://one:port/l',
    'mysql://one/l',
    `postgres://${'h,'.repeat(8)}h/l`,
  ]) {
    t.throws(() => databaseServers(bad), { code: 'CONFIG_INVALID' }, bad)
  }
  t.throws(() => databaseServers('postgres://one/l?target_session_attrs=standby'), /target_session_attrs/)
})

/** A URL of several servers on this machine. */
function through(url: string, ...ports: number[]): string {
  const one = new URL(url)
  return url.replace(one.host, ports.map((port) => `127.0.0.1:${port}`).join(','))
}

/** A server that is there and accepts only reading: as a database that was demoted looks. */
async function readOnlyTwin(t: TeardownHost, url: string): Promise<string> {
  const twin = await createTestDatabase(t)
  const name = new URL(twin.url).pathname.slice(1)
  await withClient(url, (client) => client.query(`alter database ${name} set default_transaction_read_only = on`))
  return twin.url
}

t.test('only a server that can be written will do', async (t) => {
  const { url } = await createTestDatabase(t)
  const readOnly = await readOnlyTwin(t, url)
  const wanted = { url: `${readOnly}?target_session_attrs=read-write`, name: 'mizan test' }
  await t.rejects(connect(wanted), { code: 'STORE_UNAVAILABLE', message: /read-only/ })
  const location = {
    varDir: '/nowhere',
    database: { url: wanted.url, embedded: { port: 0, sharedBuffersMb: 16, maxWalSizeMb: 128 } },
  }
  await t.rejects(
    openDatabase(location, { waitMs: 300 }),
    { code: 'STORE_UNAVAILABLE' },
    'it is waited for, in vain here',
  )
})

t.test('a transaction that throws is undone, and its connection is as before', async (t) => {
  const { url } = await createTestDatabase(t)
  const client = await connect({ url, name: 'mizan test' })
  await client.query('create table told (word text)')
  const tell = (word: string, sql = 'select 1') =>
    inTransaction(client, async () => {
      await client.query('insert into told values ($1)', [word])
      await client.query(sql)
      if (word === 'thrown') throw new Error('not at all')
      return word
    })
  await t.rejects(tell('thrown'), /not at all/)
  await t.rejects(tell('refused', 'select 1 / 0'), /division by zero/)
  const states = await client.query('select now() = statement_timestamp() as outside, count(*)::int as rows from told')
  t.same(states.rows, [{ outside: true, rows: 0 }])
  t.equal(await tell('kept'), 'kept')
  t.same((await client.query('select word from told')).rows, [{ word: 'kept' }])
  await t.rejects(
    inTransaction(client, () => client.query('delete from told'), 'begin read only'),
    /read-only transaction/,
  )
  await client.end()
})

t.test('the next server is taken when one refuses, hangs or was lost', async (t) => {
  const { url } = await createTestDatabase(t)
  const port = Number(new URL(url).port)
  // It takes connections and never says a word, as a server that is stopped does.
  const hanging = createServer()
  await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
  const sockets: { destroy(): void }[] = []
  hanging.on('connection', (socket) => sockets.push(socket))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    hanging.close()
  })
  const hangingPort = (hanging.address() as { port: number }).port
  const beganMs = performance.now()
  const client = await connect({ url: through(url, 1, hangingPort, port), name: 'mizan test' })
  t.ok(performance.now() - beganMs < 3_000, 'one that hangs holds nobody up')
  t.equal((await client.query('select 1 as one')).rows[0].one, 1)
  await client.end()
  await t.rejects(connect({ url: through(url, 1, 2), name: 'mizan test' }), {
    code: 'STORE_UNAVAILABLE',
    message: /127\.0\.0\.1:1\/.*127\.0\.0\.1:2\//,
  })
})

t.test('pools find the server that can be written again', async (t) => {
  const { url } = await createTestDatabase(t)
  const proxy = await startFaultProxy({ port: Number(new URL(url).port) })
  t.teardown(() => proxy.close())
  const both = through(url, proxy.port, Number(new URL(url).port))
  const database = new ApiDatabase({ url: both })
  t.teardown(() => database.close())
  const ask = () => database.read(async (client) => (await client.query('select 1 as one')).rows[0].one as number)
  t.equal(await ask(), 1)
  await proxy.close()
  await t.resolves(
    (async () => {
      for (let tries = 0; tries < 3; tries++) if ((await ask().catch(() => 0)) === 1) return
      throw new Error('the pool does not come back')
    })(),
    'the next server is used',
  )
  const boss = new PgBoss({ ...poolTarget(both), schema: 'queue_of_two', max: 1, supervise: false, schedule: false })
  const errors: unknown[] = []
  boss.on('error', (error) => errors.push(error))
  await boss.start()
  await boss.createQueue('one')
  t.ok(await boss.send('one', {}), 'the queue finds it too')
  await boss.stop({ graceful: false })
  t.strictSame(errors, [])
})

t.test('a server that becomes read-only under a connection is one that was lost', async (t) => {
  const { url } = await createTestDatabase(t)
  const connection = keptConnection({ url, name: 'mizan test' })
  t.teardown(() => connection.close())
  const pidOf = async (client: Client) => (await client.query('select pg_backend_pid() as pid')).rows[0].pid as number
  const before = await connection.use(pidOf)
  const write = async (client: Client) => {
    await client.query('set default_transaction_read_only = on')
    await client.query('create table written (id integer)')
  }
  await t.rejects(connection.use(write), { code: '25006' })
  t.not(await connection.use(pidOf), before, 'another connection is opened')
})

t.test('a process that hangs within a transaction does not keep its locks', async (t) => {
  const { url } = await createTestDatabase(t)
  await withClient(url, (client) => client.query('create table locked (id integer)'))
  const hanging = keptConnection({ url, name: 'mizan test', idleInTransactionMs: 100 })
  t.teardown(() => hanging.close())
  const locked = Promise.withResolvers<void>()
  const going = Promise.withResolvers<void>()
  const held = hanging.use(async (client) => {
    await client.query('begin')
    await client.query('lock table locked')
    locked.resolve()
    await going.promise
    await client.query('commit')
  })
  // Else a slow machine inserts before the lock is there, and nothing hangs.
  await locked.promise
  await withClient(url, async (client) => {
    await client.query("set lock_timeout = '5s'")
    await client.query('insert into locked values (1)')
  })
  going.resolve()
  await t.rejects(held, 'when it goes on, its transaction is gone')
  t.equal(
    await hanging.use(async (client) => (await client.query('select * from locked')).rowCount),
    1,
    'and it works again',
  )
})
