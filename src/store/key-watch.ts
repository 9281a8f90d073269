import { type ChangeWatch, watchChanges } from './change-watch.ts'
import type { Client } from './connection.ts'
import { type KeySnapshot, readKeyGeneration, readKeys } from './key-store.ts'

/** What to watch, and whom to tell. */
export interface KeyWatchOptions {
  readonly url: string
  /** Generation of the keys that are in use already. */
  readonly generation: number
  /** Gets all keys after a change. What it throws goes to `onError`; the same keys do not come again. */
  readonly onChange: (snapshot: KeySnapshot) => void | Promise<void>
  /**
   * Gets what keeps keys from being read, once until they can be read again: meanwhile those in use stay in use. Gets
   * also what `onChange` throws.
   */
  readonly onError: (error: unknown) => void
  /** @default 1000 */
  readonly intervalMs?: number
}

/** A running watch. */
export type KeyWatch = ChangeWatch

/** Watches the keys over a connection of its own, which is opened again when it was lost. Reads one row a second. */
export function watchKeys(options: KeyWatchOptions): KeyWatch {
  const { url, onChange, onError, intervalMs } = options
  let { generation } = options
  return watchChanges({
    url,
    name: 'mizan key watch',
    look: async (client: Client) => {
      if ((await readKeyGeneration(client)) === generation) return undefined
      const found = await readKeys(client)
      generation = found.generation
      return found
    },
    onChange,
    onError,
    ...(intervalMs === undefined ? {} : { intervalMs }),
  })
}
