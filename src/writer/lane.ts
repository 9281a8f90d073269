import { businessDate, type CivilDate, type Clock, civilDate, openBusinessDate } from '../calendar.ts'
import { assert, MizanError } from '../errors.ts'
import type { InboxCommand } from '../store/command-inbox.ts'
import type { OpenHostRequest } from '../store/host-requests.ts'
import type { LaneJournal } from '../store/lane-journal.ts'
import type { Timer, Timing } from '../timing.ts'
import type { AdmissionRefusal, Precedence } from './admission.ts'
import { BatchMaker } from './batch-maker.ts'
import { BatchPipeline } from './batch-pipeline.ts'
import { BatchReader } from './batch-reader.ts'
import { CacheWarmer } from './cache-warmer.ts'
import { CHORES_PER_QUIET_BATCH } from './chore-pace.ts'
import { type Chore, ofHousehold } from './chores.ts'
import { commandChore } from './command-chore.ts'
import type { DueHold } from './hold-sweeper.ts'
import { HouseholdCache } from './household-cache.ts'
import { Intake } from './intake.ts'
import type { LaneLimits, LaneOptions, LaneState } from './lane-options.ts'
import { retakeLane } from './lane-recovery.ts'
import type { DueClosing } from './month-sweeper.ts'
import type { LaneObserver } from './observer.ts'
import type { SentBatch } from './open-batch.ts'
import { RecentKeys } from './recent-keys.ts'
import { endOfTurn, Wake } from './wake.ts'
import type { Work } from './work.ts'

const LATE_SWEEP_MS = 20

/**
 * The single writer of a lane. While a batch is being made durable, it takes what arrives, reads what it lacks and
 * decides it into the next one; only a durable batch is answered. One batch is in flight at a time, and a full one
 * behind it; no timer fills batches. Everything but the sending of the next batch happens in one loop, failures
 * included.
 */
export class Lane {
  readonly lane: number
  readonly #store: LaneJournal
  readonly #limits: LaneLimits
  readonly #clock: Clock
  readonly #observer: LaneObserver
  readonly #intake: Intake
  readonly #cache: HouseholdCache
  readonly #reader: BatchReader
  readonly #warmer: CacheWarmer
  readonly #pipeline: BatchPipeline
  readonly #maker: BatchMaker
  readonly #timing: Timing
  readonly #wake: Wake
  #state: LaneState = 'starting'
  #loop: Promise<void> | undefined
  #lateSweep: Timer | undefined

  constructor(options: LaneOptions) {
    const { lane, store, rules, limits, clock, timing, observer, authenticator, host } = options
    const { matchingDays } = limits
    const onFault = (error: unknown) => observer.laneFault?.(lane, error)
    const cache = new HouseholdCache(limits.cacheHouseholds, limits.batchMax + CHORES_PER_QUIET_BATCH)
    const recent = new RecentKeys(limits.recentKeys, clock.now())
    const intake = new Intake(lane, limits, observer, host === undefined ? undefined : { ...host, clock })
    intake.onReturned = () => this.#wake.signal()
    const reader = new BatchReader({ store, cache, recent, authenticator, clock, timing, matchingDays, rules, onFault })
    const waiting = () => intake.size
    const onSettled = () => this.#wake.signal()
    const { admission, copies } = intake
    const base = { lane, store, rules, clock, timing, observer, cache, recent }
    const { batchMax } = limits
    const pipeline = new BatchPipeline({ ...base, batchMax, admission, copies, waiting, desk: intake.desk, onSettled })
    this.lane = lane
    this.#store = store
    this.#limits = limits
    this.#clock = clock
    this.#timing = timing
    this.#wake = new Wake(timing)
    this.#observer = observer
    this.#intake = intake
    this.#cache = cache
    this.#reader = reader
    this.#warmer = new CacheWarmer(store, cache, limits.cacheHouseholds, (households, filling) =>
      observer.cacheWarmed?.(lane, households, filling),
    )
    this.#pipeline = pipeline
    this.#maker = new BatchMaker({ lane, intake, cache, reader, pipeline, limits, clock, timing, observer })
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

