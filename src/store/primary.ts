import { Socket } from 'node:net'
import type pg from 'pg'
import { describeError } from '../errors.ts'
import { databaseServers, whereabouts } from './database-url.ts'
import { PgClient } from './pg-client.ts'

/** Settings of a connection other than where it goes. */
export type ClientSettings = Omit<pg.ClientConfig, 'connectionString' | 'host' | 'port' | 'stream'>

const CONNECT_TIMEOUT_MS = 5_000
/** A server that has not answered by then may hang: the next one is tried beside it. */
const NEXT_AFTER_MS = 250

/**
 * Opens a connection to the server that a URL names; of several, to the first that answers and can be written. A server
 * that only reads (a standby, or one that recovers) counts as one that is not there.
 * @throws what the one server gave as its reason, or an AggregateError with a reason for each
 */
export async function openClient(url: string, settings: ClientSettings): Promise<pg.Client> {
  return (await openServer(url, settings)).client
}

interface OpenServer {
  readonly client: pg.Client
  /** URL of the one server. */
  readonly url: string
}

async function openServer(url: string, settings: ClientSettings): Promise<OpenServer> {
  const { urls, mustBeWritable } = databaseServers(url)
  const open = async (one: string) => {
    const client = await openOne(one, settings, mustBeWritable)
    return { client, url: one }
  }
  const [first] = urls
  if (first !== undefined && urls.length === 1) return open(first)
  return firstOf(urls, async (one) => {
    try {
      return await open(one)
    } catch (cause) {
      throw new Error(`${whereabouts(one)}: ${describeError(cause)}`, { cause })
    }
  })
}

async function openOne(url: string, settings: ClientSettings, mustBeWritable: boolean): Promise<pg.Client> {
  const client = new PgClient({ connectionTimeoutMillis: CONNECT_TIMEOUT_MS, ...settings, connectionString: url })
  // Without a listener a connection that dies between queries would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    if (mustBeWritable) await requireWritable(client)
    return client
  } catch (error) {
    client.end().catch(() => undefined)
    throw error
  }
}

async function requireWritable(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ recovering: boolean; read_only: string }>(
    "select pg_is_in_recovery() as recovering, current_setting('transaction_read_only') as read_only",
  )
  if (rows[0]?.recovering === true) throw new Error('it is a standby')
  if (rows[0]?.read_only !== 'off') throw new Error('it is read-only')
}

/** Tries the servers in turn, the next one when the last failed or hesitates; the first to succeed wins. */
function firstOf(urls: readonly string[], open: (url: string) => Promise<OpenServer>): Promise<OpenServer> {
  return new Promise((resolve, reject) => {
    const errors: unknown[] = []
    let begun = 0
    let won = false
    let hesitates: NodeJS.Timeout | undefined
    const next = () => {
      clearTimeout(hesitates)
      const url = urls[begun]
      if (won || url === undefined) return
      begun += 1
      hesitates = setTimeout(next, NEXT_AFTER_MS)
      open(url).then(
        (server) => {
          clearTimeout(hesitates)
          if (won) server.client.end().catch(() => undefined)
          else resolve(server)
          won = true
        },
        (error: unknown) => {
          errors.push(error)
          if (!won && errors.length === urls.length) reject(new AggregateError(errors))
          next()
        },
      )
    }
    next()
  })
}

interface PoolTarget {
  readonly connectionString: string
  readonly Client: typeof PgClient
  readonly stream?: () => Socket
}

/**
 * Where a pool connects: each connection of it looks for the server that can be written. Spread it into the settings of
 * a pool, or of a package that opens pools and connections itself.
 */
export function poolTarget(url: string): PoolTarget {
  const { urls, mustBeWritable } = databaseServers(url)
  const target = { connectionString: urls[0] ?? url, Client: PgClient }
  if (urls.length === 1 && !mustBeWritable) return target
  return { ...target, stream: () => new PrimarySocket(url) }
}

/** A socket that connects to the server that can be written, whatever address it is given. */
class PrimarySocket extends Socket {
  readonly #url: string

  constructor(url: string) {
    super()
    this.#url = url
  }

  override connect(): this {
    const found = openServer(this.#url, { application_name: 'mizan primary search' })
    found.then(
      ({ client, url }) => {
        client.end().catch(() => undefined)
        if (this.destroyed) return
        const { host, port } = new PgClient({ connectionString: url })
        super.connect(port, host)
      },
      (error: unknown) => this.destroy(error instanceof Error ? error : new Error(describeError(error))),
    )
    return this
  }
}
