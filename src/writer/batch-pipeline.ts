import type { CivilDate, Clock } from '../calendar.ts'
import { assert, describeError } from '../errors.ts'
import type { Batch } from '../store/batch.ts'
import type { Commit, CommitOutcome, LaneJournal, LanePosition } from '../store/lane-journal.ts'
import type { Timing } from '../timing.ts'
import type { Admission } from './admission.ts'
import { type Answer, decideBatch } from './batch-decider.ts'
import type { Copies } from './copies.ts'
import { FLIGHTS_MAX } from './flights.ts'
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
  /** Requests of a full batch. */
  readonly batchMax: number
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

/**
 * A batch that was not made durable, and those that were sent behind it: they followed it, so none of them is either.
 */
export interface FailedBatch {
  readonly sent: SentBatch
  readonly behind: readonly SentBatch[]
  readonly outcome: Exclude<CommitOutcome, { kind: 'committed' }>
}

/** A batch on its way to the database. */
interface Flight {
  readonly sent: SentBatch
  outcome: CommitOutcome | undefined
}

/**
 * The batches of a lane: those that are being made durable and one that is being decided on top of them. It is sent the
 * moment the one before it is durable, before that one's requests are answered; or when it is full, behind the one
 * before it: the database then goes from one to the next without waiting for us. They become durable in their order or
 * not at all, by the fence of the journal. A batch that fails stops all: whoever owns the pipeline takes the open batch
 * back, deals with the failure and goes on.
 */
export class BatchPipeline {
  readonly #options: PipelineOptions
  #position: LanePosition = { epoch: 0, lastSeq: 0, lastHash: Buffer.alloc(32), nextId: 0, openDate: NEVER_CLOSED }
  #open: OpenBatch | undefined
  #flights: Flight[] = []
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

  /** First business day that the batch after those in flight may be of. */
  get openDate(): CivilDate {
    return this.#flights.reduce((date, { sent }) => openDateAfter(date, sent.batch), this.#position.openDate)
  }

  /** Being filled. */
  get open(): OpenBatch | undefined {
    return this.#open
  }

  /** Being made durable: the last that was sent. */
  get flight(): SentBatch | undefined {
    return this.#flights.at(-1)?.sent
  }

  /** Failed, and to be dealt with before anything else is sent. */
  get failed(): FailedBatch | undefined {
    return this.#failed
  }

  get isEmpty(): boolean {
    return this.#flights.length === 0 && this.#failed === undefined && this.#open === undefined
  }

  /** Requests of all batches, on which a request that comes now may depend. */
  underWay(): UnderWay[] {
    return [...this.#flights.flatMap(({ sent }) => sent.underWay), ...(this.#open?.underWay ?? [])]
  }

  /** Resolves when nothing is being made durable any more. */
  async landed(): Promise<void> {
    while (this.#flights.length > 0) await this.#landing
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

  /** A batch that follows those in flight, or the last durable one. */
  #newBatch(moment: Moment): OpenBatch {
    const before = this.flight?.batch
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

  /** Sends the open batch, if there is one and it may go: nothing is in flight, or it is full and follows at once. */
  send(): void {
    const open = this.#open
    if (open === undefined || this.#failed !== undefined || !this.#mayFly(open)) return
    this.#open = undefined
    const { cache, observer, lane } = this.#options
    cache.keep(open.builder.touched)
    if (open.builder.isEmpty) return
    const sentMs = this.#options.timing.monotonicMs()
    const batch = open.builder.build()
    const { hash, outcome } = this.#commit(batch, this.flight?.hash ?? this.#position.lastHash)
    const flight: Flight = { sent: this.#sentBatch(open, { batch, hash, sentMs }), outcome: undefined }
    this.#flights.push(flight)
    this.#landing = outcome
      .then((known) => {
        flight.outcome = known
        this.#land()
      })
      .catch((error: unknown) => observer.laneFault?.(lane, error))
  }

  #mayFly({ works }: OpenBatch): boolean {
    const ahead = this.#flights
    if (ahead.length === 0) return true
    const isHopeless = ahead.some(({ outcome }) => outcome !== undefined)
    return works.length >= this.#options.batchMax && ahead.length < FLIGHTS_MAX && !isHopeless
  }

  /** A batch that cannot even be written down as the database reads it is refused. */
  #commit(batch: Batch, previousHash: Buffer): Commit {
    const refused = (error: unknown): CommitOutcome => {
      return { kind: 'refused', code: '', constraint: '', reason: describeError(error) }
    }
    try {
      const { hash, outcome } = this.#options.store.commit(batch, previousHash)
      return { hash, outcome: outcome.catch(refused) }
    } catch (error) {
      return { hash: previousHash, outcome: Promise.resolve(refused(error)) }
    }
  }

  #sentBatch(open: OpenBatch, what: Pick<SentBatch, 'batch' | 'hash' | 'sentMs'>): SentBatch {
    const { builder, works, chores, answers, underWay, prefetchMs, decideMs, moment } = open
    const oldestMs = works[0]?.request.receivedAtMs ?? moment.atMs
    const queueMs = Math.max(0, this.#options.clock.now() - oldestMs - prefetchMs - decideMs)
    const { touched } = builder
    return {
      ...what,
      works,
      chores,
      answers,
      touched,
      underWay,
      prefetchMs,
      decideMs,
      queueMs,
    }
  }

  /** Takes in what is known of the flights, in their order. */
  #land(): void {
    for (let first = this.#flights[0]; first?.outcome !== undefined; first = this.#flights[0]) {
      const { sent, outcome } = first
      // What flies behind a batch that failed is not dealt with before it has come down too.
      if (outcome.kind !== 'committed' && this.#flights.some((flight) => flight.outcome === undefined)) return
      this.#flights.shift()
      const doneMs = this.#options.timing.monotonicMs()
      this.#report(sent, outcome, doneMs)
      if (outcome.kind === 'committed') {
        this.#landed(sent, doneMs)
      } else {
        const behind = this.#flights.map((flight) => flight.sent)
        this.#flights = []
        this.#failed = { sent, behind, outcome }
      }
      this.#options.onSettled()
    }
  }

  #landed(sent: SentBatch, doneMs: number): void {
    this.#options.admission.learn(sent.works.length, sent.sentMs - sent.decideMs - sent.prefetchMs, doneMs)
    this.#advance(sent)
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

  /** Hands the failure over: what its batches changed in memory is dropped, and the pipeline may be used again. */
  takeFailure(): FailedBatch | undefined {
    const failed = this.#failed
    this.#failed = undefined
    if (failed === undefined) return undefined
    for (const { touched } of [failed.sent, ...failed.behind]) this.#options.cache.drop(touched)
    return failed
  }

  /** A batch of unknown outcome turned out to be durable: its requests are answered. */
  accept(sent: SentBatch): void {
    this.#advance(sent)
    this.#answer(sent)
  }

  #advance({ batch, hash }: SentBatch): void {
    const { recent } = this.#options
    this.#position = {
      ...this.#position,
      lastSeq: batch.seq,
      lastHash: hash,
      nextId: batch.nextId,
      openDate: openDateAfter(this.#position.openDate, batch),
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

/** A day that is closed late, or once more, opens none that is closed. */
function openDateAfter(openDate: CivilDate, batch: Batch): CivilDate {
  return batch.openDate === undefined || batch.openDate < openDate ? openDate : batch.openDate
}
