import type { Result } from '../authorization/result.ts'
import { addDays, businessDate, type Clock, civilDate } from '../calendar.ts'
import { assert, describeError, MizanError } from '../errors.ts'
import type { CommitOutcome, LanePosition, LaneStore } from '../store/lane-store.ts'
import { type Answer, decideBatch, type LaneRules } from './batch-decider.ts'
import { CacheWarmer } from './cache-warmer.ts'
import type { DueHold } from './hold-sweeper.ts'
import { HouseholdCache } from './household-cache.ts'
import type { LaneLimits, LaneOptions, LaneState } from './lane-options.ts'
import { retakeLane } from './lane-recovery.ts'
import { type Lookups, lookUp } from './lookups.ts'
import type { LaneObserver } from './observer.ts'
import { type Moment, momentOf, OpenBatch, type SentBatch } from './open-batch.ts'
import { Partitions } from './partitions.ts'
import { RecentKeys } from './recent-keys.ts'
import { Ring } from './ring.ts'
import { answerWithout, takeWorks, UnderWay, type Work } from './work.ts'

const LATE_SWEEP_MS = 20
/** Business days in which the keys to be remembered at a start are looked for. */
const KEY_DAYS = 2
const DUE_HOLDS_MAX = 4_096
const DUE_HOLDS_PER_BATCH = 32
/** Batches whose requests may come back to the ring: one sent, one open, one being taken. */
const BATCHES_OUT = 3

