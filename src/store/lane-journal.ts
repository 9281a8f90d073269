import type { CivilDate, CivilMonth } from '../calendar.ts'
import type { Household } from '../card/household.ts'
import type { Balance } from '../ledger/transfer.ts'
import type { Batch } from './batch.ts'
import type { Prefetched, PrefetchQuery } from './prefetch.ts'

/** Where a lane's journal stands. */
export interface LanePosition {
  readonly epoch: number
  readonly lastSeq: number
  readonly lastHash: Buffer
  readonly nextId: number
  /** The business days before it are closed: no batch may be of an earlier one. */
  readonly openDate: CivilDate
}

/**
 * How a commit ended. `fenced`: another writer owns the lane, or the batch before this one is not in; `refused`: rolled
 * back for a reason of the rows; `unknown`: the connection died on the way.
 */
export type CommitOutcome =
  | { readonly kind: 'committed' }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'refused'; readonly code: string; readonly constraint: string; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string }

/** A batch on its way: its hash, known at once, by which the next one follows it, and how it will have ended. */
export interface Commit {
  readonly hash: Buffer
  readonly outcome: Promise<CommitOutcome>
}

/** The journal of one lane as its writer uses it: a database (`LaneStore`), or that of a simulation. */
export interface LaneJournal {
  readonly connected: boolean

  /**
   * Connects and takes the lane over under a new epoch. It waits for a commit that still runs under the old one, so the
   * position is the truth about it.
   * @param expectedEpoch take it only if it is still under this epoch (a writer that comes back), or undefined
   * @returns where the journal stands, or undefined when another writer has taken the lane meanwhile
   * @throws MizanError STORE_UNAVAILABLE
   */
  take(expectedEpoch?: number): Promise<LanePosition | undefined>

  /**
   * Makes a batch durable, whole or not at all. The next one may be sent before the outcome is known: they are carried
   * out in their order, and one whose predecessor failed is fenced.
   * @param previousHash hash of the batch before it
   * @throws MizanError STORE_UNAVAILABLE when the lane was never taken; RangeError for what no column can hold
   */
  commit(batch: Batch, previousHash: Buffer): Commit

  /**
   * Reads what a batch lacks: households that are not in memory, and what the journal knows of repeats and originals.
   * @throws MizanError STORE_UNAVAILABLE when the connection is gone
   */
  prefetch(query: PrefetchQuery): Promise<Prefetched>

  /**
   * Wallets of households in the months after the last closed one and up to another.
   * @param closedMonths last closed month, by household
   * @throws MizanError STORE_UNAVAILABLE
   */
  pastWallets(
    closedMonths: ReadonlyMap<number, CivilMonth>,
    until: CivilMonth,
  ): Promise<Map<number, readonly Balance[]>>

  /**
   * Reads households of the lane in order of their number, after a number; fewer than `limit` means the end.
   * @throws MizanError STORE_UNAVAILABLE
   */
  loadAfter(householdId: number, limit: number, entitlementDate: CivilDate): Promise<readonly Household[]>

  /**
   * Keys from one to another, 16 bytes of latin1 each: those that authorizations of the lane were taken under, and
   * those of originals that reversals named and that have not come.
   * @param since first business date that is looked at
   * @param limit most of each
   * @throws MizanError STORE_UNAVAILABLE
   */
  keysWithin(since: CivilDate, from: string, to: string, limit: number): Promise<readonly string[]>

  /**
   * Whether a batch is in the journal, asked over a connection of its own: for a writer that has lost the lane.
   * @throws MizanError STORE_UNAVAILABLE
   */
  hasBatch(seq: number, hash: Buffer): Promise<boolean>

  /**
   * Makes sure that the journal has partitions for a business date and the days after it.
   * @returns why it could not be done now (such as a long query that locks the journal), or undefined; rows of a day
   *   without a partition of its own go to the default one, which `mizan verify` reports
   * @throws MizanError STORE_UNAVAILABLE
   */
  ensurePartitions(from: CivilDate, days: number): Promise<string | undefined>

  /** Forgets the connections; whatever they still carry is of unknown outcome. */
  drop(): void

  close(): Promise<void>
}
