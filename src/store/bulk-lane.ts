import { formatDate, openBusinessDate } from '../calendar.ts'
import { describeError, MizanError } from '../errors.ts'
import { batchHash } from './batch-hash.ts'
import { openingBatch } from './bulk-opening.ts'
import { insertHouseholds } from './bulk-rows.ts'
import { BatchEncoder, commitText, readRowTypes } from './commit-parameters.ts'
import { type Client, connect, isOutcomeUnknown, refusalOf } from './connection.ts'
import type { HouseholdRecord } from './household-loader.ts'
import type { LanePosition } from './lane-journal.ts'
import { type PositionRow, positionOf } from './lane-position.ts'

/** When a load takes place. */
export interface BulkTime {
  readonly nowMs: number
  /** Minutes after Cairo midnight at which the business day ends. */
  readonly cutoverMinutes: number
}

/** Partitions that are made ahead, in days: the writer goes on from there (src/writer/partitions.ts). */
const PARTITION_DAYS = 3
const TIMEOUT_MS = 300_000

/** One lane that opens households in bulk, as its writer: master data, postings and journal in one transaction. */
export class BulkLane {
  readonly lane: number
  readonly #client: Client
  readonly #encoder: BatchEncoder
  readonly #time: BulkTime
  #position: LanePosition

  private constructor(lane: number, client: Client, encoder: BatchEncoder, time: BulkTime, position: LanePosition) {
    this.lane = lane
    this.#client = client
    this.#encoder = encoder
    this.#time = time
    this.#position = position
  }

  /**
   * Takes a lane over: a switch that writes it is fenced from now on.
   * @throws MizanError NOT_FOUND, STORE_UNAVAILABLE
   */
  static async open(url: string, lane: number, time: BulkTime): Promise<BulkLane> {
    const client = await connect({
      url,
      name: `mizan bulk lane ${lane}`,
      role: 'mizan_app',
      statementTimeoutMs: TIMEOUT_MS,
      queryTimeoutMs: TIMEOUT_MS + 1_000,
    })
    try {
      const { rows } = await client.query<PositionRow>('select * from take_lane($1::smallint, null)', [lane])
      const [row] = rows
      if (row === undefined) throw new MizanError('NOT_FOUND', `lane ${lane} is not in the database`)
      const position = positionOf(row)
      const from = formatDate(openBusinessDate(time.nowMs, time.cutoverMinutes, position.openDate))
      await client.query('select ensure_partitions($1::date, $2::integer)', [from, PARTITION_DAYS])
      const encoder = new BatchEncoder(await readRowTypes(client))
      return new BulkLane(lane, client, encoder, time, position)
    } catch (cause) {
      await client.end().catch(() => undefined)
      if (cause instanceof MizanError) throw cause
      throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
    }
  }

  /**
   * Opens households: all of them or none.
   * @param within more work of the same transaction; may say what stands in its way
   * @returns that, or the unique constraint that a row broke, nothing being written then; undefined when all is durable
   * @throws MizanError LANE_FENCED when another writer took the lane; STORE_REJECTED, STORE_UNAVAILABLE
   */
  async tryCommit(
    households: readonly HouseholdRecord[],
    within: (client: Client) => Promise<string | undefined> = async () => undefined,
  ): Promise<string | undefined> {
    const client = this.#client
    const batch = openingBatch(households, this.lane, this.#position, this.#time)
    const journal = this.#encoder.journal(batch)
    const hash = batchHash(this.#position.lastHash, batch, journal)
    try {
      await client.query('begin')
      if (households.length > 0) {
        await insertHouseholds(client, this.lane, households, batch.seq)
        const { rows } = await client.query<{ done: boolean }>({
          name: 'commit_batch',
          text: commitText,
          values: this.#encoder.parameters(batch, journal, hash),
        })
        if (rows[0]?.done !== true) throw new MizanError('LANE_FENCED', `lane ${this.lane}: does a switch run?`)
      }
      const broken = await within(client)
      await client.query(broken === undefined ? 'commit' : 'rollback')
      if (broken !== undefined) return broken
    } catch (cause) {
      await client.query('rollback').catch(() => undefined)
      if (cause instanceof MizanError) throw cause
      if (isOutcomeUnknown(cause)) throw new MizanError('STORE_UNAVAILABLE', describeError(cause), { cause })
      const refusal = refusalOf(cause)
      if (refusal?.code === UNIQUE_VIOLATION) return refusal.constraint
      throw new MizanError('STORE_REJECTED', describeError(cause), { cause })
    }
    if (households.length > 0) {
      this.#position = { ...this.#position, lastSeq: batch.seq, lastHash: hash, nextId: batch.nextId }
    }
    return undefined
  }

  /** As {@link tryCommit}, for rows that nobody has. */
  async commit(households: readonly HouseholdRecord[]): Promise<void> {
    const broken = await this.tryCommit(households)
    if (broken !== undefined) throw new MizanError('STORE_REJECTED', `a household or card is there already (${broken})`)
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => undefined)
  }
}

const UNIQUE_VIOLATION = '23505'
