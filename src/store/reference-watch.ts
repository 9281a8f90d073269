import { type ChangeWatch, watchChanges } from './change-watch.ts'
import { type ReferenceTables, readReferenceChanges } from './reference-data.ts'

/** What to watch, and whom to tell. */
export interface ReferenceWatchOptions {
  readonly url: string
  /** Takes over what changed. */
  readonly tables: ReferenceTables
  /** Called when a change was taken over. */
  readonly onChange: (change: {
    readonly generation: number
    readonly outlets: number
    readonly faults: readonly string[]
  }) => void
  /** Gets what keeps changes from being read or taken, once until they can be again; what is in use stays in use. */
  readonly onError: (error: unknown) => void
  /** @default 1000 */
  readonly intervalMs?: number
}

/**
 * Follows the master data of outlets, terminals and rollout: each change is notified and taken over within
 * milliseconds, only what changed is read, and a look once a second stands behind it.
 */
export function watchReferenceData(options: ReferenceWatchOptions): ChangeWatch {
  const { url, tables, onChange, onError, intervalMs } = options
  return watchChanges({
    url,
    name: 'mizan reference watch',
    channel: 'mizan_reference',
    // Taken over as a part of the look: what fails is read again by the next one.
    look: async (client) => {
      const changes = await readReferenceChanges(client, tables.generation)
      if (changes === undefined) return undefined
      await tables.apply(changes)
      return { generation: changes.generation, outlets: changes.outlets.length, faults: changes.faults }
    },
    onChange,
    onError,
    ...(intervalMs === undefined ? {} : { intervalMs }),
  })
}
