import { type Clock, civilDate } from '../calendar.ts'
import { describeError, MizanError } from '../errors.ts'
import { isCapacity, isRolledBack } from '../store/connection.ts'
import type { CommitOutcome } from '../store/lane-journal.ts'
import type { Timing } from '../timing.ts'
import type { BatchPipeline } from './batch-pipeline.ts'
import type { BatchReader } from './batch-reader.ts'
import { ChorePace } from './chore-pace.ts'
import { constraintInWords } from './handlers/refusal-words.ts'
import type { HouseholdCache } from './household-cache.ts'
import type { Failure, Intake } from './intake.ts'
import type { LaneLimits } from './lane-options.ts'
import type { LaneObserver } from './observer.ts'
import { type Moment, momentOf, type SentBatch } from './open-batch.ts'
import { type Portion, UnderWay } from './work.ts'

type Refusal = CommitOutcome & { kind: 'refused' }

export interface BatchMakerOptions {
  readonly lane: number
  readonly intake: Intake
  readonly cache: HouseholdCache
  readonly reader: BatchReader
  readonly pipeline: BatchPipeline
  readonly limits: LaneLimits
  readonly clock: Clock
  readonly timing: Timing
  readonly observer: LaneObserver
}

/**
 * Makes batches of what waits, and when the database refuses one, of each of its parts. What it gives to the pipeline
 * comes back to the intake unless it is durable or given up for good.
 */
export class BatchMaker {
  readonly #options: BatchMakerOptions
  readonly #pace = new ChorePace()
  /** Last batch that was refused for a repeated key: until it is durable, the journal is asked for every key. */
  #refusedSeq = 0

  constructor(options: BatchMakerOptions) {
    this.#options = options
  }

  /** Takes what waits and decides it into the open batch. @returns false when there is nothing to take, or no room */
  async gather(): Promise<boolean> {
    const { cache, pipeline, intake, limits, clock, timing, observer, lane } = this.#options
    cache.trim()
    const { open, flight } = pipeline
    const nowMs = clock.now()
    // What comes on another day is of another batch: a machine that stood still goes on days later with what it had
    // begun.
    if (open !== undefined && open.moment.entitlementDate !== civilDate(nowMs)) return false
    const moment = open?.moment ?? momentOf(nowMs, limits.cutoverMinutes, pipeline.openDate)
    // With a new month households are read anew: not while a batch of the old one is not in the database yet.
    if (flight !== undefined && flight.batch.entitlementDate !== moment.entitlementDate) return false
    const taken = new UnderWay()
    // Chores come first: a hold that was found past its time is past it for a batch that begins now.
    const room = {
      works: limits.batchMax - (open?.works.length ?? 0),
      chores: open === undefined ? this.#pace.roomAt(timing.monotonicMs(), intake.size) : 0,
    }
    const portion = intake.take(room, nowMs, [...pipeline.underWay(), taken])
    if (portion === undefined) return false
    if (portion.works.length > 0) this.#pace.requested(timing.monotonicMs())
    try {
      await this.#decide(portion, moment, taken)
    } catch (error) {
      observer.laneFault?.(lane, error)
      if (isUnavailable(error)) intake.putBack(portion)
      else await this.#giveUpOpen(portion, error)
    }
    return true
  }

  async #decide(portion: Portion, moment: Moment, taken: UnderWay): Promise<void> {
    const { pipeline, reader, intake, limits, timing } = this.#options
    const startedMs = timing.monotonicMs()
    const lookups = await reader.read(portion, moment, this.#refusedSeq > pipeline.position.lastSeq)
    if (pipeline.failed !== undefined) {
      intake.putBack(portion)
      return
    }
    // The batch that this was read for may have gone meanwhile, and have closed the day.
    const now = momentOf(moment.atMs, limits.cutoverMinutes, pipeline.openDate)
    pipeline.decide(portion, { lookups, moment: now, startedMs, taken })
  }

