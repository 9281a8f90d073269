import type { CivilDate, Clock } from '../calendar.ts'
import { assert, describeError } from '../errors.ts'
import type { Batch } from '../store/batch.ts'
import type { CommitOutcome, LaneJournal, LanePosition } from '../store/lane-journal.ts'
import type { Timing } from '../timing.ts'
import type { Admission } from './admission.ts'
import { type Answer, decideBatch } from './batch-decider.ts'
import type { Copies } from './copies.ts'
import type { HostDesk } from './host-desk.ts'
import type { HouseholdCache } from './household-cache.ts'
import type { LaneRules } from './lane-rules.ts'
import type { Lookups } from './lookups.ts'
import type { LaneObserver } from './observer.ts'
import { type Moment, OpenBatch, type SentBatch } from './open-batch.ts'
import type { RecentKeys } from './recent-keys.ts'
import type { Portion, UnderWay, Work } from './work.ts'

/** Before the first day of any installation. */
const NEVER_CLOSED = 20000101 as CivilDate

export interface PipelineOptions {
  readonly lane: number
  readonly store: LaneJournal
  readonly rules: LaneRules
  readonly cache: HouseholdCache
  readonly recent: RecentKeys
  readonly clock: Clock
  readonly timing: Timing
  readonly observer: LaneObserver
  /** Learns how fast batches become durable. */
  readonly admission: Admission
  readonly copies: Copies
  /** Requests that wait for a batch, for the report. */
  readonly waiting: () => number
  /** Requests at the account host; undefined where there is none. */
  readonly desk: HostDesk | undefined
  /** Called when a batch has been answered by the database, whatever it said. */
  readonly onSettled: () => void
}

/** A batch that was not made durable. */
export interface FailedBatch {
  readonly sent: SentBatch
  readonly outcome: Exclude<CommitOutcome, { kind: 'committed' }>
}

/**
 * The two batches of a lane: one that is being made durable and one that is being decided on top of it. The second is
 * sent the moment the first is durable, before the first one's requests are answered. A batch that fails stops all:
 * whoever owns the pipeline takes the open batch back, deals with the failure and goes on.
 */
export class BatchPipeline {
  readonly #options: PipelineOptions
  #position: LanePosition = { epoch: 0, lastSeq: 0, lastHash: Buffer.alloc(32), nextId: 0, openDate: NEVER_CLOSED }
  #open: OpenBatch | undefined
  #flight: SentBatch | undefined
  #landing: Promise<void> = Promise.resolve()
  #failed: FailedBatch | undefined

  constructor(options: PipelineOptions) {
    this.#options = options
  }

  /** Where the durable journal stands. */
  get position(): LanePosition {
    return this.#position
  }

  set position(position: LanePosition) {
    this.#position = position
  }

  /** First business day that the batch after the one in flight may be of. */
  get openDate(): CivilDate {
    return this.#openDateAfter(this.#flight?.batch)
  }

