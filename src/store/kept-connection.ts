import { type Client, type ConnectionOptions, connect, isOutcomeUnknown } from './connection.ts'

/** One connection for pieces of work that come one after another; it is opened again when it was lost. */
export interface KeptConnection {
  /** Does a piece of work when those before it are done. Its transaction is undone when it throws. */
  use<T>(work: (client: Client) => Promise<T>): Promise<T>
  /** Ends the connection after what is under way. Idempotent. */
  close(): Promise<void>
}

/** Whoever takes over from a process that hangs within a transaction waits no longer for what it has locked. */
const IDLE_IN_TRANSACTION_MS = 15_000

/** Makes a connection that is opened when it is first needed. */
export function keptConnection(options: ConnectionOptions): KeptConnection {
  let client: Client | undefined
  let last: Promise<unknown> = Promise.resolve()
  const end = () => {
    client?.end().catch(() => undefined)
    client = undefined
  }
  const attempt = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    client ??= await connect({ idleInTransactionMs: IDLE_IN_TRANSACTION_MS, ...options })
    try {
      return await work(client)
    } catch (error) {
      // What the server refused leaves the connection in order; after anything else nobody knows.
      if (isOutcomeUnknown(error)) end()
      else await client?.query('rollback').catch(end)
      throw error
    }
  }
  return {
    use(work) {
      const next = last.then(() => attempt(work))
      last = next.catch(() => undefined)
      return next
    },
    async close() {
      await last
      await client?.end().catch(() => undefined)
      client = undefined
    },
  }
}
