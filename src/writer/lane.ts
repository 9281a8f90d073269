import type { Result } from '../authorization/result.ts'
import { addDays, businessDate, type Clock, civilDate } from '../calendar.ts'
import { assert, MizanError } from '../errors.ts'
import { isCapacity } from '../store/connection.ts'
import type { LaneStore } from '../store/lane-store.ts'
import { BatchPipeline } from './batch-pipeline.ts'
import { CacheWarmer } from './cache-warmer.ts'
import type { DueHold } from './hold-sweeper.ts'
import { HouseholdCache } from './household-cache.ts'
import { DUE_HOLDS_PER_BATCH, Intake } from './intake.ts'
import type { LaneLimits, LaneOptions, LaneState } from './lane-options.ts'
import { retakeLane } from './lane-recovery.ts'
import { type Lookups, lookUp } from './lookups.ts'
import type { LaneObserver } from './observer.ts'
import { type Moment, momentOf, type SentBatch } from './open-batch.ts'
import { Partitions } from './partitions.ts'
import { RecentKeys } from './recent-keys.ts'
import { endOfTurn, Wake } from './wake.ts'
import { answerWithout, UnderWay, type Work } from './work.ts'

const LATE_SWEEP_MS = 20
/** Business days in which the keys to be remembered at a start are looked for. */
const KEY_DAYS = 2

/** A batch of unknown outcome. */
interface LostBatch {
  readonly sent: SentBatch
  readonly hash: Buffer
}

/**
 * The single writer of a lane. While one batch is being made durable, it takes what arrives, reads what it lacks and
 * decides it into the next one; only a durable batch is answered. One batch is in flight at a time, and no timer fills
 * batches. Everything but the sending of the next batch happens in one loop, failures included.
 */
export class Lane {
  readonly lane: number
  readonly #store: LaneStore
  readonly #limits: LaneLimits
  readonly #clock: Clock
  readonly #observer: LaneObserver
  readonly #intake: Intake
  readonly #cache: HouseholdCache
  readonly #recent: RecentKeys
  readonly #partitions: Partitions
  readonly #warmer: CacheWarmer
  readonly #pipeline: BatchPipeline
  readonly #wake = new Wake()
  #state: LaneState = 'starting'
  #loop: Promise<void> | undefined
  #lateSweep: NodeJS.Timeout | undefined
  /** Last batch that was refused for a repeated key: until it is durable, the journal is asked for every key. */
  #refusedSeq = 0

