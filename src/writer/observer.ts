import type { ClosingProgress } from './month-sweeper.ts'

/** How one batch went. */
export interface BatchReport {
  readonly outcome: 'committed' | 'fenced' | 'refused' | 'unknown'
  readonly seq: number
  readonly size: number
  /** How long the oldest request of the batch had waited. */
  readonly queueMs: number
  readonly prefetchMs: number
  readonly decideMs: number
  readonly commitMs: number
  /** Requests that waited when the batch was done. */
  readonly depth: number
  /** New requests that may wait at the lane's present speed. */
  readonly room: number
  readonly cachedHouseholds: number
  /** Since the batch before. */
  readonly cacheHits: number
  readonly cacheMisses: number
}

/** Why a request is answered 91 without being decided. */
export type EarlyReason = 'budget' | 'stopping' | 'fenced' | 'ring_full'

/** What the writer tells whoever watches; every call is cheap and none may throw. */
export interface LaneObserver {
  batchDone?(lane: number, report: BatchReport): void
  batchRefused?(lane: number, seq: number, size: number, sqlState: string, constraint: string, reason: string): void
  laneRecovering?(lane: number): void
  /** `committed`: the batch of unknown outcome turned out to be in the journal. */
  laneRecovered?(lane: number, epoch: number, lastSeq: number, committed: boolean): void
  laneFenced?(lane: number, epoch: number): void
  /** How many households an idle lane has read ahead, and whether it goes on doing so. */
  cacheWarmed?(lane: number, households: number, filling: boolean): void
  laneFault?(lane: number, error: unknown): void
  /** A defect of the program ended the lane, which decides nothing more; a process that begins anew goes on from the journal. */
  laneFailed?(lane: number, error: unknown): void
  early91?(lane: number, reason: EarlyReason): void
  /** An approval in the place of the account host is durable. */
  stoodIn?(lane: number, piasters: number): void
  /** How far the closing of past months is. */
  closingProgress?(lane: number, progress: ClosingProgress): void
}
