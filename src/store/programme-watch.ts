import type { ProgrammeBook, ProgrammeCatalogue } from '../benefit/programme-book.ts'
import type { CivilDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { watchChanges } from './change-watch.ts'
import { connect } from './connection.ts'
import { loadProgrammes, type ProgrammeSnapshot, readProgrammeGeneration } from './programme-reader.ts'

/** What to follow, and whom to tell. */
export interface ProgrammeWatchOptions {
  readonly url: string
  /** Called when what is published has been taken over. */
  readonly onChange: (snapshot: ProgrammeSnapshot) => void
  /** Gets what keeps programmes from being taken over, once until they can be; those in use stay in use. */
  readonly onError: (error: unknown) => void
  /** @default 1000 */
  readonly intervalMs?: number
}

/** The published programmes, followed while the switch runs. */
export interface LiveProgrammes {
  /** What decides now; replaced as a whole. */
  readonly catalogue: ProgrammeCatalogue
  readonly generation: number
  /** The programmes of a date, as they are published now. */
  on(date: CivilDate): ProgrammeBook
  /** Looks now: when it resolves, what was published before the call decides. */
  refresh(): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}

/**
 * Reads what is published and follows it: each change is notified and taken over within milliseconds, and a look once a
 * second stands behind it. What cannot be read or does not pass the checks changes nothing.
 * @throws MizanError PROGRAMME_INVALID, STORE_UNAVAILABLE when there is nothing to begin with
 */
export async function followProgrammes(options: ProgrammeWatchOptions): Promise<LiveProgrammes> {
  const { url, onChange, onError, intervalMs } = options
  let current = await readNow(url)
  // A generation that failed is told once and not read again: what is published next has another.
  let seen = current.generation
  const watch = watchChanges({
    url,
    name: 'mizan programme watch',
    channel: 'mizan_programme',
    look: async (client) => {
      const generation = await readProgrammeGeneration(client)
      if (generation === seen) return undefined
      return { generation, snapshot: await loadProgrammes(client).catch(invalid) }
    },
    onChange: ({ generation, snapshot }) => {
      seen = generation
      if ('error' in snapshot) throw snapshot.error
      seen = snapshot.generation
      current = snapshot
      onChange(current)
    },
    onError,
    ...(intervalMs === undefined ? {} : { intervalMs }),
  })
  return {
    get catalogue() {
      return current.catalogue
    },
    get generation() {
      return current.generation
    },
    on: (date) => current.catalogue.on(date),
    refresh: () => watch.poll(),
    close: () => watch.close(),
  }
}

/** What does not pass the checks will not pass them in a second either; any other fault is tried again. */
function invalid(error: unknown): { readonly error: MizanError } {
  if (error instanceof MizanError && error.code === 'PROGRAMME_INVALID') return { error }
  throw error
}

async function readNow(url: string): Promise<ProgrammeSnapshot> {
  const client = await connect({ url, name: 'mizan programmes', role: 'mizan_app' })
  try {
    return await loadProgrammes(client)
  } finally {
    await client.end()
  }
}
