import type { AnswerFields } from '../authorization/answer.ts'
import { applyDecision } from '../authorization/apply.ts'
import { decide } from '../authorization/decide.ts'
import type { DecisionPolicy, StoredAuthorization } from '../authorization/decision.ts'
import type { AuthorizationRequest, Outlet } from '../authorization/request.ts'
import type { Result } from '../authorization/result.ts'
import type { ProgrammeBook } from '../benefit/programme.ts'
import {
  addDays,
  businessDate,
  type CivilDate,
  type Clock,
  civilDate,
  monthOf,
  transmissionInstant,
} from '../calendar.ts'
import type { Household } from '../card/household.ts'
import { assert, MizanError } from '../errors.ts'
import type { Batch } from '../store/batch.ts'
import type { LanePosition, LaneStore } from '../store/lane-store.ts'
import type { OriginalQuery, Prefetched } from '../store/prefetch.ts'
import { BatchBuilder } from './batch-builder.ts'
import { HouseholdCache } from './household-cache.ts'
import type { LaneObserver } from './observer.ts'
import { RecentKeys } from './recent-keys.ts'
import { Ring } from './ring.ts'

/** Limits of a lane (architecture.md, "Limits on everything"). */
export interface LaneLimits {
  readonly ringCapacity: number
  readonly batchMax: number
  readonly cacheHouseholds: number
  readonly recentKeys: number
  /** How many days back an original or a first is looked for. */
  readonly matchingDays: number
  readonly cutoverMinutes: number
}

/** What a lane needs to decide, beside its own state. */
export interface LaneRules {
  readonly programmes: ProgrammeBook
  readonly policy: DecisionPolicy
  outletByAcceptor(acceptor: string): Outlet | undefined
}

/** A request on its way through a lane. */
export interface Work {
  readonly request: AuthorizationRequest
  /** DE39 table of the requester's dialect. */
  readonly responseCodes: Readonly<Record<Result, string>>
  /** After this instant a request that has not been sent to the database is answered 91. */
  readonly deadlineMs: number
  /** Called exactly once. */
  readonly respond: (result: Result, fields: AnswerFields) => void
}

export type LaneState = 'starting' | 'running' | 'recovering' | 'fenced' | 'stopped'

interface CommitPending {
  readonly batch: Batch
  readonly hash: Buffer
}

