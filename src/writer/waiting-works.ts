import { ADVICE_ONE_IN, type Precedence, precedenceOf } from './admission.ts'
import { FairQueue } from './fair-queue.ts'
import type { UnderWay, Work } from './work.ts'

/**
 * Requests that wait for a lane, a line for each link: those that somebody waits for, and advices. While all that waits
 * fits into one batch it is taken as it came. Beyond that advices yield to the others, but one in a few that are taken
 * is an advice: a backlog of them neither holds up live traffic nor is held up by it for ever.
 */
export class WaitingWorks {
  readonly #live = new FairQueue<Work>()
  readonly #advices = new FairQueue<Work>()
  /** Live requests taken since the last advice, while advices waited. */
  #liveInTurn = 0
  #arrivals = 0

  get size(): number {
    return this.#live.size + this.#advices.size
  }

  /** What waits in the queue of such a request. */
  sizeFor(precedence: Precedence): number {
    return this.#queueOf(precedence).size
  }

  /** What of it is of one link. */
  sizeOfLink(precedence: Precedence, link: number): number {
    return this.#queueOf(precedence).sizeOf(link)
  }

  push(work: Work): void {
    work.arrival = ++this.#arrivals
    this.#queueOf(precedenceOf(work.request.messageClass)).push(work.link, work)
  }

  /** What was taken waits again, before all others. */
  putBack(works: readonly Work[]): void {
    const isAdvice = ({ request }: Work) => precedenceOf(request.messageClass) === 'advice'
    this.#advices.unshift(works.filter(isAdvice))
    this.#live.unshift(works.filter((work) => !isAdvice(work)))
  }

  /**
   * Takes up to `max` requests. Each queue ends before one that depends on a request under way or on one just taken.
   * @param ahead requests under way; the last of them gets those that are taken
   * @param late gets the requests whose time is over
   * @param detain keeps those that have to wait for the account host, so that others need not
   */
  take(
    max: number,
    nowMs: number,
    ahead: readonly [...UnderWay[], UnderWay],
    late: (work: Work) => void,
    detain: (work: Work) => boolean = () => false,
  ): Work[] {
    if (this.size <= max) return this.#takeInOrder(nowMs, ahead, late, detain)
    const taken = ahead[ahead.length - 1] as UnderWay
    const works: Work[] = []
    let liveEnds = false
    let advicesEnd = false
    while (works.length < max) {
      const live = liveEnds ? undefined : this.#live.peek()
      const advice = advicesEnd ? undefined : this.#advices.peek()
      const isAdvice = advice !== undefined && (live === undefined || this.#liveInTurn >= ADVICE_ONE_IN - 1)
      const next = isAdvice ? advice : live
      if (next === undefined) break
      if (next.deadlineMs > nowMs && detain(next)) {
        this.#queueOf(isAdvice ? 'advice' : 'request').shift()
        continue
      }
      if (next.deadlineMs > nowMs && ahead.some((requests) => requests.blocks(next.request))) {
        if (isAdvice) advicesEnd = true
        else liveEnds = true
        continue
      }
      const queue = isAdvice ? this.#advices : this.#live
      queue.shift()
      if (next.deadlineMs <= nowMs) {
        late(next)
        continue
      }
      works.push(next)
      taken.add(next.request)
      this.#liveInTurn = isAdvice || advice === undefined ? 0 : this.#liveInTurn + 1
    }
    return works
  }

  /** Takes all as they came, but those that have to wait, and those that came later and are of a card of theirs. */
  #takeInOrder(
    nowMs: number,
    ahead: readonly [...UnderWay[], UnderWay],
    late: (work: Work) => void,
    detain: (work: Work) => boolean,
  ): Work[] {
    const taken = ahead[ahead.length - 1] as UnderWay
    const works: Work[] = []
    const left: Work[] = []
    /** Queues that end before a request that has to wait, and cards of those that are left. */
    const ended = new Set<boolean>()
    const cards = new Set<string>()
    for (const work of this.takeAll().sort(byArrival)) {
      if (work.deadlineMs <= nowMs) {
        late(work)
        continue
      }
      const { request } = work
      const isAdvice = precedenceOf(request.messageClass) === 'advice'
      const waits = ended.has(isAdvice) || cards.has(request.panIndex)
      if (!waits && detain(work)) continue
      if (waits || ahead.some((requests) => requests.blocks(request))) {
        if (!waits) ended.add(isAdvice)
        left.push(work)
        cards.add(request.panIndex)
        continue
      }
      works.push(work)
      taken.add(request)
    }
    this.putBack(left)
    this.#liveInTurn = 0
    return works
  }

  /** Takes those whose time is over. */
  takeLate(nowMs: number): Work[] {
    const isLate = (work: Work) => work.deadlineMs <= nowMs
    return [...this.#live.takeWhile(isLate), ...this.#advices.takeWhile(isLate)]
  }

  /** Takes all. */
  takeAll(): Work[] {
    const all = () => true
    return [...this.#live.takeWhile(all), ...this.#advices.takeWhile(all)]
  }

  #queueOf(precedence: Precedence): FairQueue<Work> {
    return precedence === 'advice' ? this.#advices : this.#live
  }
}

function byArrival(one: Work, other: Work): number {
  return (one.arrival ?? 0) - (other.arrival ?? 0)
}