  /** Of a batch that began now. */
  get businessDate(): CivilDate {
    return openBusinessDate(this.#clock.now(), this.#limits.cutoverMinutes, this.#pipeline.openDate)
  }

  /**
   * Takes the lane over and starts deciding.
   * @param expectedEpoch take it only if it is still under this epoch, or whatever it is
   * @throws MizanError STORE_UNAVAILABLE, NOT_FOUND; LANE_FENCED when it is under another epoch
   */
  async start(expectedEpoch?: number): Promise<void> {
    const position = await this.#store.take(expectedEpoch)
    if (position === undefined && expectedEpoch !== undefined) {
      throw new MizanError('LANE_FENCED', `lane ${this.lane} is no more under epoch ${expectedEpoch}`)
    }
    if (position === undefined) throw new MizanError('NOT_FOUND', `lane ${this.lane} is not in the database`)
    this.#pipeline.position = position
    const byClock = businessDate(this.#clock.now(), this.#limits.cutoverMinutes)
    await this.#reader.start(byClock, this.businessDate)
    this.#state = 'running'
    this.#lateSweep = this.#timing.every(LATE_SWEEP_MS, () => this.#answerLate())
    this.#loop = this.#run().catch((error: unknown) => this.#fail(error))
  }

  /**
   * Why a request of a link would be refused now, or undefined. For callers that have not done anything for it yet:
   * the answer costs next to nothing.
   */
  refusal(precedence: Precedence, link: number): AdmissionRefusal | undefined {
    if (this.#takesWork) return this.#intake.refusal(precedence, link)
    return this.#state === 'fenced' || this.#state === 'starting' ? this.#state : 'stopping'
  }

  /** Queues a request. @returns false when the lane has no room or does not run: the caller answers 91 */
  submit(work: Work): boolean {
    if (!this.#takesWork || !this.#intake.push(work)) return false
    this.#wake.signal()
    return true
  }

  /** Queues the end of an expired hold. @returns false when there is no room: it is left to the next sweep */
  expireHold({ panIndex, holdId }: Pick<DueHold, 'panIndex' | 'holdId'>): boolean {
    return this.#takeChore({ kind: 'expire-hold', householdKey: panIndex, holdId })
  }

  /**
   * Queues the end of a request to the account host.
   * @returns false when there is no room: it is left to the next sweep
   */
  abandonHostRequest(request: OpenHostRequest): boolean {
    if (this.#intake.desk?.owns(request.id) === true) return true
    return this.#takeChore({ kind: 'abandon-host-request', householdKey: undefined, request })
  }

  /** Requests that are at the account host now. */
  get atHost(): number {
    return this.#intake.desk?.inFlight ?? 0
  }

  /**
   * Queues the closing of a household's past months.
   * @returns false when there is no room: it is left to the next sweep
   */
  closeMonths({ householdId, panIndex }: Pick<DueClosing, 'householdId' | 'panIndex'>): boolean {
    return this.#takeChore({ kind: 'close-months', householdId, ...ofHousehold(panIndex, householdId) })
  }

  /** Queues a command of the inbox. @returns false when there is no room: it is read again */
  takeCommand(command: InboxCommand): boolean {
    return this.#takeChore(commandChore(command, this.#clock.now()))
  }

  /** Chores that may be queued now. */
  get choreRoom(): number {
    return this.#takesWork ? this.#intake.chores.room : 0
  }

  #takeChore(chore: Chore): boolean {
    if (!this.#takesWork || !this.#intake.chores.push(chore)) return false
    this.#wake.signal()
    return true
  }

  get #takesWork(): boolean {
    return this.#state === 'running' || this.#state === 'recovering'
  }

  /** Decides what has queued, then stops. New work is refused at once. */
  async stop(): Promise<void> {
    if (this.#state !== 'fenced') this.#state = 'stopped'
    this.#timing.cancel(this.#lateSweep)
    this.#wake.signal()
    await this.#loop
    this.#refuseWaiting()
    await this.#store.close()
  }

  async #run(): Promise<void> {
    this.#warmer.begin()
    while (this.#state !== 'fenced') {
      if (this.#pipeline.failed !== undefined) {
        await this.#dealWithFailure()
      } else if (!this.#store.connected) {
        // A commit under way fails by itself, and then tells whether its batch may be in.
        if (this.#pipeline.flight === undefined) await this.#recover([])
        else await this.#wake.wait()
      } else if (await this.#maker.gather()) {
        this.#pipeline.send()
      } else if (!this.#isIdle) {
        await this.#wake.wait()
      } else if (this.#state === 'stopped' && this.#intake.desk?.isEmpty !== false) {
        return
      } else if (!this.#warmer.done && this.#state !== 'stopped') {
        await this.#warm()
      } else {
        await this.#wake.wait()
      }
    }
    this.#refuseWaiting()
  }

  get #isIdle(): boolean {
    return this.#pipeline.isEmpty && this.#intake.isIdle(this.#clock.now())
  }

  /** Uses an idle turn to fill the memory; the event loop gets its turn first, so that requests come before this. */
  async #warm(): Promise<void> {
    await endOfTurn(this.#timing)
    if (!this.#isIdle) return
    try {
      await this.#warmer.step(civilDate(this.#clock.now()))
    } catch (error) {
      this.#warmer.stop()
      this.#observer.laneFault?.(this.lane, error)
    }
  }

  /** A batch that was not made durable. What was decided after it stood on it, and is decided again. */
  async #dealWithFailure(): Promise<void> {
    this.#maker.withdraw()
    const failed = this.#pipeline.takeFailure()
    if (failed === undefined) return
    const { sent, behind, outcome } = failed
    if (outcome.kind === 'unknown') {
      await this.#recover([sent, ...behind])
    } else if (outcome.kind === 'fenced') {
      this.#fence([sent, ...behind].flatMap(({ works }) => works))
    } else {
      this.#maker.putBack(behind)
      await this.#maker.refused(sent, outcome)
    }
  }

  /**
   * After a lost connection: reconnect, take the lane again (which waits for the old commit to end one way or the
   * other) and learn which batches are in. They are answered; the requests of the others are decided again.
   * @param lost batches of unknown outcome, in their order
   */
  async #recover(lost: readonly SentBatch[]): Promise<void> {
    this.#maker.withdraw()
    if (this.#state === 'running') this.#state = 'recovering'
    this.#observer.laneRecovering?.(this.lane)
    const position = await retakeLane(this.#store, this.epoch, this.#timing, {
      stopping: () => this.#state === 'stopped',
      onFault: (error) => this.#observer.laneFault?.(this.lane, error),
    })
    if (position === undefined) {
      await this.#lose(lost)
      return
    }
    const { lastSeq, lastHash } = position
    const durable = lost.findIndex(({ batch, hash }) => batch.seq === lastSeq && hash.equals(lastHash)) + 1
    this.#cache.clear()
    this.#warmer.begin()
    assert(durable > 0 || lastSeq === this.lastSeq, 'a lane under our own epoch cannot have moved on')
    this.#pipeline.position = position
    if (this.#state === 'recovering') this.#state = 'running'
    this.#observer.laneRecovered?.(this.lane, position.epoch, lastSeq, durable > 0)
    for (const sent of lost.slice(0, durable)) this.#pipeline.accept(sent)
    this.#maker.putBack(lost.slice(durable))
  }

  /**
   * The lane is lost while batches are of unknown outcome. If the journal can still be read it tells; if not, nobody is
   * answered: a late repeat or reversal will find what there is.
   */
  async #lose(lost: readonly SentBatch[]): Promise<void> {
    const notIn: Work[] = []
    for (const sent of lost) {
      const isIn = await this.#store.hasBatch(sent.batch.seq, sent.hash).catch(() => undefined)
      if (isIn === true) this.#pipeline.accept(sent)
      else if (isIn === false) notIn.push(...sent.works)
    }
    this.#fence(notIn)
  }

  #fence(works: readonly Work[]): void {
    this.#state = 'fenced'
    this.#cache.clear()
    this.#observer.laneFenced?.(this.lane, this.epoch)
    for (const work of works) this.#intake.early91(work, 'fenced')
    this.#refuseWaiting()
  }

  /**
   * A defect ended the loop: memory may be wrong, so nothing more is decided on it. What flies is answered if it lands, and
   * else found by repeats, as after a crash; what was not sent is not posted.
   */
  #fail(error: unknown): void {
    this.#observer.laneFailed?.(this.lane, error)
    this.#state = 'fenced'
    const works = this.#pipeline.takeBack()?.works ?? []
    this.#cache.clear()
    for (const work of works) this.#intake.early91(work, 'fenced')
    this.#refuseWaiting()
  }

  /** Answers what waits too long while the database does not move, and sees to a connection that was lost meanwhile. */
  #answerLate(): void {
    const nowMs = this.#clock.now()
    // While nobody pays nothing else tells: the first who does would wait for the lane to be taken again.
    if (!this.#store.connected) this.#wake.signal()
    const oldest = this.#pipeline.open?.works[0]
    if (oldest !== undefined && oldest.deadlineMs <= nowMs) this.#maker.withdraw()
    this.#intake.answerLate(nowMs)
    // Nothing else tells that chores have rested.
    if (this.#intake.chores.isReady(nowMs)) this.#wake.signal()
  }

  #refuseWaiting(): void {
    this.#intake.refuseAll(this.#state === 'fenced' ? 'fenced' : 'stopping')
  }
}
