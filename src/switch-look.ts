import type { Client } from './store/connection.ts'
import { keptConnection } from './store/kept-connection.ts'
import type { SwitchBase } from './switch-base.ts'
import type { Parts } from './switch-parts.ts'

const EVERY_MS = 60_000
const QUERY_TIMEOUT_MS = 10_000

/**
 * Looks at the database once a minute, for gauges. One that cannot be read keeps what was seen last: that the database
 * is away is told elsewhere.
 * @param name of the connection
 * @returns looks once more, after the look that is under way
 */
export function lookEachMinute(
  { database }: Pick<SwitchBase, 'database'>,
  parts: Parts,
  name: string,
  look: (client: Client) => Promise<void>,
): () => void {
  const connection = keptConnection({ url: database.url, name, role: 'mizan_app', queryTimeoutMs: QUERY_TIMEOUT_MS })
  const once = () => connection.use(look).catch(() => undefined)
  let looking: Promise<unknown> = once()
  const again = () => {
    looking = looking.then(once)
  }
  const timer = setInterval(again, EVERY_MS)
  timer.unref()
  parts.add(async () => {
    clearInterval(timer)
    await looking
    await connection.close()
  })
  return again
}