/**
 * The single writer of a lane. While one batch is being made durable, it takes what arrives, reads what it lacks and
 * decides it into the next one; that is sent the moment the first is durable, and only then are its requests answered.
 * One batch is in flight at a time, and no timer fills batches.
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
  /** Being filled. */
  #open: OpenBatch | undefined
  /** Being made durable. */
  #flight: SentBatch | undefined
  /** Failed, and to be dealt with before anything else is decided. */
  #failed: { readonly sent: SentBatch; readonly outcome: CommitOutcome } | undefined
  #wake: (() => void) | undefined
  #signalled = false
  #loop: Promise<void> | undefined
  #lateSweep: NodeJS.Timeout | undefined
  /** The last batch was refused for a repeated key and is being decided again, with the journal asked for every key. */
  #askedAgain = false

  constructor(options: LaneOptions) {
    const { lane, store, rules, limits, clock, observer } = options
    this.lane = lane
    this.#store = store
    this.#rules = rules
    this.#limits = limits
    this.#clock = clock
    this.#observer = observer
    this.#ring = new Ring(limits.ringCapacity, BATCHES_OUT * limits.batchMax)
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
    const today = businessDate(this.#clock.now(), this.#limits.cutoverMinutes)
    const { keys, sinceMs } = await this.#store.recentKeys(addDays(today, -KEY_DAYS), this.#limits.recentKeys / 2)
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

  async #run(): Promise<void> {
    while (this.#state !== 'fenced') {
      if (this.#failed !== undefined) {
        await this.#dealWith(this.#failed)
        continue
      }
      if (!this.#store.connected) {
        // A commit under way fails by itself, and then tells whether its batch may be in.
        if (this.#flight === undefined) await this.#recover(undefined)
        else await this.#turn()
        continue
      }
      if (await this.#gather()) {
        this.#sendOpen()
        continue
      }
      if (this.#isIdle) {
        if (this.#state === 'stopped') return
        if (!this.#warmer.done) {
          await this.#warm()
          continue
        }
      }
      await this.#turn()
    }
    this.#refuseWaiting()
  }

  get #isIdle(): boolean {
    const nothingOut = this.#flight === undefined && this.#failed === undefined && this.#open === undefined
    return nothingOut && this.#ring.size === 0 && this.#dueHolds.length === 0
  }

  #signal(): void {
    this.#signalled = true
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  async #turn(): Promise<void> {
    if (!this.#signalled) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.#signalled = false
    // One turn of the event loop: whatever else arrived with this request joins its batch.
    await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /** Uses an idle turn to fill the memory; the event loop gets its turn first, so that requests come before this. */
  async #warm(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
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
    const open = this.#open
    const nowMs = this.#clock.now()
    const moment = open?.moment ?? momentOf(nowMs, this.#limits.cutoverMinutes)
    const taken = new UnderWay()
    const ahead = [...(this.#flight?.underWay ?? []), ...(open?.underWay ?? [])]
    const room = this.#limits.batchMax - (open?.works.length ?? 0)
    const works = takeWorks(this.#ring, room, nowMs, [...ahead, taken], (work) => this.#early91(work, 'budget'))
    const dueHolds = open === undefined ? this.#dueHolds.splice(0, DUE_HOLDS_PER_BATCH) : []
    if (works.length === 0 && dueHolds.length === 0) return false
    try {
      const startedMs = performance.now()
      const lookups = await this.#lookUp(works, dueHolds, moment)
      if (this.#failed !== undefined) this.#putBack(works, dueHolds)
      else this.#decide(works, dueHolds, lookups, moment, startedMs, taken)
    } catch (error) {
      this.#observer.laneFault?.(this.lane, error)
      if (error instanceof MizanError && error.code === 'STORE_UNAVAILABLE') this.#putBack(works, dueHolds)
      else await this.#giveUpOpen(works, dueHolds)
    }
    return true
  }

  async #lookUp(works: readonly Work[], dueHolds: readonly DueHold[], moment: Moment): Promise<Lookups> {
    await this.#partitions.prepare(moment.businessDate)
    return lookUp({
      store: this.#store,
      cache: this.#cache,
      recent: this.#askedAgain ? undefined : this.#recent,
      works,
      dueHolds,
      moment,
      matchingDays: this.#limits.matchingDays,
    })
  }

  #decide(
    works: readonly Work[],
    dueHolds: readonly DueHold[],
    lookups: Lookups,
    moment: Moment,
    startedMs: number,
    taken: UnderWay,
  ): void {
    const open = this.#open ?? this.#newBatch(moment)
    this.#open = open
    const lookedUpMs = performance.now()
    open.answers.push(...decideBatch(works, dueHolds, lookups, open.builder, this.#cache, this.#rules))
    open.works.push(...works)
    open.dueHolds.push(...dueHolds)
    open.underWay.push(taken)
    open.prefetchMs += lookedUpMs - startedMs
    open.decideMs += performance.now() - lookedUpMs
  }

  /** A batch that follows the one in flight, or the last durable one. */
  #newBatch(moment: Moment): OpenBatch {
    const { epoch } = this.#position
    const before = this.#flight?.batch
    const seq = (before?.seq ?? this.#position.lastSeq) + 1
    const firstId = before?.nextId ?? this.#position.nextId
    return new OpenBatch({ lane: this.lane, epoch, seq, firstId, ...moment }, moment)
  }

  /** A defect while deciding: each request on its own, once nothing is in flight. */
  async #giveUpOpen(works: readonly Work[], dueHolds: readonly DueHold[]): Promise<void> {
    this.#cache.forget()
    const open = this.#open
    this.#open = undefined
    while (this.#flight !== undefined) await this.#turn()
    const all = [...(open?.works ?? []), ...works]
    const holds = [...(open?.dueHolds ?? []), ...dueHolds]
    if (this.#failed === undefined) await this.#isolate(all, holds, 'internal-fault')
    else this.#putBack(all, holds)
  }

  /** Sends the open batch, if there is one and nothing is in flight. */
  #sendOpen(): void {
    const open = this.#open
    if (open === undefined || this.#flight !== undefined || this.#failed !== undefined) return
    this.#open = undefined
    const { builder, works } = open
    this.#cache.keep(builder.touched)
    if (builder.isEmpty) return
    const sentMs = performance.now()
    const oldestMs = works[0]?.request.receivedAtMs ?? open.moment.atMs
    const waitedMs = this.#clock.now() - oldestMs - open.prefetchMs - open.decideMs
    const sent: SentBatch = {
      ...open,
      batch: builder.build(),
      touched: builder.touched,
      sentMs,
      queueMs: Math.max(0, waitedMs),
    }
    this.#flight = sent
    this.#store
      .commit(sent.batch, this.#position.lastHash)
      .catch((error: unknown): CommitOutcome => {
        return { kind: 'refused', code: '', constraint: '', reason: describeError(error) }
      })
      .then((outcome) => this.#settle(sent, outcome))
      .catch((error: unknown) => this.#observer.laneFault?.(this.lane, error))
  }

  #settle(sent: SentBatch, outcome: CommitOutcome): void {
    this.#flight = undefined
    this.#report(sent, outcome)
    this.#signal()
    if (outcome.kind !== 'committed') {
      this.#failed = { sent, outcome }
      return
    }
    this.#advance(sent, outcome.hash)
    // The next batch first: the database works on it while these are answered.
    this.#sendOpen()
    this.#answer(sent)
  }

  #report(sent: SentBatch, outcome: CommitOutcome): void {
    this.#observer.batchDone?.(this.lane, {
      outcome: outcome.kind,
      seq: sent.batch.seq,
      size: sent.works.length,
      queueMs: sent.queueMs,
      prefetchMs: sent.prefetchMs,
      decideMs: sent.decideMs,
      commitMs: performance.now() - sent.sentMs,
      depth: this.#ring.size,
      cachedHouseholds: this.#cache.size,
      ...this.#cache.takeCounts(),
    })
  }

  #advance({ batch }: SentBatch, hash: Buffer): void {
    this.#askedAgain = false
    this.#position = { ...this.#position, lastSeq: batch.seq, lastHash: hash, nextId: batch.nextId }
    for (const row of batch.authorizations) {
      this.#recent.add(row.key, batch.atMs)
      if (row.originalKey !== undefined) this.#recent.add(row.originalKey, batch.atMs)
    }
  }

  #answer({ works, answers }: SentBatch): void {
    assert(answers.length === works.length, 'every request of a batch has an answer')
    for (let index = 0; index < works.length; index++) {
      const { result, fields } = answers[index] as Answer
      works[index]?.respond(result, fields)
    }
  }

  /** A batch that was not made durable. What was decided after it stood on it, and is decided again. */
  async #dealWith({ sent, outcome }: { sent: SentBatch; outcome: CommitOutcome }): Promise<void> {
    this.#failed = undefined
    this.#withdraw()
    this.#cache.drop(sent.touched)
    if (outcome.kind === 'fenced') this.#fence(sent.works)
    else if (outcome.kind === 'unknown') await this.#recover({ sent, hash: outcome.hash })
    else if (outcome.kind === 'refused') {
      const { code, constraint, reason } = outcome
      this.#observer.batchRefused?.(this.lane, sent.batch.seq, sent.works.length, code, constraint, reason)
      if (constraint.includes('dedupe_key') && !this.#askedAgain) {
        // A key that the memory took for new is in the journal after all: decide again, asking for every key.
        this.#askedAgain = true
        this.#putBack(sent.works, sent.dueHolds)
        return
      }
      await this.#isolate(sent.works, sent.dueHolds, isCapacity(code) ? 'not-in-time' : 'internal-fault')
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
      for (const work of works) this.#early91(work, 'fenced')
      return
    }
    try {
      const moment = momentOf(this.#clock.now(), this.#limits.cutoverMinutes)
      const startedMs = performance.now()
      const lookups = await this.#lookUp(works, dueHolds, moment)
      this.#decide(works, dueHolds, lookups, moment, startedMs, new UnderWay())
      this.#sendOpen()
      while (this.#flight !== undefined) await this.#turn()
      if (this.#failed !== undefined) await this.#dealWith(this.#failed)
    } catch (error) {
      this.#cache.forget()
      this.#open = undefined
      this.#observer.laneFault?.(this.lane, error)
      const unavailable = error instanceof MizanError && error.code === 'STORE_UNAVAILABLE'
      for (const work of works) answerWithout(work, unavailable ? 'not-in-time' : failure)
    }
  }

  /**
   * After a lost connection: reconnect, take the lane again (which waits for the old commit to end one way or the
   * other) and learn whether the batch is in. It is answered if it is; otherwise its requests are decided again.
   */
  async #recover(lost: { sent: SentBatch; hash: Buffer } | undefined): Promise<void> {
    this.#withdraw()
    if (this.#state === 'running') this.#state = 'recovering'
    this.#observer.laneRecovering?.(this.lane)
    const position = await retakeLane(this.#store, this.#position.epoch, {
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
    const before = this.#position
    this.#position = position
    if (this.#state === 'recovering') this.#state = 'running'
    this.#observer.laneRecovered?.(this.lane, position.epoch, position.lastSeq, isIn)
    if (lost !== undefined && isIn) {
      this.#advance(lost.sent, lost.hash)
      this.#answer(lost.sent)
      return
    }
    assert(position.lastSeq === before.lastSeq, 'a lane under our own epoch cannot have moved on')
    if (lost !== undefined) this.#putBack(lost.sent.works, lost.sent.dueHolds)
  }

  /** Takes the open batch back: its requests wait again. */
  #withdraw(): void {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    this.#cache.forget()
    this.#putBack(open.works, open.dueHolds)
  }

  #putBack(works: readonly Work[], dueHolds: readonly DueHold[]): void {
    this.#ring.unshift(works)
    this.#dueHolds.unshift(...dueHolds)
  }

  /**
   * The lane is lost while a batch is of unknown outcome. If the journal can still be read it tells; if not, nobody is
   * answered: a late repeat or reversal will find what there is.
   */
  async #lose(lost: { sent: SentBatch; hash: Buffer } | undefined): Promise<void> {
    if (lost === undefined) {
      this.#fence([])
      return
    }
    const isIn = await this.#store.hasBatch(lost.sent.batch.seq, lost.hash).catch(() => undefined)
    if (isIn === true) this.#answer(lost.sent)
    this.#fence(isIn === false ? lost.sent.works : [])
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
    const oldest = this.#open?.works[0]
    if (oldest !== undefined && oldest.deadlineMs <= nowMs) this.#withdraw()
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
