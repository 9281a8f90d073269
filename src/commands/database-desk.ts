import { type Config, loadConfig } from '../config/config.ts'
import { type Client, connect } from '../store/connection.ts'
import { openDatabase } from '../store/database-location.ts'
import type { CommandIo } from './command-io.ts'

/** The database of an installation, open for one command. */
export interface DatabaseDesk {
  readonly config: Config
  readonly url: string
  /** Of the application's role. */
  readonly client: Client
}

/**
 * Opens the database of an installation, does the work, and closes it.
 * @param name of the connection
 * @throws MizanError CONFIG_INVALID, STORE_UNAVAILABLE
 */
export async function atDatabase(
  io: CommandIo,
  options: { readonly config?: string },
  name: string,
  work: (desk: DatabaseDesk) => Promise<void>,
): Promise<void> {
  const config = loadConfig({ env: io.env, ...(options.config === undefined ? {} : { file: options.config }) })
  const database = await openDatabase(config, { create: false })
  try {
    const { url } = database
    const client = await connect({ url, name, role: 'mizan_app' })
    try {
      await work({ config, url, client })
    } finally {
      await client.end()
    }
  } finally {
    await database.close()
  }
}
