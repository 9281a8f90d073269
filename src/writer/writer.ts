import type { AnswerFields } from '../authorization/answer.ts'
import type { AuthorizationRequest, MessageClass } from '../authorization/request.ts'
import type { Result } from '../authorization/result.ts'
import { type CivilDate, type Clock, civilDate, monthOf, previousMonth } from '../calendar.ts'
import { assert } from '../errors.ts'
import type { CommandInbox } from '../store/command-inbox.ts'
import type { OpenHostRequestQuery } from '../store/host-requests.ts'
import type { LaneJournal } from '../store/lane-journal.ts'
import { LaneStore } from '../store/lane-store.ts'
import { systemTiming, type Timing } from '../timing.ts'
import type { HostAccess } from './account-host.ts'
import { type AdmissionRefusal, precedenceOf } from './admission.ts'
import type { Authenticator } from './authenticator.ts'
import { CardDirectory, type LaneLookup } from './card-directory.ts'
import { type DueHoldQuery, HoldSweeper } from './hold-sweeper.ts'
import { HostSweeper } from './host-sweeper.ts'
import { InboxPoller } from './inbox-poller.ts'
import { Lane } from './lane.ts'
import type { LaneLimits } from './lane-options.ts'
import type { LaneRules } from './lane-rules.ts'
import { type ClosingQuery, MonthSweeper } from './month-sweeper.ts'
import type { LaneObserver } from './observer.ts'
import { answerWithout } from './work.ts'

export interface WriterOptions {
  /** Of the database. */
  readonly url: string
  /** Opens the journal of a lane. @default that of the database */
  readonly journalOf?: (lane: number) => LaneJournal
  readonly laneCount: number
  readonly limits: Omit<LaneLimits, 'timeBudgetMs'>
  readonly rules: LaneRules
  readonly authenticator: Authenticator
  readonly clock: Clock
  /** @default that of the machine */
  readonly timing?: Timing
  readonly observer: LaneObserver
  /** From receipt to the moment its batch is sent; later it is answered 91. */
  readonly timeBudgetMs: number
  readonly commitTimeoutMs: number
  /** Lanes of cards; used when there is more than one lane. */
  readonly lookup: LaneLookup
  /** Open holds that are past their time. */
  readonly dueHolds: DueHoldQuery
  /** Households whose past months are to be closed. */
  readonly dueClosings: ClosingQuery
  /** Of a lane, at most, while nobody asks for them. */
  readonly closingsPerSecond: number
  /** Commands from people and jobs. */
  readonly inbox: Pick<CommandInbox, 'query' | 'onArrival'>
  /** The account host, where accounts are held there, and requests to it that nothing has ended. */
  readonly host?: (HostAccess & { readonly openRequests: OpenHostRequestQuery }) | undefined
}

/** All lanes of this process. The only code that changes balances. */
export class Writer {
  readonly lanes: readonly Lane[]
  readonly #options: WriterOptions
  readonly #directory: CardDirectory
  readonly #sweeper: HoldSweeper
  readonly #poller: InboxPoller
  readonly #monthSweeper: MonthSweeper
  readonly #hostSweeper: HostSweeper | undefined

