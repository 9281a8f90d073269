import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { type CivilDate, type CivilMonth, formatDate } from '../calendar.ts'
import type { Household } from '../card/household.ts'
import { describeError, MizanError } from '../errors.ts'
import type { Balance } from '../ledger/transfer.ts'
import type { Batch } from './batch.ts'
import { batchHash } from './batch-hash.ts'
import { int4Array, int8Array, uuidBytes, uuidText } from './binary-arrays.ts'
import { BatchEncoder, commitText, readRowTypes } from './commit-parameters.ts'
import { connect, isOutcomeUnknown, refusalOf } from './connection.ts'
import type { Commit, CommitOutcome, LaneJournal, LanePosition } from './lane-journal.ts'
import { type PositionRow, positionOf } from './lane-position.ts'
import { readLacking } from './lane-reads.ts'
import {
  type HouseholdRow,
  type PastRow,
  type Prefetched,
  type PrefetchQuery,
  readHouseholds,
  readPastWallets,
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

  /** Reads what a batch lacks. @throws MizanError STORE_UNAVAILABLE when the connection is gone */
  prefetch(query: PrefetchQuery): Promise<Prefetched> {
    return this.#reading((client) => readLacking(client, this.#options.lane, query))
  }

  /**
   * Wallets of households in the months after the last closed one and up to another.
   * @param closedMonths last closed month, by household
   * @throws MizanError STORE_UNAVAILABLE
   */
  pastWallets(
    closedMonths: ReadonlyMap<number, CivilMonth>,
    until: CivilMonth,
  ): Promise<Map<number, readonly Balance[]>> {
    return this.#reading(async (client) => {
      const { rows } = await client.query<PastRow>({
        name: 'load_past_wallets',
        text: 'select * from load_past_wallets($1, $2, $3, $4)',
        values: [this.#options.lane, int8Array([...closedMonths.keys()]), int4Array([...closedMonths.values()]), until],
      })
      return readPastWallets(rows)
    })
  }

  /**
   * Reads households of the lane in order of their number, after a number; fewer than `limit` means the end.
   * @throws MizanError STORE_UNAVAILABLE
   */
  loadAfter(householdId: number, limit: number, entitlementDate: CivilDate): Promise<readonly Household[]> {
    return this.#reading(async (client) => {
      const { rows } = await client.query<HouseholdRow>({
        name: 'load_households_after',
        text: 'select * from load_households_after($1, $2, $3, $4)',
        values: [this.#options.lane, householdId, limit, Math.floor(entitlementDate / 100)],
      })
      return readHouseholds(rows, entitlementDate)
    })
  }

  /** See {@link LaneJournal.keysWithin}. */
  keysWithin(since: CivilDate, from: string, to: string, limit: number): Promise<readonly string[]> {
    return this.#reading(async (client) => {
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
    })
  }

  /** Reads over the connection for it, which is given up with the lane's other one when that fails. */
  async #reading<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = this.#reader
    if (client === undefined) throw new MizanError('STORE_UNAVAILABLE', 'the lane is not connected')
    try {
      return await work(client)
    } catch (cause) {
      this.drop()
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
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
