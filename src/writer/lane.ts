import type { Result } from '../authorization/result.ts'
import { businessDate, type Clock, civilDate } from '../calendar.ts'
import type { Household } from '../card/household.ts'
import { assert, MizanError } from '../errors.ts'
import type { Batch } from '../store/batch.ts'
import type { CommitOutcome, LanePosition, LaneStore } from '../store/lane-store.ts'
import { BatchBuilder } from './batch-builder.ts'
import { type Answer, decideBatch, type LaneRules } from './batch-decider.ts'
import { CacheWarmer } from './cache-warmer.ts'
import type { DueHold } from './hold-sweeper.ts'
import { HouseholdCache } from './household-cache.ts'
import type { LaneLimits, LaneOptions, LaneState } from './lane-options.ts'
import { retakeLane } from './lane-recovery.ts'
import { type Lookups, lookUp } from './lookups.ts'
import type { LaneObserver } from './observer.ts'
import { Partitions } from './partitions.ts'
import { RecentKeys } from './recent-keys.ts'
import { Ring } from './ring.ts'
import { answerWithout, takeBatch, type Work } from './work.ts'

/** A batch that was sent and whose outcome decides its answers. */
interface Sent {
  readonly batch: Batch
  readonly works: readonly Work[]
  readonly dueHolds: readonly DueHold[]
  readonly answers: readonly Answer[]
  /** Households whose copies in memory it changed. */
  readonly touched: ReadonlySet<Household>
}

const LATE_SWEEP_MS = 20
const DUE_HOLDS_MAX = 4_096
const DUE_HOLDS_PER_BATCH = 32

/**
 * The single writer of a lane. It takes what has queued, reads what it lacks, decides in memory, commits the batch in
 * one statement and only then answers. No timer fills batches: when the commit slot is free, whatever waits goes.
 */
export class Lane {
  readonly lane: number
  readonly #store: LaneStore
  readonly #rules: LaneRules
  readonly #limits: LaneLimits
  readonly #clock: Clock
  readonly #observer: LaneObserver
  readonly #ring: Ring<Work>
  readonly #cache: HouseholdCache
  readonly #recent: RecentKeys
  readonly #partitions: Partitions
  readonly #warmer: CacheWarmer
  #dueHolds: DueHold[] = []
  #position: LanePosition = { epoch: 0, lastSeq: 0, lastHash: Buffer.alloc(32), nextId: 0 }
  #state: LaneState = 'starting'
  #wake: (() => void) | undefined
  #loop: Promise<void> | undefined
  #lateSweep: NodeJS.Timeout | undefined
  /** The last batch was refused for a repeated key and is being decided again. */
  #askedAgain = false

  constructor(options: LaneOptions) {
    const { lane, store, rules, limits, clock, observer } = options
    this.lane = lane
    this.#store = store
    this.#rules = rules
    this.#limits = limits
    this.#clock = clock
    this.#observer = observer
    this.#ring = new Ring(limits.ringCapacity)
    this.#cache = new HouseholdCache(limits.cacheHouseholds, limits.batchMax + DUE_HOLDS_PER_BATCH)
    this.#recent = new RecentKeys(limits.recentKeys, clock.now())
    this.#warmer = new CacheWarmer(store, this.#cache, limits.cacheHouseholds)
    this.#partitions = new Partitions(store, clock, (error) => observer.laneFault?.(lane, error))
  }

  get state(): LaneState {
    return this.#state
  }

  get epoch(): number {
    return this.#position.epoch
  }

  get lastSeq(): number {
    return this.#position.lastSeq
  }

  /**
   * Takes the lane over and starts deciding.
   * @throws MizanError STORE_UNAVAILABLE, NOT_FOUND
   */
  async start(): Promise<void> {
    const position = await this.#store.take()
    if (position === undefined) throw new MizanError('NOT_FOUND', `lane ${this.lane} is not in the database`)
    this.#position = position
    this.#recent.reset(this.#clock.now())
    await this.#partitions.prepare(businessDate(this.#clock.now(), this.#limits.cutoverMinutes))
    this.#state = 'running'
    this.#lateSweep = setInterval(() => this.#answerLate(), LATE_SWEEP_MS)
    this.#lateSweep.unref()
    this.#loop = this.#run()
  }

