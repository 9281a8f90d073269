import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { describeError, MizanError } from '../errors.ts'
import { databaseServers, whereabouts } from './database-url.ts'
import {
  type EmbeddedPostgres,
  embeddedDatabaseExists,
  reviveEmbeddedPostgres,
  startEmbeddedPostgres,
} from './embedded-postgres.ts'
import { openClient } from './primary.ts'

/** The part of the configuration that says where the database is. */
export interface DatabaseLocation {
  /** Data folder of the switch, absolute. */
  readonly varDir: string
  readonly database: {
    /** A server of one's own; absent = the embedded one. */
    readonly url?: string
    readonly embedded: { readonly port: number; readonly sharedBuffersMb?: number; readonly maxWalSizeMb: number }
  }
  /** Present = the embedded server archives its journal there. */
  readonly backup?: { readonly folder: string; readonly archiveTimeoutSeconds: number }
}

/** How to open the database. */
export interface OpenDatabaseOptions {
  /** Gets a line about each step that takes time. Never holds a secret. */
  readonly onLog?: (line: string) => void
  /** Whether an embedded database may be made when there is none. Default true; commands that only read say false. */
  readonly create?: boolean
  /** How long to wait for the server of `url` to answer, in milliseconds. Default 10000. */
  readonly waitMs?: number
}

/** An open place for the ledger; connections to it are the caller's. */
export interface DatabaseHandle {
  /** Connection URL; holds the password, so it is never logged. */
  readonly url: string
  /** The embedded server, when that is what is used. */
  readonly embedded: EmbeddedPostgres | undefined
  /** PostgreSQL's version as a number: 180004 for 18.4. */
  readonly serverVersion: number
  /** Gives the database up. The last user of the embedded server stops it. Idempotent. */
  close(): Promise<void>
}

/** Database in the embedded server that holds the ledger. */
export const EMBEDDED_DATABASE = 'mizan'
/** Oldest PostgreSQL whose SQL the migrations may use. */
const SERVER_VERSION_MIN = 150_000

const RETRY_MS = 250

/**
 * Opens the database that the configuration names: `database.url`, or else the embedded server, which is started
 * unless it runs. A one-off command thus shares the server of a running switch, and otherwise starts it and stops it
 * at the end; a switch that starts meanwhile keeps it.
 * @throws MizanError DATABASE_START_FAILED when the embedded server cannot be started
 * @throws MizanError NOT_FOUND when there is no embedded database and `create` is false
 * @throws MizanError STORE_UNAVAILABLE when the server does not answer or is older than PostgreSQL 15
 */
export async function openDatabase(
  location: DatabaseLocation,
  options: OpenDatabaseOptions = {},
): Promise<DatabaseHandle> {
  const { url } = location.database
  if (url !== undefined) {
    // What is wrong with the URL itself will not get better by waiting.
    databaseServers(url)
    const serverVersion = await checkServer(url, options.waitMs ?? 10_000)
    return { url, embedded: undefined, serverVersion, close: async () => undefined }
  }
  if (options.create === false && !embeddedDatabaseExists(location.varDir)) {
    throw new MizanError('NOT_FOUND', `there is no database in ${location.varDir} yet; mizan start makes it`)
  }
  const embedded = await startEmbeddedPostgres(embeddedOptions(location, options))
  try {
    await ensureDatabase(embedded.url('postgres'), EMBEDDED_DATABASE)
    const databaseUrl = embedded.url(EMBEDDED_DATABASE)
    const serverVersion = await checkServer(databaseUrl, 0)
    return { url: databaseUrl, embedded, serverVersion, close: async () => void (await embedded.release()) }
  } catch (error) {
    await embedded.release()
    throw error
  }
}

/**
 * Starts the embedded server again where it has died: nobody else does while a process holds it.
 * @returns whether it had died
 * @throws MizanError DATABASE_START_FAILED
 */
export async function reviveDatabase(
  location: DatabaseLocation,
  { embedded }: DatabaseHandle,
  options: Pick<OpenDatabaseOptions, 'onLog'> = {},
): Promise<boolean> {
  if (embedded === undefined) return false
  return reviveEmbeddedPostgres({ ...embeddedOptions(location, options), port: embedded.port })
}

function embeddedOptions({ varDir, database, backup }: DatabaseLocation, { onLog }: OpenDatabaseOptions) {
  return {
    dataDir: varDir,
    ...database.embedded,
    ...(backup === undefined
      ? {}
      : { archive: { folder: backup.folder, timeoutSeconds: backup.archiveTimeoutSeconds } }),
    ...(onLog === undefined ? {} : { onLog }),
  }
}

/**
 * Creates a database unless it exists; two processes may do so at once.
 * @param adminUrl URL of another database of the server, of a user who may create databases
 */
export async function ensureDatabase(adminUrl: string, name: string): Promise<void> {
  await withClient(adminUrl, async (client) => {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name])
    if (rowCount !== 0) return
    try {
      await client.query(`create database ${client.escapeIdentifier(name)} template template0`)
    } catch (error) {
      // 42P04 duplicate_database, or 23505 when both insert the same catalogue row: the other one made it.
      if (!['42P04', '23505'].includes((error as { code?: string }).code ?? '')) throw error
    }
  })
}

/** Runs `work` on a connection of its own. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await openClient(url, {})
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Answers with the server's version; waits for a server that is only just starting. */
async function checkServer(url: string, waitMs: number): Promise<number> {
  const deadline = Date.now() + waitMs
  for (;;) {
    try {
      const version = await withClient(url, readVersion)
      if (version >= SERVER_VERSION_MIN) return version
      const major = Math.floor(version / 10_000)
      throw new MizanError('STORE_UNAVAILABLE', `it is PostgreSQL ${major}; mizan needs PostgreSQL 15 or later`)
    } catch (error) {
      if (error instanceof MizanError) throw error
      if (Date.now() + RETRY_MS > deadline || !isTransient(error)) {
        throw new MizanError('STORE_UNAVAILABLE', `${whereabouts(url)}: ${describeError(error)}`, { cause: error })
      }
      await sleep(RETRY_MS)
    }
  }
}

async function readVersion(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ version: string }>("select current_setting('server_version_num') as version")
  return Number(rows[0]?.version)
}

/** A server that starts refuses connections or says 57P03; a wrong password or name will not get better by waiting. */
function isTransient(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? ''
  return code.startsWith('E') || code === '57P03' || code === ''
}
