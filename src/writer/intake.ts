import type { Result } from '../authorization/result.ts'
import type { Clock } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import type { HostAccess } from './account-host.ts'
import { Admission, type AdmissionRefusal, type Precedence, precedenceOf } from './admission.ts'
import { Chores, choreInWords } from './chores.ts'
import { Copies } from './copies.ts'
import { HostDesk } from './host-desk.ts'
import type { LaneLimits } from './lane-options.ts'
import type { EarlyReason, LaneObserver } from './observer.ts'
import { WaitingWorks } from './waiting-works.ts'
import type { Portion, UnderWay, Work } from './work.ts'

/** Why something cannot be made durable by itself: how a request is answered, and what is to be said of a chore. */
export interface Failure {
  readonly result: Extract<Result, 'not-in-time' | 'internal-fault'>
  readonly reason: string
}

/** What waits for a lane: requests and chores. Bounded; a request that waits too long is answered 91. */
export class Intake {
  readonly #lane: number
  readonly #observer: LaneObserver
  readonly #waiting = new WaitingWorks()
  readonly admission: Admission
  readonly #desk: HostDesk | undefined
  readonly chores = new Chores()
  /** What was taken and is not answered yet, and the copies that follow it. */
  readonly copies = new Copies()

  /** @param host what the lane may ask of the account host */
  constructor(lane: number, limits: LaneLimits, observer: LaneObserver, host?: HostAccess & { readonly clock: Clock }) {
    this.#lane = lane
    this.#observer = observer
    this.admission = new Admission(limits)
    if (host === undefined) return
    this.#desk = new HostDesk({
      ...host,
      onReady: (works) => {
        this.#waiting.putBack(works)
        this.onReturned()
      },
      onLate: (work) => this.#isLate(work),
    })
  }

  /** Requests that are at the account host; undefined where there is none. */
  get desk(): HostDesk | undefined {
    return this.#desk
  }

  /** Called when a request has come back from the account host. */
  onReturned: () => void = () => {
    // Nobody listens yet.
  }

  /** Requests that wait. */
  get size(): number {
    return this.#waiting.size
  }

  /** Whether there is nothing to do now. */
  isIdle(nowMs: number): boolean {
    return this.#waiting.size === 0 && !this.chores.isReady(nowMs)
  }

  /** Why there is no room for a request of a link, or undefined when there is. Costs next to nothing. */
  refusal(precedence: Precedence, link: number): AdmissionRefusal | undefined {
    const waiting = this.#waiting
    return this.admission.refusalOf(precedence, waiting.sizeFor(precedence), waiting.sizeOfLink(precedence, link))
  }

  /** @returns false when there is no room */
  push(work: Work): boolean {
    if (this.refusal(precedenceOf(work.request.messageClass), work.link) !== undefined) return false
    this.#waiting.push(work)
    return true
  }

  /**
   * Takes what waits for a batch (see `WaitingWorks.take`); requests whose time is over are answered.
   * @param room requests and chores that the batch still takes
   * @returns undefined when there is nothing to take
   */
  take(
    room: { readonly works: number; readonly chores: number },
    nowMs: number,
    ahead: readonly [...UnderWay[], UnderWay],
  ): Portion | undefined {
    const late = (work: Work) => this.#isLate(work)
    const works = this.#waiting.take(room.works, nowMs, ahead, late, (work) => this.#desk?.detain(work) === true)
    this.copies.take(works)
    const chores = this.chores.take(room.chores, nowMs, ahead)
    return works.length + chores.length === 0 ? undefined : { works, chores }
  }

  /** What was taken waits again, before all others. */
  putBack({ works, chores }: Portion): void {
    this.#waiting.putBack(this.copies.giveBack(works))
    this.chores.putBack(chores)
  }

  /**
   * Ends what cannot be made durable even by itself. A request is answered so; a chore is tried again later where the
   * database lacks resources, and otherwise a command is refused. What even that does not end is reported, and tried
   * again every minute: no business day stays open until somebody starts the switch anew.
   */
  giveUp({ works, chores }: Portion, failure: Failure, nowMs: number): void {
    for (const work of works) this.#answerWithout(work, failure.result)
    for (const chore of chores) {
      if (failure.result === 'not-in-time') {
        this.chores.rest(nowMs)
        this.chores.putBack([chore])
      } else if (chore.kind === 'command' && chore.refusal === undefined) {
        this.chores.putBack([{ ...chore, refusal: failure.reason }])
      } else {
        const what = `${choreInWords(chore)} is put off for a minute: ${failure.reason}`
        this.#observer.laneFault?.(this.#lane, new MizanError('STORE_REJECTED', what))
        this.chores.postpone(chore.kind === 'command' ? { ...chore, refusal: undefined } : chore, nowMs)
      }
    }
  }

  /** Answers what has waited too long. */
  answerLate(nowMs: number): void {
    for (const work of this.#waiting.takeLate(nowMs)) this.#isLate(work)
    this.#desk?.answerLate(nowMs)
  }

  /** The time of a request is over: it is answered 91, unless it is a copy of one whose fate is being decided. */
  #isLate(work: Work): void {
    if (!this.copies.follow(work)) this.early91(work, 'budget')
  }

  /** Answers all that wait. */
  refuseAll(reason: EarlyReason): void {
    for (const work of this.#waiting.takeAll()) this.early91(work, reason)
    for (const work of this.#desk?.takeAll() ?? []) this.early91(work, reason)
  }

  /** Answers a request 91: nothing of it is posted. */
  early91(work: Work, reason: EarlyReason): void {
    this.#observer.early91?.(this.#lane, reason)
    this.#answerWithout(work, 'not-in-time')
  }

  /** Answers without a posting: nothing of the request is in the journal. */
  #answerWithout(work: Work, result: Result): void {
    this.copies.answer(work, result, { 39: work.responseCodes[result] })
  }
}