  constructor(options: LaneOptions) {
    const { lane, store, rules, limits, clock, observer } = options
    this.lane = lane
    this.#store = store
    this.#limits = limits
    this.#clock = clock
    this.#observer = observer
    this.#intake = new Intake(lane, limits, observer)
    this.#cache = new HouseholdCache(limits.cacheHouseholds, limits.batchMax + DUE_HOLDS_PER_BATCH)
    this.#recent = new RecentKeys(limits.recentKeys, clock.now())
    this.#warmer = new CacheWarmer(store, this.#cache, limits.cacheHouseholds)
    this.#partitions = new Partitions(store, clock, (error) => observer.laneFault?.(lane, error))
    this.#pipeline = new BatchPipeline({
      lane,
      store,
      rules,
      clock,
      observer,
      cache: this.#cache,
      recent: this.#recent,
      waiting: () => this.#intake.size,
      onSettled: () => this.#wake.signal(),
    })
  }

  get state(): LaneState {
    return this.#state
  }

  get epoch(): number {
    return this.#pipeline.position.epoch
  }

  get lastSeq(): number {
    return this.#pipeline.position.lastSeq
  }

  /**
   * Takes the lane over and starts deciding.
   * @throws MizanError STORE_UNAVAILABLE, NOT_FOUND
   */
  async start(): Promise<void> {
    const position = await this.#store.take()
    if (position === undefined) throw new MizanError('NOT_FOUND', `lane ${this.lane} is not in the database`)
    this.#pipeline.position = position
    const today = businessDate(this.#clock.now(), this.#limits.cutoverMinutes)
    const keysMax = Math.floor(this.#limits.recentKeys / 2)
    const { keys, sinceMs } = await this.#store.recentKeys(addDays(today, -KEY_DAYS), keysMax)
    this.#recent.restore(keys, sinceMs)
    await this.#partitions.prepare(today)
    this.#state = 'running'
    this.#lateSweep = setInterval(() => this.#answerLate(), LATE_SWEEP_MS)
    this.#lateSweep.unref()
    this.#loop = this.#run()
  }

  /** Queues a request. @returns false when the lane has no room or does not run: the caller answers 91 */
  submit(work: Work): boolean {
    if (this.#state !== 'running' && this.#state !== 'recovering') return false
    if (!this.#intake.push(work)) return false
    this.#wake.signal()
    return true
  }

  /** Queues the end of an expired hold. @returns false beyond the limit: it is left to the next sweep */
  expireHold(hold: DueHold): boolean {
    if (this.#state === 'fenced' || !this.#intake.pushHold(hold)) return false
    this.#wake.signal()
    return true
  }

  /** Decides what has queued, then stops. New work is refused at once. */
  async stop(): Promise<void> {
    if (this.#state !== 'fenced') this.#state = 'stopped'
    clearInterval(this.#lateSweep)
    this.#wake.signal()
    await this.#loop
    this.#refuseWaiting()
    await this.#store.close()
  }

  async #run(): Promise<void> {
    while (this.#state !== 'fenced') {
      if (this.#pipeline.failed !== undefined) {
        await this.#dealWithFailure()
      } else if (!this.#store.connected) {
        // A commit under way fails by itself, and then tells whether its batch may be in.
        if (this.#pipeline.flight === undefined) await this.#recover(undefined)
        else await this.#wake.wait()
      } else if (await this.#gather()) {
        this.#pipeline.send()
      } else if (!this.#isIdle) {
        await this.#wake.wait()
      } else if (this.#state === 'stopped') {
        return
      } else if (!this.#warmer.done) {
        await this.#warm()
      } else {
        await this.#wake.wait()
      }
    }
    this.#refuseWaiting()
  }

  get #isIdle(): boolean {
    return this.#pipeline.isEmpty && this.#intake.isEmpty
  }

  /** Uses an idle turn to fill the memory; the event loop gets its turn first, so that requests come before this. */
  async #warm(): Promise<void> {
    await endOfTurn()
    if (!this.#isIdle) return
    try {
      await this.#warmer.step(civilDate(this.#clock.now()))
      this.#observer.cacheWarmed?.(this.lane, this.#cache.size)
    } catch (error) {
      this.#warmer.stop()
      this.#observer.laneFault?.(this.lane, error)
    }
  }

  /** Takes what waits and decides it into the open batch. @returns false when there is nothing to take, or no room */
  async #gather(): Promise<boolean> {
    this.#cache.trim()
    const { open, flight } = this.#pipeline
    const nowMs = this.#clock.now()
    const moment = open?.moment ?? momentOf(nowMs, this.#limits.cutoverMinutes)
    // With a new month households are read anew: not while a batch of the old one is not in the database yet.
    if (flight !== undefined && flight.batch.entitlementDate !== moment.entitlementDate) return false
    const taken = new UnderWay()
    const ahead = this.#pipeline.underWay()
    const room = this.#limits.batchMax - (open?.works.length ?? 0)
    const works = this.#intake.take(room, nowMs, [...ahead, taken])
    const dueHolds = open === undefined ? this.#intake.takeHolds() : []
    if (works.length === 0 && dueHolds.length === 0) return false
    try {
      const startedMs = performance.now()
      const lookups = await this.#lookUp(works, dueHolds, moment)
      if (this.#pipeline.failed !== undefined) this.#intake.putBack(works, dueHolds)
      else this.#pipeline.decide(works, dueHolds, { lookups, moment, startedMs, taken })
    } catch (error) {
      this.#observer.laneFault?.(this.lane, error)
      if (error instanceof MizanError && error.code === 'STORE_UNAVAILABLE') this.#intake.putBack(works, dueHolds)
      else await this.#giveUpOpen(works, dueHolds)
    }
    return true
  }

  async #lookUp(works: readonly Work[], dueHolds: readonly DueHold[], moment: Moment): Promise<Lookups> {
    await this.#partitions.prepare(moment.businessDate)
    const asksAll = this.#refusedSeq > this.lastSeq
    return lookUp({
      store: this.#store,
      cache: this.#cache,
      recent: asksAll ? undefined : this.#recent,
      works,
      dueHolds,
      moment,
      matchingDays: this.#limits.matchingDays,
    })
  }

  /** A defect while deciding: each request on its own, once nothing is in flight. */
  async #giveUpOpen(works: readonly Work[], dueHolds: readonly DueHold[]): Promise<void> {
    const open = this.#pipeline.takeBack()
    await this.#pipeline.landed()
    const all = [...(open?.works ?? []), ...works]
    const holds = [...(open?.dueHolds ?? []), ...dueHolds]
    if (this.#pipeline.failed === undefined) await this.#isolate(all, holds, 'internal-fault')
    else this.#intake.putBack(all, holds)
  }

  /** A batch that was not made durable. What was decided after it stood on it, and is decided again. */
  async #dealWithFailure(): Promise<void> {
    this.#withdraw()
    const failed = this.#pipeline.takeFailure()
    if (failed === undefined) return
    const { sent, outcome } = failed
    if (outcome.kind === 'fenced') {
      this.#fence(sent.works)
    } else if (outcome.kind === 'unknown') {
      await this.#recover({ sent, hash: outcome.hash })
    } else {
      const { code, constraint, reason } = outcome
      const { seq } = sent.batch
      this.#observer.batchRefused?.(this.lane, seq, sent.works.length, code, constraint, reason)
      if (constraint.includes('dedupe_key') && this.#refusedSeq !== seq) {
        // A key that the memory took for new is in the journal after all: decide again, asking for every key.
        this.#refusedSeq = seq
        this.#intake.putBack(sent.works, sent.dueHolds)
      } else {
        await this.#isolate(sent.works, sent.dueHolds, isCapacity(code) ? 'not-in-time' : 'internal-fault')
      }
    }
  }

  /** A batch that cannot be made durable as a whole: each part on its own, so that a bad one harms no other. */
  async #isolate(works: readonly Work[], dueHolds: readonly DueHold[], failure: Result): Promise<void> {
    if (works.length + dueHolds.length === 1) {
      for (const work of works) answerWithout(work, failure)
      return
    }
    for (const hold of dueHolds) await this.#alone([], [hold], failure)
    for (const work of works) await this.#alone([work], [], failure)
  }

  async #alone(works: readonly Work[], dueHolds: readonly DueHold[], failure: Result): Promise<void> {
    if (this.#state === 'fenced') {
      for (const work of works) this.#intake.early91(work, 'fenced')
      return
    }
    try {
      const moment = momentOf(this.#clock.now(), this.#limits.cutoverMinutes)
      const startedMs = performance.now()
      const lookups = await this.#lookUp(works, dueHolds, moment)
      this.#pipeline.decide(works, dueHolds, { lookups, moment, startedMs, taken: new UnderWay() })
      this.#pipeline.send()
      await this.#pipeline.landed()
      await this.#dealWithFailure()
    } catch (error) {
      this.#pipeline.takeBack()
      this.#observer.laneFault?.(this.lane, error)
      const unavailable = error instanceof MizanError && error.code === 'STORE_UNAVAILABLE'
      for (const work of works) answerWithout(work, unavailable ? 'not-in-time' : failure)
    }
  }

  /**
   * After a lost connection: reconnect, take the lane again (which waits for the old commit to end one way or the
   * other) and learn whether the batch is in. It is answered if it is; otherwise its requests are decided again.
   */
  async #recover(lost: LostBatch | undefined): Promise<void> {
    this.#withdraw()
    if (this.#state === 'running') this.#state = 'recovering'
    this.#observer.laneRecovering?.(this.lane)
    const position = await retakeLane(this.#store, this.epoch, {
      stopping: () => this.#state === 'stopped',
      onFault: (error) => this.#observer.laneFault?.(this.lane, error),
    })
    if (position === undefined) {
      await this.#lose(lost)
      return
    }
    const isIn = lost !== undefined && position.lastSeq === lost.sent.batch.seq && position.lastHash.equals(lost.hash)
    this.#cache.clear()
    this.#warmer.restart()
    assert(isIn || position.lastSeq === this.lastSeq, 'a lane under our own epoch cannot have moved on')
    this.#pipeline.position = position
    if (this.#state === 'recovering') this.#state = 'running'
    this.#observer.laneRecovered?.(this.lane, position.epoch, position.lastSeq, isIn)
    if (lost === undefined) return
    if (isIn) this.#pipeline.accept(lost.sent, lost.hash)
    else this.#intake.putBack(lost.sent.works, lost.sent.dueHolds)
  }

  /** Takes the open batch back: its requests wait again. */
  #withdraw(): void {
    const open = this.#pipeline.takeBack()
    if (open !== undefined) this.#intake.putBack(open.works, open.dueHolds)
  }

  /**
   * The lane is lost while a batch is of unknown outcome. If the journal can still be read it tells; if not, nobody is
   * answered: a late repeat or reversal will find what there is.
   */
  async #lose(lost: LostBatch | undefined): Promise<void> {
    if (lost === undefined) {
      this.#fence([])
      return
    }
    const isIn = await this.#store.hasBatch(lost.sent.batch.seq, lost.hash).catch(() => undefined)
    if (isIn === true) this.#pipeline.accept(lost.sent, lost.hash)
    this.#fence(isIn === false ? lost.sent.works : [])
  }

  #fence(works: readonly Work[]): void {
    this.#state = 'fenced'
    this.#cache.clear()
    this.#observer.laneFenced?.(this.lane, this.epoch)
    for (const work of works) this.#intake.early91(work, 'fenced')
    this.#refuseWaiting()
  }

  /** Answers what waits too long while the database does not move. */
  #answerLate(): void {
    const nowMs = this.#clock.now()
    const oldest = this.#pipeline.open?.works[0]
    if (oldest !== undefined && oldest.deadlineMs <= nowMs) this.#withdraw()
    this.#intake.answerLate(nowMs)
  }

  #refuseWaiting(): void {
    this.#intake.refuseAll(this.#state === 'fenced' ? 'fenced' : 'stopping')
  }
}
