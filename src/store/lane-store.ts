import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { type CivilDate, type CivilMonth, formatDate } from '../calendar.ts'
import type { Household } from '../card/household.ts'
import { describeError, MizanError } from '../errors.ts'
import type { Balance } from '../ledger/transfer.ts'
import type { Batch } from './batch.ts'
import { batchHash } from './batch-hash.ts'
import { byteaArray, int4Array, int8Array, textArray, uuidArray, uuidBytes, uuidText } from './binary-arrays.ts'
import { BatchEncoder, commitText, readRowTypes } from './commit-parameters.ts'
import { connect, isOutcomeUnknown, refusalOf } from './connection.ts'
import type { Commit, CommitOutcome, LaneJournal, LanePosition } from './lane-journal.ts'
import { type PositionRow, positionOf } from './lane-position.ts'
import {
  type FoundRow,
  type HouseholdRow,
  type PastRow,
  type Prefetched,
  type PrefetchQuery,
  readHouseholds,
  readPastWallets,
  readPrefetched,
} from './prefetch.ts'

/** Longest reading of what a lane knows at its start. */
const START_TIMEOUT_MS = 60_000
/** How much longer than the server may take we wait for its answer. */
const ANSWER_MS = 1_000

export interface LaneStoreOptions {
  readonly url: string
  readonly lane: number
  /** A commit that takes longer on our side is treated as of unknown outcome. */
  readonly commitTimeoutMs: number
}

/** Part of the server that warns when the wait of a commit for its standby is cancelled; its name is never translated. */
const WAITS_FOR_STANDBY = 'SyncRepWaitForLSN'
const NOT_REPLICATED = 'the wait for the standby of the database was cancelled'

/**
 * One lane's connections to its journal: one that commits, and takes the next batch before it has answered for the last, and
 * one that reads meanwhile.
 */
export class LaneStore implements LaneJournal {
  readonly #options: LaneStoreOptions
  /** Names this writer to itself: taking the lane may succeed without an answer. */
  readonly #taker = randomUUID()
  #client: pg.Client | undefined
  #reader: pg.Client | undefined
  #encoder: BatchEncoder | undefined
  #cutShort = false

  constructor(options: LaneStoreOptions) {
    this.#options = options
  }

  get connected(): boolean {
    return this.#client !== undefined && this.#reader !== undefined
  }