  /** Queues a request. @returns false when the lane has no room or does not run: the caller answers 91 */
  submit(work: Work): boolean {
    if (this.#state !== 'running' && this.#state !== 'recovering') return false
    if (!this.#ring.push(work)) return false
    this.#signal()
    return true
  }

  /** Queues the end of an expired hold. @returns false beyond the limit: it is left to the next sweep */
  expireHold(hold: DueHold): boolean {
    if (this.#dueHolds.length >= DUE_HOLDS_MAX || this.#state === 'fenced') return false
    this.#dueHolds.push(hold)
    this.#signal()
    return true
  }

  /** Decides what has queued, then stops. New work is refused at once. */
  async stop(): Promise<void> {
    if (this.#state !== 'fenced') this.#state = 'stopped'
    clearInterval(this.#lateSweep)
    this.#signal()
    await this.#loop
    this.#refuseWaiting()
    await this.#store.close()
  }

  #signal(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  async #run(): Promise<void> {
    while (this.#state !== 'fenced') {
      if (this.#ring.size === 0 && this.#dueHolds.length === 0) {
        if (this.#state === 'stopped') return
        if (!this.#warmer.done) {
          await this.#warm()
          continue
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        // One turn of the event loop: whatever else arrived with this request joins its batch.
        await new Promise<void>((resolve) => setImmediate(resolve))
        continue
      }
      await this.#step()
    }
    this.#refuseWaiting()
  }

  /** Uses an idle turn to fill the memory; the event loop gets its turn first, so that requests come before this. */
  async #warm(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (this.#ring.size > 0) return
    try {
      if (!this.#store.connected && !(await this.#recover(undefined))) return
      await this.#warmer.step(civilDate(this.#clock.now()))
      this.#observer.cacheWarmed?.(this.lane, this.#cache.size)
    } catch (error) {
      this.#warmer.stop()
      this.#observer.laneFault?.(this.lane, error)
    }
  }

  async #step(): Promise<void> {
    if (!this.#store.connected && !(await this.#recover(undefined))) return
    this.#cache.trim()
    const works = takeBatch(this.#ring, this.#limits.batchMax, this.#clock.now(), (work) =>
      this.#early91(work, 'budget'),
    )
    const dueHolds = this.#dueHolds.splice(0, DUE_HOLDS_PER_BATCH)
    if (works.length === 0 && dueHolds.length === 0) return
    try {
      await this.#process(works, dueHolds)
    } catch (error) {
      this.#observer.laneFault?.(this.lane, error)
      if (error instanceof MizanError && error.code === 'STORE_UNAVAILABLE') this.#putBack(works, dueHolds)
      else await this.#isolate(works, 'internal-fault')
    }
  }

  /** Reads, decides, commits and answers one batch. Throws only before anything was sent to be committed. */
  async #process(works: readonly Work[], dueHolds: readonly DueHold[]): Promise<void> {
    const startedMs = performance.now()
    const nowMs = this.#clock.now()
    const entitlementDate = civilDate(nowMs)
    const day = businessDate(nowMs, this.#limits.cutoverMinutes)
    await this.#partitions.prepare(day)
    const { matchingDays } = this.#limits
    const lookups = await lookUp({
      store: this.#store,
      cache: this.#cache,
      recent: this.#recent,
      works,
      dueHolds,
      nowMs,
      entitlementDate,
      businessDate: day,
      matchingDays,
    })
    const prefetchedMs = performance.now()
    const { epoch, lastSeq, nextId: firstId } = this.#position
    const head = { lane: this.lane, epoch, seq: lastSeq + 1, firstId, atMs: nowMs, businessDate: day, entitlementDate }
    const builder = new BatchBuilder(head)
    const { answers, batch } = this.#decideAll(works, dueHolds, lookups, builder)
    if (builder.isEmpty) {
      this.#cache.forget()
      return
    }
    const decidedMs = performance.now()
    const outcome = await this.#store.commit(batch, this.#position.lastHash)
    const committedMs = performance.now()
    this.#observer.batchDone?.(this.lane, {
      outcome: outcome.kind,
      seq: batch.seq,
      size: works.length,
      queueMs: Math.max(0, nowMs - (works[0]?.request.receivedAtMs ?? nowMs)),
      prefetchMs: prefetchedMs - startedMs,
      decideMs: decidedMs - prefetchedMs,
      commitMs: committedMs - decidedMs,
      depth: this.#ring.size,
      cachedHouseholds: this.#cache.size,
      ...this.#cache.takeCounts(),
    })
    await this.#conclude({ batch, works, dueHolds, answers, touched: builder.touched }, outcome)
  }

  /** Decides the batch in memory; on a defect no half-changed household is kept. */
  #decideAll(
    works: readonly Work[],
    dueHolds: readonly DueHold[],
    lookups: Lookups,
    builder: BatchBuilder,
  ): { answers: Answer[]; batch: Batch } {
    try {
      const answers = decideBatch(works, dueHolds, lookups, builder, this.#cache, this.#rules)
      return { answers, batch: builder.build() }
    } catch (error) {
      this.#cache.forget()
      throw error
    }
  }

  async #conclude(sent: Sent, outcome: CommitOutcome): Promise<void> {
    switch (outcome.kind) {
      case 'committed':
        this.#finish(sent, outcome.hash)
        return
      case 'fenced':
        this.#fence(sent.works)
        return
      case 'unknown':
        await this.#recover({ ...sent, hash: outcome.hash })
        return
      case 'refused': {
        const { code, constraint, reason } = outcome
        this.#observer.batchRefused?.(this.lane, sent.batch.seq, sent.works.length, code, constraint, reason)
        this.#cache.forget()
        if (constraint.includes('dedupe_key') && !this.#askedAgain) {
          // A key that the memory took for new is in the journal after all: decide again, asking for every key.
          this.#recent.reset(this.#clock.now())
          this.#askedAgain = true
          this.#putBack(sent.works, sent.dueHolds)
          return
        }
        await this.#isolate(sent.works, isCapacity(code) ? 'not-in-time' : 'internal-fault')
      }
    }
  }

  /** A batch that cannot be made durable as a whole: each request on its own, so that one bad one harms no other. */
  async #isolate(works: readonly Work[], failure: Result): Promise<void> {
    if (works.length <= 1) {
      for (const work of works) answerWithout(work, failure)
      return
    }
    for (const work of works) {
      try {
        await this.#process([work], [])
      } catch (error) {
        this.#observer.laneFault?.(this.lane, error)
        const unavailable = error instanceof MizanError && error.code === 'STORE_UNAVAILABLE'
        answerWithout(work, unavailable ? 'not-in-time' : 'internal-fault')
      }
    }
  }

  #finish(sent: Sent, hash: Buffer): void {
    const { batch, works, answers, touched } = sent
    this.#askedAgain = false
    this.#cache.keep(touched)
    this.#position = { ...this.#position, lastSeq: batch.seq, lastHash: hash, nextId: batch.nextId }
    for (const row of batch.authorizations) {
      this.#recent.add(row.key, batch.atMs)
      if (row.originalKey !== undefined) this.#recent.add(row.originalKey, batch.atMs)
    }
    for (const [index, work] of works.entries()) {
      const answer = answers[index]
      assert(answer !== undefined, 'every request of a batch has an answer')
      work.respond(answer.result, answer.fields)
    }
  }

  /**
   * After a lost connection: reconnect, take the lane again (which waits for the old commit to end one way or the
   * other) and learn whether the batch is in. It is answered if it is; otherwise its requests are decided again.
   * @returns false when the lane is lost
   */
  async #recover(sent: (Sent & { hash: Buffer }) | undefined): Promise<boolean> {
    if (this.#state === 'running') this.#state = 'recovering'
    this.#observer.laneRecovering?.(this.lane)
    const position = await retakeLane(this.#store, this.#position.epoch, {
      stopping: () => this.#state === 'stopped',
      onFault: (error) => this.#observer.laneFault?.(this.lane, error),
    })
    if (position === undefined) {
      await this.#lose(sent)
      return false
    }
    const isIn = sent !== undefined && position.lastSeq === sent.batch.seq && position.lastHash.equals(sent.hash)
    this.#cache.clear()
    this.#warmer.restart()
    this.#recent.reset(this.#clock.now())
    const before = this.#position
    this.#position = position
    if (this.#state === 'recovering') this.#state = 'running'
    this.#observer.laneRecovered?.(this.lane, position.epoch, position.lastSeq, isIn)
    if (sent !== undefined && isIn) {
      this.#finish(sent, sent.hash)
      return true
    }
    assert(position.lastSeq === before.lastSeq, 'a lane under our own epoch cannot have moved on')
    if (sent !== undefined) this.#putBack(sent.works, sent.dueHolds)
    return true
  }

  #putBack(works: readonly Work[], dueHolds: readonly DueHold[]): void {
    this.#ring.unshift(works)
    this.#dueHolds.unshift(...dueHolds)
  }