const RECOVERY_DELAY_MIN_MS = 20
const RECOVERY_DELAY_MAX_MS = 1_000
const EXPIRY_SWEEP_MS = 20

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
  #recent: RecentKeys
  #position: LanePosition = { epoch: 0, lastSeq: 0, lastHash: Buffer.alloc(32), nextId: 0 }
  #state: LaneState = 'starting'
  #wake: (() => void) | undefined
  #loop: Promise<void> | undefined
  #sweep: NodeJS.Timeout | undefined
  #partitionsUntil: CivilDate | undefined

  constructor(options: {
    lane: number
    store: LaneStore
    rules: LaneRules
    limits: LaneLimits
    clock: Clock
    observer: LaneObserver
  }) {
    this.lane = options.lane
    this.#store = options.store
    this.#rules = options.rules
    this.#limits = options.limits
    this.#clock = options.clock
    this.#observer = options.observer
    this.#ring = new Ring(options.limits.ringCapacity)
    this.#cache = new HouseholdCache(options.limits.cacheHouseholds)
    this.#recent = new RecentKeys(options.limits.recentKeys, options.clock.now())
  }

  get state(): LaneState {
    return this.#state
  }

  get depth(): number {
    return this.#ring.size
  }

  get epoch(): number {
    return this.#position.epoch
  }

  get lastSeq(): number {
    return this.#position.lastSeq
  }

  get cachedHouseholds(): number {
    return this.#cache.size
  }

  /**
   * Takes the lane over and starts deciding.
   * @throws MizanError STORE_UNAVAILABLE
   */
  async start(): Promise<void> {
    const position = await this.#store.take()
    if (position === undefined) throw new MizanError('NOT_FOUND', `lane ${this.lane} is not in the database`)
    this.#position = position
    this.#recent.reset(this.#clock.now())
    await this.#preparePartitions()
    this.#state = 'running'
    this.#sweep = setInterval(() => this.#answerLate(), EXPIRY_SWEEP_MS)
    this.#sweep.unref()
    this.#loop = this.#run()
  }

  /** Queues a request. @returns false when the lane has no room or does not run: the caller answers 91 */
  submit(work: Work): boolean {
    if (this.#state !== 'running' && this.#state !== 'recovering') return false
    if (!this.#ring.push(work)) return false
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
    return true
  }

  /** Decides what has queued, then stops. New work is refused at once. */
  async stop(): Promise<void> {
    if (this.#state !== 'fenced') this.#state = 'stopped'
    clearInterval(this.#sweep)
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
    await this.#loop
    this.#refuseAll()
    await this.#store.close()
  }

  async #run(): Promise<void> {
    while (this.#state === 'running' || this.#ring.size > 0) {
      if (this.#ring.size === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        // One turn of the event loop: whatever else arrived with this request joins its batch.
        await new Promise<void>((resolve) => setImmediate(resolve))
        continue
      }
      if (this.#state === 'fenced') break
      try {
        await this.#step()
      } catch (error) {
        this.#observer.laneFault?.(this.lane, error)
        await this.#recover(undefined)
      }
    }
    this.#refuseAll()
  }

  async #step(): Promise<void> {
    if (!this.#store.connected) {
      await this.#recover(undefined)
      return
    }
    this.#cache.trim()
    const works = this.#take()
    if (works.length === 0) return
    try {
      await this.#process(works)
    } catch (error) {
      if (error instanceof MizanError && error.code === 'STORE_UNAVAILABLE') {
        this.#ring.unshift(works)
        await this.#recover(undefined)
        return
      }
      this.#observer.laneFault?.(this.lane, error)
      await this.#isolate(works, 'internal-fault')
    }
  }

  /**
   * Takes the next batch. It ends before a request that depends on one in it: a repeat of the same key, or a reversal
   * of an original that is not in the journal yet.
   */
  #take(): Work[] {
    const works: Work[] = []
    const keys = new Set<string>()
    const cards = new Set<string>()
    const now = this.#clock.now()
    while (works.length < this.#limits.batchMax) {
      const next = this.#ring.peek()
      if (next === undefined) break
      if (next.deadlineMs <= now) {
        this.#ring.shift()
        this.#early91(next, 'budget')
        continue
      }
      const { key, originalKey } = next.request
      if (keys.has(key) || (originalKey !== undefined && keys.has(originalKey))) break
      if (needsOriginal(next.request) && originalKey === undefined && cards.has(next.request.panIndex)) break
      this.#ring.shift()
      works.push(next)
      keys.add(key)
      if (originalKey !== undefined) keys.add(originalKey)
      cards.add(next.request.panIndex)
    }
    return works
  }

  /** Reads, decides, commits and answers one batch. */
  async #process(works: readonly Work[]): Promise<void> {
    const startedMs = performance.now()
    const nowMs = this.#clock.now()
    const entitlementDate = civilDate(nowMs)
    const day = businessDate(nowMs, this.#limits.cutoverMinutes)
    await this.#preparePartitions(day)
    const prefetched = await this.#prefetch(works, nowMs, entitlementDate, day)
    const prefetchedMs = performance.now()

    const builder = new BatchBuilder({
      lane: this.lane,
      epoch: this.#position.epoch,
      seq: this.#position.lastSeq + 1,
      firstId: this.#position.nextId,
      atMs: nowMs,
      businessDate: day,
      entitlementDate,
    })
    const answers = works.map((work, ordinal) => this.#decide(work, ordinal, prefetched, builder))
    const batch = builder.build()
    const decidedMs = performance.now()
    const outcome = await this.#store.commit(batch, this.#position.lastHash)
    const committedMs = performance.now()

    this.#observer.batchDone?.(this.lane, {
      outcome: outcome.kind,
      seq: batch.seq,
      size: works.length,
      prefetchMs: prefetchedMs - startedMs,
      decideMs: decidedMs - prefetchedMs,
      commitMs: committedMs - decidedMs,
      depth: this.#ring.size,
      cachedHouseholds: this.#cache.size,
      ...this.#cache.takeCounts(),
    })
    switch (outcome.kind) {
      case 'committed':
        this.#finish(batch, outcome.hash, works, answers, nowMs)
        return
      case 'fenced':
        this.#fence(works)
        return
      case 'unknown':
        await this.#recover({ batch, hash: outcome.hash }, works, answers)
        return
      case 'refused':
        this.#dropTouched(builder.touched)
        this.#observer.batchRefused?.(
          this.lane,
          batch.seq,
          works.length,
          outcome.code,
          outcome.constraint,
          outcome.reason,
        )
        if (outcome.constraint.includes('dedupe_key')) this.#recent.reset(nowMs)
        await this.#isolate(works, isCapacity(outcome.code) ? 'not-in-time' : 'internal-fault')
    }
  }

  /** A batch that cannot be made durable as a whole: each request on its own, so that one bad one harms no other. */
  async #isolate(works: readonly Work[], failure: Result): Promise<void> {
    for (const work of works) this.#dropCard(work.request.panIndex)
    const [only] = works
    if (works.length === 1 && only !== undefined) {
      this.#answerWithout(only, failure)
      return
    }
    for (const work of works) {
      try {
        await this.#process([work])
      } catch (error) {
        if (error instanceof MizanError && error.code === 'STORE_UNAVAILABLE') this.#answerWithout(work, 'not-in-time')
        else await this.#isolate([work], 'internal-fault')
      }
    }
  }

  async #prefetch(
    works: readonly Work[],
    nowMs: number,
    entitlementDate: CivilDate,
    day: CivilDate,
  ): Promise<Prefetched> {
    const month = monthOf(entitlementDate)
    const panIndexes = new Set<string>()
    const keys: string[] = []
    const originals: OriginalQuery[] = []
    this.#originalOrdinals.clear()
    for (const work of works) {
      const { request } = work
      const { panIndex } = request
      if (request.fault === undefined && !this.#cache.has(panIndex, month)) panIndexes.add(panIndex)
      const transmittedMs = transmissionInstant(request.transmission, nowMs)
      if (this.#recent.mustAsk(request.key, transmittedMs, nowMs)) keys.push(request.key)
      if (needsOriginal(request)) {
        this.#originalOrdinals.set(work, originals.length)
        const { networkReference, rrn, acceptor } = request
        originals.push({ key: request.originalKey, panIndex, networkReference, rrn, acceptor })
      }
    }
    if (panIndexes.size === 0 && keys.length === 0 && originals.length === 0) return nothingPrefetched
    const since = addDays(day, -this.#limits.matchingDays)
    const prefetched = await this.#store.prefetch({
      entitlementDate,
      since,
      panIndexes: [...panIndexes],
      keys,
      originals,
    })
    for (const loaded of prefetched.households) this.#cache.add(loaded, month)
    return prefetched
  }

  readonly #originalOrdinals = new Map<Work, number>()

  #decide(work: Work, _ordinal: number, prefetched: Prefetched, builder: BatchBuilder): Answer {
    const { request, responseCodes } = work
    const found = this.#cache.get(work.request.panIndex)
    const outlet = this.#rules.outletByAcceptor(request.acceptor)
    const ordinal = this.#originalOrdinals.get(work)
    const original: StoredAuthorization | undefined =
      ordinal === undefined ? undefined : prefetched.originals.get(ordinal)
    const decision = decide(request, {
      id: builder.nextId,
      nowMs: builder.head.atMs,
      entitlementDate: builder.head.entitlementDate,
      programmes: this.#rules.programmes,
      policy: this.#rules.policy,
      card: found?.card,
      household: found?.household,
      outlet,
      previous: prefetched.previous.get(request.key),
      reversedEarly: prefetched.reversedEarly.has(request.key),
      original,
    })
    if (found !== undefined) applyDecision(decision, found.household)
    const orphan = isReversal(request) && original === undefined && decision.result === 'original-not-found'
    const fields = builder.add({
      request,
      decision,
      card: found?.card,
      household: found?.household,
      outletId: outlet?.id,
      responseCodes,
      originalKey: orphan ? request.originalKey : undefined,
    })
    return { result: decision.result, fields }
  }

  #finish(batch: Batch, hash: Buffer, works: readonly Work[], answers: readonly Answer[], nowMs: number): void {
    this.#position = { ...this.#position, lastSeq: batch.seq, lastHash: hash, nextId: batch.nextId }
    for (const row of batch.authorizations) {
      this.#recent.add(row.key, nowMs)
      if (row.originalKey !== undefined) this.#recent.add(row.originalKey, nowMs)
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
   */
  async #recover(
    pending: CommitPending | undefined,
    works: readonly Work[] = [],
    answers: readonly Answer[] = [],
  ): Promise<void> {
    if (this.#state === 'running') this.#state = 'recovering'
    this.#observer.laneRecovering?.(this.lane)
    const position = await this.#retake(works)
    if (position === undefined) {
      this.#fence(pending === undefined ? [] : works)
      return
    }
    const expected = this.#position
    const applied =
      pending !== undefined && position.lastSeq === pending.batch.seq && position.lastHash.equals(pending.hash)
    this.#cache.clear()
    this.#recent.reset(this.#clock.now())
    if (this.#state === 'recovering') this.#state = 'running'
    this.#observer.laneRecovered?.(this.lane, position.epoch, position.lastSeq, applied)
    if (pending !== undefined && applied) {
      this.#position = { ...position, lastSeq: expected.lastSeq, lastHash: expected.lastHash, nextId: expected.nextId }
      this.#finish(pending.batch, pending.hash, works, answers, this.#clock.now())
      return
    }
    assert(position.lastSeq === expected.lastSeq, 'a lane of an own epoch cannot have moved on')
    this.#position = position
    this.#ring.unshift(works)
  }

  /** Reconnects with growing pauses until the lane is ours again, or another's. */
  async #retake(works: readonly Work[]): Promise<LanePosition | undefined> {
    let delayMs = RECOVERY_DELAY_MIN_MS
    for (;;) {
      try {
        return await this.#store.take(this.#position.epoch)
      } catch (error) {
        this.#observer.laneFault?.(this.lane, error)
        if (this.#state === 'stopped' && works.length === 0) return undefined
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      delayMs = Math.min(delayMs * 2, RECOVERY_DELAY_MAX_MS)
    }
  }

  #fence(works: readonly Work[]): void {
    this.#state = 'fenced'
    this.#cache.clear()
    this.#observer.laneFenced?.(this.lane, this.#position.epoch)
    for (const work of works) this.#answerWithout(work, 'not-in-time')
    this.#refuseAll()
  }

  /** Answers what waits too long while the database does not move. */
  #answerLate(): void {
    const now = this.#clock.now()
    for (let next = this.#ring.peek(); next !== undefined && next.deadlineMs <= now; next = this.#ring.peek()) {
      this.#ring.shift()
      this.#early91(next, 'budget')
    }
  }

  #refuseAll(): void {
    for (let next = this.#ring.shift(); next !== undefined; next = this.#ring.shift())
      this.#early91(next, this.#state === 'fenced' ? 'fenced' : 'stopping')
  }

  #early91(work: Work, reason: 'budget' | 'stopping' | 'fenced'): void {
    this.#observer.early91?.(this.lane, reason)
    this.#answerWithout(work, 'not-in-time')
  }

  /** Answers without a posting: nothing of the request is in the journal. */
  #answerWithout(work: Work, result: Result): void {
    work.respond(result, { 39: work.responseCodes[result] })
  }

  #dropTouched(households: ReadonlySet<Household>): void {
    for (const household of households) this.#cache.drop(household.id)
  }

  #dropCard(panIndex: string): void {
    const found = this.#cache.get(panIndex)
    if (found !== undefined) this.#cache.drop(found.household.id)
  }

  async #preparePartitions(day = businessDate(this.#clock.now(), this.#limits.cutoverMinutes)): Promise<void> {
    if (this.#partitionsUntil !== undefined && day <= this.#partitionsUntil) return
    await this.#store.ensurePartitions(day, PARTITION_DAYS)
    this.#partitionsUntil = addDays(day, PARTITION_DAYS - 2)
  }
}

const PARTITION_DAYS = 8

interface Answer {
  readonly result: Result
  readonly fields: AnswerFields
}

const nothingPrefetched: Prefetched = {
  households: [],
  previous: new Map(),
  reversedEarly: new Set(),
  originals: new Map(),
}

function isReversal(request: AuthorizationRequest): boolean {
  return request.messageClass === 'reversal' || request.messageClass === 'reversal-advice'
}

/** Reversals, refunds and completions name an original; a plain request does not. */
function needsOriginal(request: AuthorizationRequest): boolean {
  if (isReversal(request) || request.original !== undefined || request.transactionType === '20') return true
  return request.messageClass === 'financial-advice'
}

/** SQLSTATE classes 53 (no resources, such as a full disk) and 57 (cancelled): the row is not at fault. */
function isCapacity(sqlState: string): boolean {
  return sqlState.startsWith('53') || sqlState.startsWith('57') || sqlState.startsWith('55')
}
