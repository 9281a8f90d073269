import type pg from 'pg'
import { type CivilDate, formatDate } from '../calendar.ts'
import type { Household } from '../card/household.ts'
import { describeError, MizanError } from '../errors.ts'
import { type Batch, batchHash } from './batch.ts'
import { byteaArray, int4Array, int8Array, textArray, uuidArray } from './binary-arrays.ts'
import { commitParameters, commitText, type RowTypeOids, readRowTypes } from './commit-parameters.ts'
import { connect, isOutcomeUnknown, refusalOf } from './connection.ts'
import {
  type FoundRow,
  type HouseholdRow,
  type Prefetched,
  type PrefetchQuery,
  readHouseholds,
  readPrefetched,
} from './prefetch.ts'

/** Ids of a lane step by this: lane n has the ids that are n more than a multiple. */
export const ID_STEP = 64

/** Where a lane's journal stands. */
export interface LanePosition {
  readonly epoch: number
  readonly lastSeq: number
  readonly lastHash: Buffer
  readonly nextId: number
}

/** How a commit ended. `refused`: rolled back for a reason of the rows; `unknown`: the connection died on the way. */
export type CommitOutcome =
  | { readonly kind: 'committed'; readonly hash: Buffer }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'refused'; readonly code: string; readonly constraint: string; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string; readonly hash: Buffer }

export interface LaneStoreOptions {
  readonly url: string
  readonly lane: number
  /** A commit that takes longer on our side is treated as of unknown outcome. */
  readonly commitTimeoutMs: number
}

/** One lane's connection to its journal. One statement is in flight at a time; the lane's writer sees to that. */
export class LaneStore {
  readonly #options: LaneStoreOptions
  #client: pg.Client | undefined
  #rowTypes: RowTypeOids | undefined

  constructor(options: LaneStoreOptions) {
    this.#options = options
  }

  get connected(): boolean {
    return this.#client !== undefined
  }

