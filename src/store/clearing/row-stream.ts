import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../connection.ts'

/** Rows that are fetched at once. */
const ROWS = 2_000
const REST_MAX_MS = 1_000
/**
 * Whoever adds more to the log of the database in a second is a lane with authorizations to commit: about fifty of
 * them.
 */
const BUSY_BYTES_PER_SECOND = 100_000
let streams = 0

/** How rows are read. */
export interface StreamOptions {
  /** Told of each rest that is taken, in milliseconds. */
  readonly onRest?: ((restMs: number) => void) | undefined
}

/**
 * Rows of a query, some thousand at a time, however many there are: through a cursor in the transaction that the caller
 * has begun. Several may be open at once. While others write to the database it rests between them as long as they
 * took, so that authorizations find a processor.
 */
export async function* streamRows<T extends object>(
  client: Client,
  text: string,
  values: readonly unknown[],
  { onRest }: StreamOptions = {},
): AsyncGenerator<T[]> {
  const name = `clearing_rows_${++streams}`
  const pace = new ReadingPace(client)
  await client.query(`declare ${name} no scroll cursor for ${text}`, [...values])
  const fetch = () => {
    const coming = client.query<T>(`fetch ${ROWS} from ${name}`)
    // Whoever stops reading early does not hear of it.
    coming.catch(() => undefined)
    return coming
  }
  for (let coming = fetch(); ; ) {
    const { rows } = await coming
    const isLast = rows.length < ROWS
    const isQuiet = !isLast && !(await pace.areOthersBusy())
    // The database looks for the next rows while these are worked on.
    if (isQuiet) coming = fetch()
    if (rows.length > 0) yield rows
    if (isLast) break
    if (isQuiet) {
      pace.begin()
      continue
    }
    const restMs = pace.restMs
    onRest?.(restMs)
    await sleep(restMs)
    pace.begin()
    coming = fetch()
  }
  await client.query(`close ${name}`)
}

/**
 * Tells whether others write to the database. In a snapshot the rows of others stand still, so it goes by the position
 * in the database's log, which whoever only reads does not move.
 */
class ReadingPace {
  readonly #client: Client
  #bytes: number | undefined
  #lookedMs = 0
  #sinceMs = performance.now()

  constructor(client: Client) {
    this.#client = client
  }

  /** As long as was worked since the last rest. */
  get restMs(): number {
    return Math.min(performance.now() - this.#sinceMs, REST_MAX_MS)
  }

  begin(): void {
    this.#sinceMs = performance.now()
  }

  /** Since the last look; not known at the first. */
  async areOthersBusy(): Promise<boolean> {
    const { rows } = await this.#client.query<{ bytes: string }>(
      `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as bytes`,
    )
    const nowMs = performance.now()
    const bytes = Number(rows[0]?.bytes)
    const added = bytes - (this.#bytes ?? bytes)
    const seconds = (nowMs - this.#lookedMs) / 1_000
    this.#bytes = bytes
    this.#lookedMs = nowMs
    return added / seconds > BUSY_BYTES_PER_SECOND
  }
}

/**
 * Does a piece of reading in one snapshot, for which statements are planned to be read to their end.
 * @throws what `work` throws
 */
export async function inSnapshot<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin isolation level repeatable read read only')
  try {
    await client.query('set local cursor_tuple_fraction = 1')
    await client.query(`set local work_mem = '64MB'`)
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}
