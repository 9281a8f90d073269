import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, connect } from '../../src/store/connection.ts'
import { withClient } from '../../src/store/database-location.ts'
import { isOwnerAlive, readOwner } from '../../src/store/embedded/lock-file.ts'
import { isProcessAlive } from '../../src/store/embedded/processes.ts'
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { migrate, readMigrations } from '../../src/store/migrations.ts'

/** A database of a test's own. */
export interface TestDatabase {
  readonly url: string
  /** Removes it, ending its connections. Idempotent; runs by itself at teardown. */
  drop(): Promise<void>
}

/** The part of tap's `t` that is used here. */
export interface TeardownHost {
  teardown(work: () => unknown): unknown
}

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')
const PREFIX = 'mizan_test'
const TEMPLATE_LOCK = 7_364_301

let created = 0

/** What a new test database holds. */
export interface TestDatabaseOptions {
  /** Nothing at all; else the current schema, if the server is ours. @default false */
  readonly empty?: boolean
}

/**
 * Makes a database for a test and drops it at teardown: with the schema, but not set up. The test files of a run share one server: the
 * embedded one in a temporary folder named after the checkout, or that of DATABASE_URL. Whichever file comes first
 * starts it; `database-reaper.ts` stops it soon after the last one ended, however it ended.
 */
export async function createTestDatabase(
  t: TeardownHost,
  { empty = false }: TestDatabaseOptions = {},
): Promise<TestDatabase> {
  const server = await openTestServer()
  const name = `${PREFIX}_${shortHash(process.argv[1] ?? '')}_${process.pid}_${++created}`
  await withClient(server.adminUrl, async (client) => {
    if (server.shared) await dropAbandoned(client)
    const template = server.shared && !empty ? await templateOf(server, client) : 'template0'
    await client.query(`create database ${name} template ${template}`)
  })
  let dropped = false
  const drop = async () => {
    if (dropped) return
    dropped = true
    await withClient(server.adminUrl, (client) => client.query(`drop database if exists ${name} with (force)`))
  }
  t.teardown(drop)
  return { url: server.url(name), drop }
}

/** Data folder of the shared test server of this checkout and user. */
export function testServerFolder(): string {
  const user = process.getuid?.() ?? 0
  return path.join(os.tmpdir(), `mizan-test-${user}-${shortHash(repository)}`)
}

/** Sizes of the shared test server; durability is as everywhere. */
export const testServerOptions = { sharedBuffersMb: 64, maxWalSizeMb: 512 }

/**
 * A set-up database that the tests of a file share, where making one for each would cost more than the tests do.
 * @returns empties its key store, and gives connections of one test
 */
export async function sharedKeyStore(
  t: TeardownHost,
): Promise<(t: TeardownHost) => Promise<{ url: string; owner: Client; app: Client }>> {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  return async (t) => {
    const owner = await connect({ url, name: 'mizan test' })
    await owner.query(
      'truncate security_key, custodian, key_event, key_announcement, household restart identity cascade',
    )
    const app = await connect({ url, name: 'mizan test', role: 'mizan_app' })
    t.teardown(() => Promise.all([owner.end(), app.end()]))
    return { url, owner, app }
  }
}

interface TestServer {
  /** Whether it is the one of this checkout; another server's databases are not ours to clean up. */
  readonly shared: boolean
  readonly adminUrl: string
  url(database: string): string
}

async function openTestServer(): Promise<TestServer> {
  const external = process.env.DATABASE_URL
  if (external !== undefined && external !== '') {
    const url = (database: string) => Object.assign(new URL(external), { pathname: `/${database}` }).href
    return { shared: false, adminUrl: external, url }
  }
  const dataDir = testServerFolder()
  mkdirSync(dataDir, { recursive: true })
  const embedded = await startEmbeddedPostgres({ dataDir, ...testServerOptions })
  spawnReaper(dataDir)
  // The hold is left to the end of this process: were it given up between two tests, the server would stop and start.
  return { shared: true, adminUrl: embedded.url('postgres'), url: embedded.url }
}

/** In a session of its own and with no variable of the test runner: it outlives the test that started it. */
function spawnReaper(dataDir: string): void {
  const reaper = readOwner(reaperMark(dataDir))
  if (reaper !== undefined && isOwnerAlive(reaper)) return
  const script = path.join(repository, 'test', 'support', 'database-reaper.ts')
  const env = { PATH: process.env.PATH ?? '', TMPDIR: process.env.TMPDIR ?? '' }
  spawn(process.execPath, [script, dataDir, String(process.ppid)], {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
    env,
  }).unref()
}

/** File that names the running reaper. */
export function reaperMark(dataDir: string): string {
  return path.join(dataDir, 'run', 'reaper')
}

/**
 * A database with the current schema and nothing else, made by the first test of a run that needs one: copying it takes
 * a fraction of what the migrations take.
 */
async function templateOf(server: TestServer, client: Client): Promise<string> {
  const checksums = readMigrations().map(({ checksum }) => checksum)
  const name = `${PREFIX}_template_${shortHash(checksums.join())}`
  const exists = async () => (await client.query('select from pg_database where datname = $1', [name])).rowCount === 1
  if (await exists()) return name
  // The lock ends with this connection.
  await client.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK])
  if (await exists()) return name
  const { rows } = await client.query<{ datname: string }>('select datname from pg_database where datname ~ $1', [
    `^${PREFIX}_template_[0-9a-f]+(_made)?$`,
  ])
  for (const { datname } of rows) await client.query(`drop database if exists ${datname} with (force)`)
  // Named so only when it is whole.
  await client.query(`create database ${name}_made template template0`)
  await withClient(server.url(`${name}_made`), migrate)
  await client.query(`alter database ${name}_made rename to ${name}`)
  return name
}

/** Databases of tests that were killed: their name holds a pid that is gone. */
async function dropAbandoned(client: Client): Promise<void> {
  const { rows } = await client.query<{ datname: string }>('select datname from pg_database where datname ~ $1', [
    `^${PREFIX}_[0-9a-f]+_[0-9]+_[0-9]+$`,
  ])
  for (const { datname } of rows) {
    if (!isProcessAlive(Number(datname.split('_').at(-2)))) {
      await client.query(`drop database if exists ${datname} with (force)`)
    }
  }
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