  /**
   * The lane is lost while a batch is of unknown outcome. If the journal can still be read it tells; if not, nobody is
   * answered: a late repeat or reversal will find what there is.
   */
  async #lose(sent: (Sent & { hash: Buffer }) | undefined): Promise<void> {
    if (sent === undefined) {
      this.#fence([])
      return
    }
    const isIn = await this.#store.hasBatch(sent.batch.seq, sent.hash).catch(() => undefined)
    if (isIn === true) this.#finish(sent, sent.hash)
    this.#fence(isIn === false ? sent.works : [])
  }

  #fence(works: readonly Work[]): void {
    this.#state = 'fenced'
    this.#cache.clear()
    this.#observer.laneFenced?.(this.lane, this.#position.epoch)
    for (const work of works) this.#early91(work, 'fenced')
    this.#refuseWaiting()
  }

  /** Answers what waits too long while the database does not move. */
  #answerLate(): void {
    const nowMs = this.#clock.now()
    for (let next = this.#ring.peek(); next !== undefined && next.deadlineMs <= nowMs; next = this.#ring.peek()) {
      this.#ring.shift()
      this.#early91(next, 'budget')
    }
  }

  #refuseWaiting(): void {
    const reason = this.#state === 'fenced' ? 'fenced' : 'stopping'
    for (let next = this.#ring.shift(); next !== undefined; next = this.#ring.shift()) this.#early91(next, reason)
  }

  #early91(work: Work, reason: 'budget' | 'stopping' | 'fenced'): void {
    this.#observer.early91?.(this.lane, reason)
    answerWithout(work, 'not-in-time')
  }
}

/** SQLSTATE classes 53 (no resources, such as a full disk), 55 and 57 (cancelled): the rows are not at fault. */
function isCapacity(sqlState: string): boolean {
  return ['53', '55', '57'].includes(sqlState.slice(0, 2))
}