  constructor(options: WriterOptions) {
    this.#options = options
    const { url, commitTimeoutMs, timing = systemTiming } = options
    const journalOf = options.journalOf ?? ((lane) => new LaneStore({ url, lane, commitTimeoutMs }))
    this.#directory = new CardDirectory(options.lookup)
    this.lanes = Array.from({ length: options.laneCount }, (_, lane) => {
      const { rules, authenticator, clock, observer, timeBudgetMs, host } = options
      const limits = { ...options.limits, timeBudgetMs }
      return new Lane({ lane, store: journalOf(lane), rules, authenticator, limits, clock, timing, observer, host })
    })
    this.#sweeper = new HoldSweeper({
      query: options.dueHolds,
      expire: (hold) => {
        const lane = this.lanes[hold.lane]
        // Of a lane that another writer has taken, that one ends the holds.
        return lane === undefined || lane.state === 'fenced' || lane.expireHold(hold)
      },
      now: () => options.clock.now(),
      onError: (error) => options.observer.laneFault?.(0, error),
      timing,
    })
    const { host } = options
    if (host !== undefined) {
      this.#hostSweeper = new HostSweeper({
        query: host.openRequests,
        abandon: (request) => {
          const lane = this.lanes[request.lane]
          return lane === undefined || lane.state === 'fenced' || lane.abandonHostRequest(request)
        },
        now: () => options.clock.now(),
        onError: (error) => options.observer.laneFault?.(0, error),
        timing,
      })
    }
    this.#monthSweeper = new MonthSweeper({
      query: options.dueClosings,
      lanes: this.lanes,
      perSecond: options.closingsPerSecond,
      lastMonth: () => previousMonth(monthOf(civilDate(options.clock.now()))),
      onProgress: (lane, progress) => options.observer.closingProgress?.(lane, progress),
      onError: (error) => options.observer.laneFault?.(0, error),
      timing,
    })
    this.#poller = new InboxPoller({
      query: options.inbox.query,
      lanes: this.lanes,
      onError: (error) => options.observer.laneFault?.(0, error),
      timing,
    })
    options.inbox.onArrival(() => this.#poller.poll())
  }

  /** Business date of what is decided now: the latest of the lanes. */
  get businessDate(): CivilDate {
    return this.lanes.reduce(
      (latest, { businessDate }) => (businessDate > latest ? businessDate : latest),
      0 as CivilDate,
    )
  }

  get ready(): boolean {
    return this.lanes.every((lane) => lane.state === 'running')
  }

  /**
   * Takes all lanes over.
   * @param expectedEpochs by lane: take them only while they are still under these
   * @throws MizanError STORE_UNAVAILABLE; LANE_FENCED when a lane is under another epoch
   */
  async start(expectedEpochs?: readonly number[]): Promise<void> {
    for (const lane of this.lanes) await lane.start(expectedEpochs?.[lane.lane])
    await this.#hostSweeper?.start()
    this.#sweeper.start()
    this.#poller.start()
    this.#monthSweeper.start()
  }

  /** Decides what has queued and stops. */
  async stop(): Promise<void> {
    await Promise.all([this.#sweeper.stop(), this.#poller.stop(), this.#monthSweeper.stop(), this.#hostSweeper?.stop()])
    await Promise.all(this.lanes.map((lane) => lane.stop()))
  }

  /**
   * Why a request of a link would be refused now, whatever card it is of; undefined when it may be submitted. Costs
   * next to nothing: to be asked before anything is done for the request.
   */
  refusal(messageClass: MessageClass, link: number): AdmissionRefusal | undefined {
    const precedence = precedenceOf(messageClass)
    let refusal: AdmissionRefusal | undefined
    for (const lane of this.lanes) {
      refusal = lane.refusal(precedence, link)
      if (refusal === undefined) return undefined
    }
    return refusal
  }

  /**
   * Queues a request for its card's lane.
   * @param link the connection it came by: each gets its share of a lane
   * @returns false when there is no room: the caller answers 91. After true, `respond` is called exactly once.
   */
  submit(
    request: AuthorizationRequest,
    responseCodes: Readonly<Record<Result, string>>,
    respond: (result: Result, fields: AnswerFields) => void,
    link = 0,
  ): boolean {
    const deadlineMs = request.receivedAtMs + this.#options.timeBudgetMs
    const work = { link, request, responseCodes, deadlineMs, respond }
    if (this.lanes.length === 1) {
      const [only] = this.lanes
      assert(only !== undefined, 'a writer has a lane')
      return only.submit(work)
    }
    this.#directory.find(request.panIndex, (index) => {
      const lane = index === undefined ? undefined : this.lanes[index]
      if (lane === undefined && index !== undefined) respond('no-route', { 39: responseCodes['no-route'] })
      else if (lane?.submit(work) !== true) {
        this.#options.observer.early91?.(index ?? 0, 'ring_full')
        answerWithout(work, 'not-in-time')
      }
    })
    return true
  }
}