  /** A day that is closed late, or once more, opens none that is closed. */
  #openDateAfter(batch: Batch | undefined): CivilDate {
    const { openDate } = this.#position
    return batch?.openDate === undefined || batch.openDate < openDate ? openDate : batch.openDate
  }

  /** Being filled. */
  get open(): OpenBatch | undefined {
    return this.#open
  }

  /** Being made durable. */
  get flight(): SentBatch | undefined {
    return this.#flight
  }

  /** Failed, and to be dealt with before anything else is sent. */
  get failed(): FailedBatch | undefined {
    return this.#failed
  }

  get isEmpty(): boolean {
    return this.#flight === undefined && this.#failed === undefined && this.#open === undefined
  }

  /** Requests of both batches, on which a request that comes now may depend. */
  underWay(): UnderWay[] {
    return [...(this.#flight?.underWay ?? []), ...(this.#open?.underWay ?? [])]
  }

  /** Resolves when nothing is being made durable any more. */
  async landed(): Promise<void> {
    while (this.#flight !== undefined) await this.#landing
  }

  /** Decides a portion into the open batch. On a defect the batch holds nothing of it, but must be taken back. */
  decide(
    portion: Portion,
    { lookups, moment, startedMs, taken }: { lookups: Lookups; moment: Moment; startedMs: number; taken: UnderWay },
  ): void {
    const { cache, rules, desk } = this.#options
    const open = this.#open ?? this.#newBatch(moment)
    this.#open = open
    const lookedUpMs = this.#options.timing.monotonicMs()
    open.answers.push(...decideBatch(portion, lookups, { builder: open.builder, cache, rules, desk }))
    open.works.push(...portion.works)
    open.chores.push(...portion.chores)
    open.underWay.push(taken)
    open.prefetchMs += lookedUpMs - startedMs
    open.decideMs += this.#options.timing.monotonicMs() - lookedUpMs
  }

  /** A batch that follows the one in flight, or the last durable one. */
  #newBatch(moment: Moment): OpenBatch {
    const before = this.#flight?.batch
    const seq = (before?.seq ?? this.#position.lastSeq) + 1
    const firstId = before?.nextId ?? this.#position.nextId
    const { lane } = this.#options
    return new OpenBatch({ lane, epoch: this.#position.epoch, seq, firstId, ...moment }, moment)
  }

  /** Takes the open batch back: nothing of it was sent, and memory is as if it had never been. */
  takeBack(): OpenBatch | undefined {
    const open = this.#open
    this.#open = undefined
    this.#options.cache.forget()
    return open
  }

  /** Sends the open batch, if there is one and nothing is in flight. */
  send(): void {
    const open = this.#open
    if (open === undefined || this.#flight !== undefined || this.#failed !== undefined) return
    this.#open = undefined
    const { cache, store, observer, lane } = this.#options
    cache.keep(open.builder.touched)
    if (open.builder.isEmpty) return
    const sent = this.#sentBatch(open)
    this.#flight = sent
    this.#landing = store
      .commit(sent.batch, this.#position.lastHash)
      .catch((error: unknown): CommitOutcome => {
        return { kind: 'refused', code: '', constraint: '', reason: describeError(error) }
      })
      .then((outcome) => this.#settle(sent, outcome))
      .catch((error: unknown) => observer.laneFault?.(lane, error))
  }

  #sentBatch(open: OpenBatch): SentBatch {
    const { builder, works, chores, answers, underWay, prefetchMs, decideMs, moment } = open
    const oldestMs = works[0]?.request.receivedAtMs ?? moment.atMs
    const queueMs = Math.max(0, this.#options.clock.now() - oldestMs - prefetchMs - decideMs)
    const { touched } = builder
    const sentMs = this.#options.timing.monotonicMs()
    return {
      batch: builder.build(),
      works,
      chores,
      answers,
      touched,
      underWay,
      prefetchMs,
      decideMs,
      sentMs,
      queueMs,
    }
  }

  #settle(sent: SentBatch, outcome: CommitOutcome): void {
    const doneMs = this.#options.timing.monotonicMs()
    this.#flight = undefined
    this.#report(sent, outcome, doneMs)
    this.#options.onSettled()
    if (outcome.kind !== 'committed') {
      this.#failed = { sent, outcome }
      return
    }
    this.#options.admission.learn(sent.works.length, sent.sentMs - sent.decideMs - sent.prefetchMs, doneMs)
    this.#advance(sent, outcome.hash)
    // The next batch first: the database works on it while these are answered.
    this.send()
    this.#answer(sent)
  }

  #report(sent: SentBatch, outcome: CommitOutcome, doneMs: number): void {
    const { lane, cache, observer, waiting, admission } = this.#options
    observer.batchDone?.(lane, {
      outcome: outcome.kind,
      seq: sent.batch.seq,
      size: sent.works.length,
      queueMs: sent.queueMs,
      prefetchMs: sent.prefetchMs,
      decideMs: sent.decideMs,
      commitMs: doneMs - sent.sentMs,
      depth: waiting(),
      room: admission.room.request,
      cachedHouseholds: cache.size,
      ...cache.takeCounts(),
    })
  }

  /** Hands the failure over: what the batch changed in memory is dropped, and the pipeline may be used again. */
  takeFailure(): FailedBatch | undefined {
    const failed = this.#failed
    this.#failed = undefined
    if (failed !== undefined) this.#options.cache.drop(failed.sent.touched)
    return failed
  }

  /** A batch of unknown outcome turned out to be durable: its requests are answered. */
  accept(sent: SentBatch, hash: Buffer): void {
    this.#advance(sent, hash)
    this.#answer(sent)
  }

  #advance({ batch }: SentBatch, hash: Buffer): void {
    const { recent } = this.#options
    this.#position = {
      ...this.#position,
      lastSeq: batch.seq,
      lastHash: hash,
      nextId: batch.nextId,
      openDate: this.#openDateAfter(batch),
    }
    for (const row of batch.authorizations) {
      recent.add(row.key, batch.atMs)
      if (row.originalKey !== undefined) recent.add(row.originalKey, batch.atMs)
    }
  }

  #answer({ works, answers }: SentBatch): void {
    const { desk, copies, observer, lane } = this.#options
    assert(answers.length === works.length, 'every request of a batch has an answer')
    for (let index = 0; index < works.length; index++) {
      const { result, fields, call, standInPiasters } = answers[index] as Answer
      const work = works[index] as Work
      if (standInPiasters !== undefined) observer.stoodIn?.(lane, standInPiasters)
      if (call === undefined || desk === undefined) copies.answer(work, result, fields)
      else desk.ask(work, call)
    }
  }
}