  /** A defect while deciding: each request and chore on its own, once nothing is in flight. */
  async #giveUpOpen({ works, chores }: Portion, error: unknown): Promise<void> {
    const { pipeline, intake } = this.#options
    const open = pipeline.takeBack()
    await pipeline.landed()
    const all = { works: [...(open?.works ?? []), ...works], chores: [...(open?.chores ?? []), ...chores] }
    if (pipeline.failed === undefined) await this.#isolate(all, faultOf(error))
    else intake.putBack(all)
  }

  /** Takes the open batch back: what it holds waits again. */
  withdraw(): void {
    const open = this.#options.pipeline.takeBack()
    if (open !== undefined) this.#options.intake.putBack(open)
  }

  /** What batches held waits again, in its order. */
  putBack(batches: readonly SentBatch[]): void {
    for (const sent of batches.toReversed()) this.#options.intake.putBack(sent)
  }

  /** The database refuses a batch; nothing is in flight, and nothing open. */
  async refused(sent: SentBatch, outcome: Refusal): Promise<void> {
    const { lane, intake, observer } = this.#options
    const { code, constraint, reason } = outcome
    const { seq } = sent.batch
    observer.batchRefused?.(lane, seq, sent.works.length, code, constraint, reason)
    if (isRepeatedKey(outcome) && this.#refusedSeq !== seq) {
      // A key that the memory took for new is in the journal after all: decide again, asking for every key.
      this.#refusedSeq = seq
      intake.putBack(sent)
    } else if (isRolledBack(code)) {
      intake.putBack(sent)
    } else if (isCapacity(code)) {
      this.#doWithout(sent, failureOf(outcome))
    } else {
      await this.#isolate(sent, failureOf(outcome))
    }
  }

  /**
   * The database lacks what it needs for any batch, such as room on its disk: to try each part alone would be that many
   * failures more. Chores rest, and requests that came with them are tried without; otherwise they are answered.
   */
  #doWithout({ works, chores }: Portion, failure: Failure): void {
    const { intake, clock } = this.#options
    if (chores.length === 0) {
      intake.giveUp({ works, chores }, failure, clock.now())
      return
    }
    intake.giveUp({ works: [], chores }, failure, clock.now())
    intake.putBack({ works, chores: [] })
  }

  /** A batch that cannot be made durable as a whole: each part on its own, so that a bad one harms no other. */
  async #isolate({ works, chores }: Portion, failure: Failure): Promise<void> {
    const { intake, clock } = this.#options
    if (works.length + chores.length === 1) {
      intake.giveUp({ works, chores }, failure, clock.now())
      return
    }
    const parts = [
      ...chores.map((chore): Portion => ({ works: [], chores: [chore] })),
      ...works.map((work): Portion => ({ works: [work], chores: [] })),
    ]
    for (const [index, part] of parts.entries()) {
      if (await this.#alone(part)) continue
      for (const later of parts.slice(index + 1).reverse()) intake.putBack(later)
      return
    }
  }

  /** @returns false when the lane has something to deal with first; the part is put back, or in a batch that failed */
  async #alone(part: Portion): Promise<boolean> {
    const { lane, pipeline, intake, limits, clock, observer } = this.#options
    const nowMs = clock.now()
    if (part.chores.length > 0 && intake.chores.isResting(nowMs)) {
      // Behind a chore that waits no other is done before it.
      intake.putBack(part)
      return true
    }
    try {
      await this.#decide(part, momentOf(nowMs, limits.cutoverMinutes, pipeline.openDate), new UnderWay())
      pipeline.send()
    } catch (error) {
      pipeline.takeBack()
      observer.laneFault?.(lane, error)
      if (!isUnavailable(error)) intake.giveUp(part, faultOf(error), nowMs)
      else intake.putBack(part)
      return !isUnavailable(error)
    }
    await pipeline.landed()
    const outcome = pipeline.failed?.outcome
    if (outcome === undefined) return true
    if (outcome.kind !== 'refused' || isRepeatedKey(outcome)) return false
    const seq = pipeline.takeFailure()?.sent.batch.seq ?? 0
    observer.batchRefused?.(lane, seq, part.works.length, outcome.code, outcome.constraint, outcome.reason)
    if (isRolledBack(outcome.code)) {
      intake.putBack(part)
      return false
    }
    intake.giveUp(part, failureOf(outcome), nowMs)
    return true
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof MizanError && error.code === 'STORE_UNAVAILABLE'
}

function isRepeatedKey({ constraint }: Refusal): boolean {
  return constraint.includes('dedupe_key')
}

function failureOf({ code, constraint, reason }: Refusal): Failure {
  const result = isCapacity(code) ? 'not-in-time' : 'internal-fault'
  return {
    result,
    reason: constraintInWords(constraint) ?? `the database refuses it (${constraint || code || reason})`,
  }
}

function faultOf(error: unknown): Failure {
  return { result: 'internal-fault', reason: `a fault of the program (${describeError(error)})` }
}
