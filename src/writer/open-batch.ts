import { type CivilDate, civilDate, openBusinessDate } from '../calendar.ts'
import type { Household } from '../card/household.ts'
import type { Batch } from '../store/batch.ts'
import { BatchBuilder, type BatchHead } from './batch-builder.ts'
import type { Answer } from './batch-decider.ts'
import type { Chore } from './chores.ts'
import type { Portion, UnderWay, Work } from './work.ts'

/** The instant at which a batch was begun, and the dates that all its decisions go by. */
export interface Moment {
  readonly atMs: number
  readonly businessDate: CivilDate
  readonly entitlementDate: CivilDate
}

/**
 * Dates of an instant.
 * @param openDate business days before it are closed
 */
export function momentOf(atMs: number, cutoverMinutes: number, openDate: CivilDate): Moment {
  const businessDate = openBusinessDate(atMs, cutoverMinutes, openDate)
  return { atMs, businessDate, entitlementDate: civilDate(atMs) }
}

/** What is decided while the batches before it are being made durable. */
export class OpenBatch implements Portion {
  readonly moment: Moment
  readonly builder: BatchBuilder
  readonly works: Work[] = []
  readonly chores: Chore[] = []
  readonly answers: Answer[] = []
  readonly underWay: UnderWay[] = []
  prefetchMs = 0
  decideMs = 0

  constructor(head: BatchHead, moment: Moment) {
    this.moment = moment
    this.builder = new BatchBuilder(head)
  }
}

/** A batch that was sent, and whose outcome decides its answers. */
export interface SentBatch extends Portion {
  readonly batch: Batch
  /** Of the batch and all before it. */
  readonly hash: Buffer
  readonly answers: readonly Answer[]
  /** Households that it changed in memory. */
  readonly touched: ReadonlySet<Household>
  readonly underWay: readonly UnderWay[]
  readonly prefetchMs: number
  readonly decideMs: number
  readonly sentMs: number
  readonly queueMs: number
}