  /**
   * Connects and takes the lane over under a new epoch.
   * @param expectedEpoch take it only if it is still under this epoch, or was taken last by this very writer, which did not
   *   hear of it (a writer that comes back); undefined in any case
   * @returns where the journal stands, or undefined when another writer has taken the lane meanwhile
   * @throws MizanError STORE_UNAVAILABLE
   */
  async take(expectedEpoch?: number): Promise<LanePosition | undefined> {
    this.drop()
    const client = await this.#connect(`mizan lane ${this.#options.lane}`, true)
    try {
      const { rows } = await client.query<PositionRow>('select * from take_lane($1::smallint, $2::bigint, $3::uuid)', [
        this.#options.lane,
        expectedEpoch ?? null,
        this.#taker,
      ])
      if (this.#tookCutShort()) throw new Error(NOT_REPLICATED)
      const [row] = rows
      if (row === undefined) {
        await client.end().catch(() => undefined)
        return undefined
      }
      this.#encoder ??= new BatchEncoder(await readRowTypes(client))
      this.#reader = await this.#connect(`mizan lane ${this.#options.lane} reads`)
      this.#client = client
      return positionOf(row)
    } catch (cause) {
      client.end().catch(() => undefined)
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
  }

  /** When either connection ends, the lane has to be taken again. */
  async #connect(name: string, pipeline = false): Promise<pg.Client> {
    const { url, commitTimeoutMs } = this.#options
    const client = await connect({
      url,
      name,
      role: 'mizan_app',
      pointQueries: true,
      pipeline,
      statementTimeoutMs: commitTimeoutMs,
      queryTimeoutMs: commitTimeoutMs + ANSWER_MS,
    })
    client.on('notice', ({ routine }) => {
      if (routine === WAITS_FOR_STANDBY) this.#cutShort = true
    })
    client.once('end', () => {
      if (this.#client === client || this.#reader === client) this.drop()
    })
    return client
  }

  /**
   * Whether somebody cancelled the wait for the database's standby: PostgreSQL then says that it committed, though the standby
   * may not have it. Such a commit is of unknown outcome; to take the lane again waits for the standby to have both.
   */
  #tookCutShort(): boolean {
    const was = this.#cutShort
    this.#cutShort = false
    return was
  }

  /** See {@link LaneJournal.commit}: one statement, one transaction. */
  commit(batch: Batch, previousHash: Buffer): Commit {
    const client = this.#client
    const encoder = this.#encoder
    if (encoder === undefined) throw new MizanError('STORE_UNAVAILABLE', 'the lane was never taken')
    const journal = encoder.journal(batch)
    const hash = batchHash(previousHash, batch, journal)
    if (client === undefined) return { hash, outcome: Promise.resolve({ kind: 'unknown', reason: 'not connected' }) }
    // Written to the socket before this returns: the encoder's buffers are free for the next batch.
    const answer = client.query<{ done: boolean }>({
      name: 'commit_batch',
      text: commitText,
      values: encoder.parameters(batch, journal, hash),
    })
    return { hash, outcome: answer.then(({ rows }) => this.#ended(rows[0]?.done === true), this.#failed) }
  }

  #ended(isDone: boolean): CommitOutcome {
    if (!this.#tookCutShort()) return { kind: isDone ? 'committed' : 'fenced' }
    this.drop()
    return { kind: 'unknown', reason: NOT_REPLICATED }
  }

  readonly #failed = (error: unknown): CommitOutcome => {
    const reason = describeError(error)
    if (isOutcomeUnknown(error)) {
      this.drop()
      return { kind: 'unknown', reason }
    }
    const refusal = refusalOf(error)
    return { kind: 'refused', code: refusal?.code ?? '', constraint: refusal?.constraint ?? '', reason }
  }

  /**
   * Reads what a batch lacks: one query for households that are not in memory, and one for what the journal knows of
   * repeats and originals; mostly only the first is needed, and none when memory has everything. What terminals stored
   * is looked for by a query of its own, which no other message pays for.
   * @throws MizanError STORE_UNAVAILABLE when the connection is gone
   */
  async prefetch(query: PrefetchQuery): Promise<Prefetched> {
    const client = this.#reader
    if (client === undefined) throw new MizanError('STORE_UNAVAILABLE', 'the lane is not connected')
    try {
      const asksJournal = query.keys.length + query.originals.length > 0
      const [households, found, stored, numbered] = await Promise.all([
        query.panIndexes.length + query.householdIds.length > 0 ? this.#loadHouseholds(client, query) : [],
        asksJournal ? this.#findAuthorizations(client, query) : [],
        query.stored.length > 0 ? this.#findStored(client, query) : [],
        query.byId.length > 0 ? this.#readAuthorizations(client, query) : [],
      ])
      return readPrefetched(query, households, [...found, ...stored, ...numbered])
    } catch (cause) {
      this.drop()
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
  }

  /**
   * Wallets of households in the months after the last closed one and up to another.
   * @param closedMonths last closed month, by household
   * @throws MizanError STORE_UNAVAILABLE
   */
  async pastWallets(
    closedMonths: ReadonlyMap<number, CivilMonth>,
    until: CivilMonth,
  ): Promise<Map<number, readonly Balance[]>> {
    const client = this.#reader
    if (client === undefined) throw new MizanError('STORE_UNAVAILABLE', 'the lane is not connected')
    try {
      const { rows } = await client.query<PastRow>({
        name: 'load_past_wallets',
        text: 'select * from load_past_wallets($1, $2, $3, $4)',
        values: [this.#options.lane, int8Array([...closedMonths.keys()]), int4Array([...closedMonths.values()]), until],
      })
      return readPastWallets(rows)
    } catch (cause) {
      this.drop()
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
  }

  /**
   * Reads households of the lane in order of their number, after a number; fewer than `limit` means the end.
   * @throws MizanError STORE_UNAVAILABLE
   */
  async loadAfter(householdId: number, limit: number, entitlementDate: CivilDate): Promise<readonly Household[]> {
    const client = this.#reader
    if (client === undefined) throw new MizanError('STORE_UNAVAILABLE', 'the lane is not connected')
    try {
      const { rows } = await client.query<HouseholdRow>({
        name: 'load_households_after',
        text: 'select * from load_households_after($1, $2, $3, $4)',
        values: [this.#options.lane, householdId, limit, Math.floor(entitlementDate / 100)],
      })
      return readHouseholds(rows, entitlementDate)
    } catch (cause) {
      this.drop()
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
  }

  /** See {@link LaneJournal.keysWithin}. */
  async keysWithin(since: CivilDate, from: string, to: string, limit: number): Promise<readonly string[]> {
    const client = this.#reader
    if (client === undefined) throw new MizanError('STORE_UNAVAILABLE', 'the lane is not connected')
    try {
      const { commitTimeoutMs } = this.#options
      // Read at the start alone: what a commit may take says nothing about it.
      await client.query(`set statement_timeout = ${Math.max(commitTimeoutMs, START_TIMEOUT_MS)}`)
      const query = {
        text: 'select keys_within($1, $2, $3, $4, $5) as key',
        values: [this.#options.lane, formatDate(since), uuidText(from), uuidText(to), limit],
        query_timeout: Math.max(commitTimeoutMs, START_TIMEOUT_MS) + ANSWER_MS,
      }
      const { rows } = await client.query<{ key: string }>(query)
      await client.query(`set statement_timeout = ${commitTimeoutMs}`)
      return rows.map(({ key }) => uuidBytes(key))
    } catch (cause) {
      this.drop()
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
  }

  async #loadHouseholds(client: pg.Client, query: PrefetchQuery): Promise<HouseholdRow[]> {
    const { panIndexes, householdIds, entitlementDate } = query
    const { rows } = await client.query<HouseholdRow>({
      name: 'load_households_of',
      text: 'select * from load_households_of($1, $2, $3, $4)',
      values: [this.#options.lane, byteaArray(panIndexes), int8Array(householdIds), Math.floor(entitlementDate / 100)],
    })
    return rows
  }

  async #findAuthorizations(client: pg.Client, query: PrefetchQuery): Promise<FoundRow[]> {
    const { originals } = query
    const { rows } = await client.query<FoundRow>({
      name: 'find_authorizations',
      text: 'select * from find_authorizations($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)',
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
        originals.map((original) => original.completes),
        int8Array(originals.map((original) => original.returned)),
      ],
    })
    return rows
  }

  async #findStored(client: pg.Client, { stored }: PrefetchQuery): Promise<FoundRow[]> {
    const { rows } = await client.query<FoundRow>({
      name: 'find_stored',
      text: "select 'stored' as kind, reference, payload from find_stored($1, $2, $3, $4, $5, $6::date[])",
      values: [
        this.#options.lane,
        uuidArray(stored.map(({ key }) => key)),
        byteaArray(stored.map(({ panIndex }) => panIndex)),
        textArray(stored.map(({ terminal }) => terminal)),
        uuidArray(stored.map(({ contentHash }) => contentHash)),
        stored.map(({ since }) => formatDate(since)),
      ],
    })
    return rows
  }

  async #readAuthorizations(client: pg.Client, { byId }: PrefetchQuery): Promise<FoundRow[]> {
    const { rows } = await client.query<FoundRow>({
      name: 'authorizations_by_id',
      text: "select 'numbered' as kind, id::text as reference, payload from authorizations_by_id($1, $2, $3::date[])",
      values: [this.#options.lane, byId.map(({ id }) => id), byId.map(({ businessDate }) => formatDate(businessDate))],
    })
    return rows
  }

  /**
   * Whether a batch is in the journal, asked over a connection of its own: for a writer that has lost the lane.
   * @throws MizanError STORE_UNAVAILABLE
   */
  async hasBatch(seq: number, hash: Buffer): Promise<boolean> {
    const { url, commitTimeoutMs } = this.#options
    const client = await connect({
      url,
      name: 'mizan batch check',
      role: 'mizan_app',
      statementTimeoutMs: commitTimeoutMs,
      // A stop waits for the answer, and a database that accepts and then says nothing gives none.
      queryTimeoutMs: commitTimeoutMs + ANSWER_MS,
    })
    try {
      const { rowCount } = await client.query('select from batch where lane = $1 and seq = $2 and hash = $3', [
        this.#options.lane,
        seq,
        hash,
      ])
      return rowCount === 1
    } catch (cause) {
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
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

  /** Forgets the connections; whatever they still carry is of unknown outcome. */
  drop(): void {
    for (const client of this.#takeClients()) client.end().catch(() => undefined)
  }

  async close(): Promise<void> {
    for (const client of this.#takeClients()) await client.end().catch(() => undefined)
  }

  #takeClients(): pg.Client[] {
    const clients = [this.#client, this.#reader].filter((client) => client !== undefined)
    this.#client = undefined
    this.#reader = undefined
    return clients
  }
}
