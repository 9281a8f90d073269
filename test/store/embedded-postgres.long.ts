import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { type DatabaseLocation, openDatabase, withClient } from '../../src/store/database-location.ts'
import { findBinaries } from '../../src/store/embedded/binaries.ts'
import { isProcessAlive } from '../../src/store/embedded/processes.ts'
import {
  countEmbeddedUsers,
  type EmbeddedPostgres,
  findEmbeddedPostgres,
  reviveEmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/store/embedded-postgres.ts'
import { Parts } from '../../src/switch-parts.ts'
import { reviveWhenDead } from '../../src/switch-revive.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createTestDatabase, type TeardownHost } from '../support/database.ts'

const sizes = { sharedBuffersMb: 32, maxWalSizeMb: 128 }
const userProgram = fileURLToPath(new URL('../support/embedded-user.ts', import.meta.url))

/** A data folder of a test's own; whatever server is left in it is stopped and both go. */
function dataFolder(t: TeardownHost, mode = 0o755): string {
  const parent = mkdtempSync(path.join(os.tmpdir(), 'mizan-embedded-'))
  chmodSync(parent, mode)
  const dataDir = path.join(parent, 'var')
  t.teardown(async () => {
    await (await findEmbeddedPostgres({ dataDir }))?.stop('immediate')
    rmSync(parent, { recursive: true, force: true })
  })
  return dataDir
}

async function setting(server: EmbeddedPostgres, name: string): Promise<string> {
  const { rows } = await withClient(server.url('postgres'), (client) =>
    client.query('select current_setting($1) as value', [name]),
  )
  return rows[0]?.value
}

t.test('a server starts, keeps its data, and stops with its last user', async (t) => {
  const dataDir = dataFolder(t)
  const steps: string[] = []
  const first = await startEmbeddedPostgres({ dataDir, ...sizes, onLog: (line) => steps.push(line) })
  t.equal(first.attached, false)
  t.match(steps[0], /making a PostgreSQL database/)
  for (const name of ['fsync', 'full_page_writes', 'synchronous_commit'])
    t.equal(await setting(first, name), 'on', name)
  t.equal(await setting(first, 'listen_addresses'), '127.0.0.1')
  t.equal(await setting(first, 'unix_socket_directories'), '')
  t.equal(await setting(first, 'server_encoding'), 'UTF8')
  t.equal(await setting(first, 'shared_buffers'), '32MB')
  t.equal(await setting(first, 'data_checksums'), 'on')
  await withClient(first.url('postgres'), (client) =>
    client.query('create table kept (id int); insert into kept values (7)'),
  )
  t.equal(statSync(path.join(dataDir, 'postgres', 'password')).mode & 0o777, 0o600)
  t.equal(statSync(path.join(dataDir, 'run', 'database.json')).mode & 0o777, 0o600)
  t.notMatch(
    readFileSync(path.join(dataDir, 'run', 'database.json'), 'utf8'),
    readFileSync(path.join(dataDir, 'postgres', 'password'), 'utf8').trim(),
  )

  const second = await startEmbeddedPostgres({ dataDir, ...sizes })
  t.match(second, { attached: true, pid: first.pid, port: first.port })
  t.equal(countEmbeddedUsers(dataDir), 2)
  t.equal(await first.release(), false, 'another uses it')
  t.equal(await first.release(), false, 'idempotent')
  t.ok(isProcessAlive(first.pid))
  t.equal(await second.release(), true)
  t.notOk(isProcessAlive(first.pid))
  t.equal(await findEmbeddedPostgres({ dataDir }), undefined)

  const third = await startEmbeddedPostgres({ dataDir, ...sizes })
  t.equal(third.port, first.port, 'the port is remembered')
  const { rows } = await withClient(third.url('postgres'), (client) => client.query('select id from kept'))
  t.same(rows, [{ id: 7 }])
  await third.stop()
  await third.stop()
  t.notOk(isProcessAlive(third.pid))
})

t.test('a password is needed', async (t) => {
  const dataDir = dataFolder(t)
  const server = await startEmbeddedPostgres({ dataDir, ...sizes })
  const url = new URL(server.url('postgres'))
  url.password = 'wrong'
  await t.rejects(
    withClient(url.href, (client) => client.query('select 1')),
    { code: '28P01' },
  )
  await server.release()
})

t.test('processes that start at once share one server', async (t) => {
  const dataDir = dataFolder(t)
  const users = await Promise.all(Array.from({ length: 4 }, () => startUser(dataDir)))
  t.equal(new Set(users.map((user) => user.pid)).size, 1, 'one server')
  t.equal(users.filter((user) => !user.attached).length, 1, 'one started it')
  for (const user of users.slice(1)) user.child.kill('SIGTERM')
  await Promise.all(users.slice(1).map((user) => user.ended))
  t.ok(isProcessAlive(users[0]?.pid ?? 0), 'it stays for the last one')
  users[0]?.child.kill('SIGTERM')
  await users[0]?.ended
  t.notOk(isProcessAlive(users[0]?.pid ?? 0), 'and goes with it')
})

t.test('the server outlives a killed user, who no longer counts, and the next one attaches', async (t) => {
  const dataDir = dataFolder(t)
  const user = await startUser(dataDir)
  user.child.kill('SIGKILL')
  await user.ended
  t.ok(isProcessAlive(user.pid))
  t.equal(countEmbeddedUsers(dataDir), 0)
  const next = await startEmbeddedPostgres({ dataDir, ...sizes })
  t.match(next, { attached: true, pid: user.pid })
  t.equal(await next.release(), true)
})

t.test('Ctrl-C for the group of the switch does not reach the server', async (t) => {
  const dataDir = dataFolder(t)
  const user = await startUser(dataDir)
  // The server leads a session, hence a group, of its own.
  const group = spawnSync('ps', ['-o', 'pgid=', '-p', String(user.pid)], { encoding: 'utf8' }).stdout.trim()
  t.equal(Number(group), user.pid)
  user.child.kill('SIGTERM')
  await user.ended
})

t.test('after a crash of the server the next start recovers', async (t) => {
  const dataDir = dataFolder(t)
  const server = await startEmbeddedPostgres({ dataDir, ...sizes })
  await withClient(server.url('postgres'), (client) =>
    client.query('create table kept (id int); insert into kept values (7)'),
  )
  process.kill(server.pid, 'SIGKILL')
  while (isProcessAlive(server.pid)) await new Promise((resolve) => setTimeout(resolve, 10))
  t.ok(existsSync(path.join(server.clusterDir, 'postmaster.pid')), 'a stale file is left')
  const next = await startEmbeddedPostgres({ dataDir, ...sizes })
  t.equal(next.attached, false)
  const { rows } = await withClient(next.url('postgres'), (client) => client.query('select id from kept'))
  t.same(rows, [{ id: 7 }])
  await next.stop('immediate')
})

t.test('a server that dies while a switch holds it is started again where it was, with its settings', async (t) => {
  const varDir = dataFolder(t)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'mizan-revived-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'config.json')
  writeFileSync(
    file,
    JSON.stringify({ database: { embedded: sizes }, backup: { folder: path.join(folder, 'backup') } }),
  )
  const config = loadConfig({ env: { MIZAN_VAR: varDir }, file })
  const database = await openDatabase(config)
  const log = createLogger({ level: 'silent', pretty: false })
  const parts = new Parts(log)
  reviveWhenDead(config, database, log, parts)
  t.teardown(() => parts.stop())
  const archiving = () =>
    withClient(database.url, (client) => client.query('show archive_mode')).then(
      ({ rows }) => rows[0]?.archive_mode as string,
      () => 'away',
    )
  t.equal(await archiving(), 'on')
  const died = database.embedded?.pid ?? 0
  process.kill(died, 'SIGKILL')
  while (isProcessAlive(died)) await new Promise((resolve) => setTimeout(resolve, 10))
  for (const endMs = Date.now() + 60_000; (await archiving()) !== 'on' && Date.now() < endMs; ) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.equal(await archiving(), 'on')
  await parts.stop()
  await database.close()
  t.equal(await archiving(), 'away', 'an orderly stop is not undone')
  await t.rejects(
    reviveEmbeddedPostgres({ dataDir: path.dirname(varDir), port: 1 }),
    { code: 'DATABASE_START_FAILED' },
    'and no database is made where there was none',
  )
})

t.test('a stale postmaster.pid whose pid now belongs to another program is no obstacle', async (t) => {
  const dataDir = dataFolder(t)
  const server = await startEmbeddedPostgres({ dataDir, ...sizes })
  const file = path.join(server.clusterDir, 'postmaster.pid')
  const lines = readFileSync(file, 'utf8').split('\n')
  await server.stop('immediate')
  const user = statSync(server.clusterDir)
  const identity = process.getuid?.() === 0 ? { uid: user.uid, gid: user.gid } : {}
  const stranger = spawn('sleep', ['60'], { ...identity, cwd: '/' })
  t.teardown(() => stranger.kill())
  writeFileSync(file, [stranger.pid, ...lines.slice(1)].join('\n'))
  const next = await startEmbeddedPostgres({ dataDir, ...sizes })
  t.equal(next.attached, false)
  t.ok(isProcessAlive(stranger.pid ?? 0))
  await next.release()
})

t.test('half a database, as a crash of initdb leaves, is made again', async (t) => {
  const dataDir = dataFolder(t)
  const root = path.join(dataDir, 'postgres')
  mkdirSync(path.join(root, 'unfinished-1', 'base'), { recursive: true })
  writeFileSync(path.join(root, 'unfinished-1', 'PG_VERSION'), '18\n')
  mkdirSync(path.join(root, 'data'))
  const server = await startEmbeddedPostgres({ dataDir, ...sizes })
  t.same(
    readdirSync(root).filter((name) => name.startsWith('unfinished')),
    [],
  )
  await server.release()
})

t.test('a lock left by a dead process is taken over', async (t) => {
  const dataDir = dataFolder(t)
  mkdirSync(path.join(dataDir, 'run'), { recursive: true })
  const dead = spawnSync('true').pid
  writeFileSync(path.join(dataDir, 'run', 'database.lock'), `${dead} 1`)
  const server = await startEmbeddedPostgres({ dataDir, ...sizes })
  await server.release()
  t.notOk(existsSync(path.join(dataDir, 'run', 'database.lock')))
})

t.test('a start that fails says why, with the end of the log', async (t) => {
  const dataDir = dataFolder(t)
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  t.teardown(() => other.close())
  const { port } = other.address() as { port: number }
  await t.rejects(startEmbeddedPostgres({ dataDir, port, ...sizes }), {
    code: 'DATABASE_START_FAILED',
    message: new RegExp(`port ${port} is taken.*Address already in use`),
  })
  await t.rejects(startEmbeddedPostgres({ dataDir, sharedBuffersMb: 0, maxWalSizeMb: 128 }), {
    code: 'DATABASE_START_FAILED',
    message: /its log ends: .*shared_buffers/,
  })
  t.equal(countEmbeddedUsers(dataDir), 0)
  writeFileSync(path.join(dataDir, 'postgres', 'data', 'PG_VERSION'), '12\n')
  await t.rejects(startEmbeddedPostgres({ dataDir, ...sizes }), {
    message: /made by PostgreSQL 12 and the binaries are PostgreSQL 18/,
  })
})

t.test('platforms without binaries get a clear error', async (t) => {
  t.throws(() => findBinaries('sunos', 'x64'), { code: 'DATABASE_START_FAILED', message: /sunos-x64.*DATABASE_URL/ })
  t.throws(() => findBinaries('darwin', 'arm64'), { message: /@embedded-postgres\/darwin-arm64 is not installed/ })
})

const rootOnly = process.getuid?.() === 0 ? {} : { skip: 'only root runs the server as another user' }

t.test('as root the server runs as another user', rootOnly, async (t) => {
  const dataDir = dataFolder(t)
  const server = await startEmbeddedPostgres({ dataDir, ...sizes })
  const owner = spawnSync('ps', ['-o', 'uid=', '-p', String(server.pid)], { encoding: 'utf8' }).stdout.trim()
  t.not(owner, '0')
  t.equal(statSync(server.clusterDir).uid, Number(owner))
  await server.release()
})

t.test("a data folder that the server's user cannot enter has its database elsewhere", rootOnly, async (t) => {
  const dataDir = dataFolder(t, 0o700)
  const relocationRoot = mkdtempSync(path.join(os.tmpdir(), 'mizan-relocated-'))
  t.teardown(() => rmSync(relocationRoot, { recursive: true, force: true }))
  const server = await startEmbeddedPostgres({ dataDir, relocationRoot, ...sizes })
  t.ok(server.clusterDir.startsWith(relocationRoot))
  t.equal(readFileSync(path.join(dataDir, 'postgres', 'moved-to'), 'utf8').trim(), path.dirname(server.clusterDir))
  const again = await startEmbeddedPostgres({ dataDir, relocationRoot, ...sizes })
  t.match(again, { attached: true, pid: server.pid })
  await again.release()
  await server.release()
  const next = await startEmbeddedPostgres({ dataDir, relocationRoot, ...sizes })
  t.equal(next.clusterDir, server.clusterDir, 'the same place again')
  await next.release()
  rmSync(path.dirname(server.clusterDir), { recursive: true })
  await t.rejects(startEmbeddedPostgres({ dataDir, relocationRoot, ...sizes }), {
    message: /moved-to says .* which is gone/,
  })
  rmSync(path.join(dataDir, 'postgres', 'moved-to'))
})

t.test('openDatabase uses the embedded server, or the one of the URL', async (t) => {
  const dataDir = dataFolder(t)
  const location: DatabaseLocation = { varDir: dataDir, database: { embedded: { port: 0, ...sizes } } }
  await t.rejects(openDatabase(location, { create: false }), { code: 'NOT_FOUND' })
  t.notOk(existsSync(dataDir), 'nothing was made')
  const [own, command] = await Promise.all([openDatabase(location), openDatabase(location)])
  t.match(own.url, /\/mizan$/)
  t.ok(own.serverVersion >= 180_000)
  const external = await openDatabase({ ...location, database: { ...location.database, url: own.url } })
  t.equal(external.embedded, undefined)
  await external.close()
  const wrong = new URL(own.url)
  wrong.pathname = '/nowhere'
  await t.rejects(openDatabase({ ...location, database: { ...location.database, url: wrong.href } }), {
    code: 'STORE_UNAVAILABLE',
    message: /nowhere/,
  })
  await command.close()
  t.ok(isProcessAlive(own.embedded?.pid ?? 0))
  await own.close()
  await own.close()
  t.notOk(isProcessAlive(own.embedded?.pid ?? 0))
  const refused = await openDatabase(
    { ...location, database: { ...location.database, url: own.url } },
    { waitMs: 300 },
  ).catch((error: Error) => error)
  t.match(refused, { code: 'STORE_UNAVAILABLE', message: /ECONNREFUSED/ })
  t.notMatch((refused as Error).message, new URL(own.url).password)
})

t.test('each test gets a database of its own', async (t) => {
  const one = await createTestDatabase(t)
  const two = await createTestDatabase(t)
  t.not(one.url, two.url)
  const name = new URL(one.url).pathname.slice(1)
  const exists = async () =>
    (await withClient(two.url, (client) => client.query('select 1 from pg_database where datname = $1', [name])))
      .rowCount
  t.equal(await exists(), 1)
  await one.drop()
  await one.drop()
  t.equal(await exists(), 0)
})

interface User {
  readonly child: ReturnType<typeof spawn>
  readonly pid: number
  readonly attached: boolean
  readonly ended: Promise<void>
}

/** Another process that uses the server until it gets SIGTERM. */
function startUser(dataDir: string): Promise<User> {
  const child = spawn(process.execPath, [userProgram, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH },
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return new Promise((resolve, reject) => {
    child.stdout.once('data', (chunk: Buffer) => resolve({ child, ended, ...JSON.parse(chunk.toString()) }))
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)))
  })
}
