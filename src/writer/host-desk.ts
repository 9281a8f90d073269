import type { HostAnswer, HostVerdict } from '../authorization/host.ts'
import type { AuthorizationRequest } from '../authorization/request.ts'
import type { Clock } from '../calendar.ts'
import type { HostAccess, HostCall } from './account-host.ts'
import type { Work } from './work.ts'

/** What a decision and its commit need after the host's answer, milliseconds. */
const RESERVE_MS = 250
/** Requests of the same cards that may wait for one that is at the host. */
const WAITING_FOR_EACH = 4
/** So long after its end, what was read of the database before may still say that a request is open. */
const RELEASED_MS = 30_000
const RELEASED_MAX = 10_000

export interface HostDeskOptions extends HostAccess {
  readonly clock: Clock
  /** Takes works that can be decided now, in this order. */
  readonly onReady: (works: readonly Work[]) => void
  /** Answers a work that cannot wait. */
  readonly onLate: (work: Work) => void
}

/**
 * The requests of a lane that are at the account host. Until one of them is answered for good, whatever concerns the
 * same card waits here, so that a repeat of it asks once, and a reversal finds what it reverses; everything else goes
 * on.
 */
export class HostDesk {
  readonly #options: HostDeskOptions
  /** At the host, by the id of what it was asked. */
  readonly #asked = new Map<number, Work>()
  /** Of requests that were asked about and are not answered yet: how many concern a card or bear a key. */
  readonly #cards = new Map<string, number>()
  readonly #keys = new Map<string, number>()
  #waiting: Work[] = []
  /** Asked about and not answered yet: nobody else may end what the host was asked. */
  readonly #owned = new Set<number>()
  /** When what was asked about lately was answered. */
  readonly #released = new Map<number, number>()

  constructor(options: HostDeskOptions) {
    this.#options = options
  }

  /** Whether nothing is at the host, and nothing waits for it. */
  get isEmpty(): boolean {
    return this.#asked.size === 0 && this.#waiting.length === 0
  }

  get inFlight(): number {
    return this.#asked.size
  }

  /** The verdict on whatever would have to ask now, where it is in vain; undefined when the host may be asked. */
  refusal(): HostVerdict | undefined {
    const { host, limits } = this.#options
    const why = host.refusal() ?? (this.#asked.size >= limits.inFlightMax ? 'busy' : undefined)
    return why === undefined ? undefined : { answer: { kind: 'unreachable', why }, request: undefined }
  }

  /** Whether a request of the journal is one that this lane is still busy with, or was a moment ago. */
  owns(requestId: number): boolean {
    const releasedMs = this.#released.get(requestId) ?? Number.NEGATIVE_INFINITY
    return this.#owned.has(requestId) || this.#options.clock.now() - releasedMs < RELEASED_MS
  }

  /** Asks the host, now that what it is asked is durable; the work comes back with the verdict. */
  ask(work: Work, call: HostCall): void {
    const { host, limits, clock } = this.#options
    const { requestId } = call.request.stamps
    const { panIndex, key } = work.request
    this.#owned.add(requestId)
    count(this.#cards, panIndex, 1)
    count(this.#keys, key, 1)
    const respond: Work['respond'] = (result, fields) => {
      this.#release(requestId, panIndex, key)
      work.respond(result, fields)
    }
    this.#asked.set(requestId, { ...work, respond })
    const timeoutMs = Math.min(limits.timeoutMs, work.deadlineMs - clock.now() - RESERVE_MS)
    const settle = (answer: HostAnswer) => this.#settle(call, answer)
    const why = host.refusal() ?? (timeoutMs <= 0 || this.#asked.size > limits.inFlightMax ? 'busy' : undefined)
    if (why === undefined) host.ask(call, timeoutMs, settle)
    else settle({ kind: 'unreachable', why })
  }

  /** Keeps a request that has to wait for one that the host is asked about. @returns false when it has not to wait */
  detain(work: Work): boolean {
    if (this.#owned.size === 0 || work.host !== undefined || !this.#blocks(work.request)) return false
    if (this.#waiting.length < this.#options.limits.inFlightMax * WAITING_FOR_EACH) this.#waiting.push(work)
    else this.#options.onLate(work)
    return true
  }

  #blocks({ panIndex, key, originalKey }: AuthorizationRequest): boolean {
    if (this.#cards.has(panIndex) || this.#keys.has(key)) return true
    return originalKey !== undefined && this.#keys.has(originalKey)
  }

  #settle({ request }: HostCall, answer: HostAnswer): void {
    const { requestId } = request.stamps
    const work = this.#asked.get(requestId)
    // Answered long ago, because the lane stopped or was lost: whoever takes the lane has the request reversed.
    if (work === undefined) return
    this.#asked.delete(requestId)
    this.#options.onReady([{ ...work, host: { answer, request } }])
  }

  /** The requester has its answer, and the journal what the host said, if it had to: others of the card may go on. */
  #release(requestId: number, panIndex: string, key: string): void {
    this.#asked.delete(requestId)
    this.#owned.delete(requestId)
    count(this.#cards, panIndex, -1)
    count(this.#keys, key, -1)
    this.#released.set(requestId, this.#options.clock.now())
    if (this.#released.size > RELEASED_MAX) {
      const [oldest] = this.#released.keys()
      if (oldest !== undefined) this.#released.delete(oldest)
    }
    const freed = this.#waiting.filter((one) => !this.#blocks(one.request))
    if (freed.length === 0) return
    this.#waiting = this.#waiting.filter((one) => this.#blocks(one.request))
    this.#options.onReady(freed)
  }

  /** Answers what has waited too long for another. */
  answerLate(nowMs: number): void {
    if (this.#waiting.length === 0) return
    const late = this.#waiting.filter(({ deadlineMs }) => deadlineMs <= nowMs)
    if (late.length === 0) return
    this.#waiting = this.#waiting.filter(({ deadlineMs }) => deadlineMs > nowMs)
    for (const work of late) this.#options.onLate(work)
  }

  /** Gives up all: what the host may have booked is taken back by whoever takes the lane next. */
  takeAll(): Work[] {
    const waiting = this.#waiting
    this.#waiting = []
    const asked = [...this.#asked.values()]
    this.#asked.clear()
    return [...asked, ...waiting]
  }
}

function count(counts: Map<string, number>, key: string, change: number): void {
  const now = (counts.get(key) ?? 0) + change
  if (now === 0) counts.delete(key)
  else counts.set(key, now)
}