  /**
   * Connects and takes the lane over under a new epoch.
   * @param expectedEpoch take it only if it is still under this epoch (a writer that comes back), or undefined
   * @returns where the journal stands, or undefined when another writer has taken the lane meanwhile
   * @throws MizanError STORE_UNAVAILABLE
   */
  async take(expectedEpoch?: number): Promise<LanePosition | undefined> {
    this.drop()
    const client = await connect({
      url: this.#options.url,
      name: `mizan lane ${this.#options.lane}`,
      role: 'mizan_app',
      pointQueries: true,
      statementTimeoutMs: this.#options.commitTimeoutMs,
      queryTimeoutMs: this.#options.commitTimeoutMs + 1_000,
    })
    try {
      const { rows } = await client.query<{ epoch: string; last_seq: string; last_hash: Buffer; next_id: string }>(
        'select * from take_lane($1::smallint, $2::bigint)',
        [this.#options.lane, expectedEpoch ?? null],
      )
      const [row] = rows
      if (row === undefined) {
        await client.end().catch(() => undefined)
        return undefined
      }
      this.#rowTypes ??= await readRowTypes(client)
      this.#client = client
      client.once('end', () => {
        if (this.#client === client) this.#client = undefined
      })
      return {
        epoch: Number(row.epoch),
        lastSeq: Number(row.last_seq),
        lastHash: row.last_hash,
        nextId: Number(row.next_id),
      }
    } catch (cause) {
      client.end().catch(() => undefined)
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
  }

  /**
   * Makes a batch durable: one statement, one commit.
   * @param previousHash hash of the batch before it
   */
  async commit(batch: Batch, previousHash: Buffer): Promise<CommitOutcome> {
    const hash = batchHash(previousHash, batch)
    const client = this.#client
    if (client === undefined || this.#rowTypes === undefined) return { kind: 'unknown', reason: 'not connected', hash }
    try {
      const { rows } = await client.query<{ done: boolean }>({
        name: 'commit_batch',
        text: commitText,
        values: commitParameters(batch, hash, this.#rowTypes),
      })
      return rows[0]?.done === true ? { kind: 'committed', hash } : { kind: 'fenced' }
    } catch (error) {
      if (isOutcomeUnknown(error)) {
        this.drop()
        return { kind: 'unknown', reason: describeError(error), hash }
      }
      const refusal = refusalOf(error)
      return {
        kind: 'refused',
        code: refusal?.code ?? '',
        constraint: refusal?.constraint ?? '',
        reason: describeError(error),
      }
    }
  }

  /**
   * Reads what a batch lacks: one query for households that are not in memory, and one for what the journal knows of
   * repeats and originals; mostly only the first is needed, and none when memory has everything.
   * @throws MizanError STORE_UNAVAILABLE when the connection is gone
   */
  async prefetch(query: PrefetchQuery): Promise<Prefetched> {
    const client = this.#client
    if (client === undefined) throw new MizanError('STORE_UNAVAILABLE', 'the lane is not connected')
    try {
      const asksJournal = query.keys.length + query.originals.length > 0
      const [households, found] = await Promise.all([
        query.panIndexes.length > 0 ? this.#loadHouseholds(client, query) : [],
        asksJournal ? this.#findAuthorizations(client, query) : [],
      ])
      return readPrefetched(query, households, found)
    } catch (cause) {
      if (isOutcomeUnknown(cause)) this.drop()
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
  }

  /**
   * Reads households of the lane in order of their number, after a number; fewer than `limit` means the end.
   * @throws MizanError STORE_UNAVAILABLE
   */
  async loadAfter(householdId: number, limit: number, entitlementDate: CivilDate): Promise<readonly Household[]> {
    const client = this.#client
    if (client === undefined) throw new MizanError('STORE_UNAVAILABLE', 'the lane is not connected')
    try {
      const { rows } = await client.query<HouseholdRow>({
        name: 'load_households_after',
        text: 'select * from load_households_after($1, $2, $3, $4)',
        values: [this.#options.lane, householdId, limit, Math.floor(entitlementDate / 100)],
      })
      return readHouseholds(rows, entitlementDate)
    } catch (cause) {
      if (isOutcomeUnknown(cause)) this.drop()
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
  }

  async #loadHouseholds(client: pg.Client, query: PrefetchQuery): Promise<HouseholdRow[]> {
    const { rows } = await client.query<HouseholdRow>({
      name: 'load_households_of',
      text: 'select * from load_households_of($1, $2, $3)',
      values: [this.#options.lane, byteaArray(query.panIndexes), Math.floor(query.entitlementDate / 100)],
    })
    return rows
  }

  async #findAuthorizations(client: pg.Client, query: PrefetchQuery): Promise<FoundRow[]> {
    const { originals } = query
    const { rows } = await client.query<FoundRow>({
      name: 'find_authorizations',
      text: 'select * from find_authorizations($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)',
      values: [
        this.#options.lane,
        formatDate(query.since),
        uuidArray(query.keys),
        int4Array(originals.map((_, ordinal) => ordinal)),
        uuidArray(originals.map((original) => original.key)),
        byteaArray(originals.map((original) => original.panIndex)),
        textArray(originals.map((original) => original.networkReference)),
        textArray(originals.map((original) => original.rrn)),
        textArray(originals.map((original) => original.acceptor)),
        textArray(originals.map((original) => original.terminal)),
        int8Array(originals.map((original) => original.amount)),
      ],
    })
    return rows
  }

  /**
   * Whether a batch is in the journal, asked over a connection of its own: for a writer that has lost the lane.
   * @throws MizanError STORE_UNAVAILABLE
   */
  async hasBatch(seq: number, hash: Buffer): Promise<boolean> {
    const client = await connect({ url: this.#options.url, name: 'mizan batch check', role: 'mizan_app' })
    try {
      const { rowCount } = await client.query('select from batch where lane = $1 and seq = $2 and hash = $3', [
        this.#options.lane,
        seq,
        hash,
      ])
      return rowCount === 1
    } finally {
      await client.end()
    }
  }

  /**
   * Makes sure that the journal has partitions for a business date and the days after it.
   * @returns why it could not be done now (such as a long query that locks the journal), or undefined; rows of a day
   *   without a partition of its own go to the default one, which `mizan verify` reports
   * @throws MizanError STORE_UNAVAILABLE
   */
  async ensurePartitions(from: CivilDate, days: number): Promise<string | undefined> {
    const client = this.#client
    if (client === undefined) throw new MizanError('STORE_UNAVAILABLE', 'the lane is not connected')
    try {
      await client.query('select ensure_partitions($1::date, $2::integer)', [formatDate(from), days])
      return undefined
    } catch (cause) {
      if (!isOutcomeUnknown(cause)) return describeError(cause)
      this.drop()
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
  }

  /** Forgets the connection; whatever it still carries is of unknown outcome. */
  drop(): void {
    const client = this.#client
    this.#client = undefined
    client?.end().catch(() => undefined)
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => undefined)
  }
}
