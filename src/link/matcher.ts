import { describeError, MizanError } from '../errors.ts'
import { systemTiming } from '../timing.ts'

/** Gets a request's answer, or why there is none (LINK_TIMEOUT, LINK_CLOSED). Called once; must not throw. */
export type Settle = (outcome: Buffer | MizanError) => void

export interface MatcherOptions {
  /** Requests that may await their answer; as many timed-out keys are remembered. */
  readonly capacity: number
  /** An answer that nobody awaits: `late` when its request had timed out, else its key is unknown. */
  readonly onUnmatched?: (answer: Buffer, key: string, late: boolean) => void
  /** Monotonic milliseconds. */
  readonly monotonic?: () => number
}

interface Waiting {
  readonly deadline: number
  readonly timeoutMs: number
  readonly settle: Settle
}

/**
 * Requests in flight by matching key. The key is the caller's: jPOS uses DE41 and DE11, MTI folded to its request form;
 * STAN alone is not enough (iso8583-switches.md, d.1). A second request under a key in flight is refused, since its
 * answer could settle the wrong one.
 */
export class Matcher {
  readonly #capacity: number
  readonly #onUnmatched: ((answer: Buffer, key: string, late: boolean) => void) | undefined
  readonly #monotonic: () => number
  readonly #waiting = new Map<string, Waiting>()
  /** Keys that timed out, oldest first. */
  readonly #expired = new Set<string>()
  #nextDeadline = Number.POSITIVE_INFINITY
  #closedBecause: string | undefined
  #unmatched = 0
  #late = 0

  constructor(options: MatcherOptions) {
    this.#capacity = options.capacity
    this.#onUnmatched = options.onUnmatched
    this.#monotonic = options.monotonic ?? systemTiming.monotonicMs
  }

  /** Requests in flight. */
  get size(): number {
    return this.#waiting.size
  }

  /** Answers that matched nothing, late ones included. */
  get unmatched(): number {
    return this.#unmatched
  }

  /** Answers to requests that had timed out. */
  get late(): number {
    return this.#late
  }

  /**
   * Registers a request about to be sent.
   * @throws MizanError LINK_CLOSED, LINK_DUPLICATE_KEY, or LINK_BUSY at capacity; nothing is registered then
   */
  add(key: string, timeoutMs: number, settle: Settle): void {
    if (this.#closedBecause !== undefined) throw new MizanError('LINK_CLOSED', this.#closedBecause)
    if (this.#waiting.has(key)) throw new MizanError('LINK_DUPLICATE_KEY')
    if (this.#waiting.size >= this.#capacity) throw new MizanError('LINK_BUSY', `${this.#capacity} requests in flight`)
    const deadline = this.#monotonic() + timeoutMs
    this.#expired.delete(key)
    this.#waiting.set(key, { deadline, timeoutMs, settle })
    if (deadline < this.#nextDeadline) this.#nextDeadline = deadline
  }

  /**
   * Registers a request and sends it. What fails is told to `settle`, before this returns; nothing stays registered.
   * @param send throws a MizanError when the request cannot be sent
   */
  submit(key: string, timeoutMs: number, settle: Settle, send: () => void): void {
    let added = false
    try {
      this.add(key, timeoutMs, settle)
      added = true
      send()
    } catch (error) {
      if (added) this.#waiting.delete(key)
      settle(
        error instanceof MizanError ? error : new MizanError('LINK_CLOSED', describeError(error), { cause: error }),
      )
    }
  }

  /**
   * Settles the request that an answer belongs to.
   * @returns false when there is none: the answer was counted and given to the hook
   */
  answer(key: string, frame: Buffer): boolean {
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) {
      const late = this.#expired.delete(key)
      this.#unmatched += 1
      if (late) this.#late += 1
      this.#onUnmatched?.(frame, key, late)
      return false
    }
    this.#waiting.delete(key)
    waiting.settle(frame)
    return true
  }

  /** Times out what is due. Called by the owner's one timer; costs nothing when nothing is due. */
  sweep(): void {
    const now = this.#monotonic()
    if (now < this.#nextDeadline) return
    const due: Waiting[] = []
    let next = Number.POSITIVE_INFINITY
    for (const [key, waiting] of this.#waiting) {
      if (waiting.deadline > now) {
        next = Math.min(next, waiting.deadline)
        continue
      }
      due.push(waiting)
      this.#waiting.delete(key)
      this.#rememberExpired(key)
    }
    this.#nextDeadline = next
    for (const { settle, timeoutMs } of due) settle(new MizanError('LINK_TIMEOUT', `${timeoutMs} ms`))
  }

  #rememberExpired(key: string): void {
    if (this.#expired.size >= this.#capacity) {
      for (const oldest of this.#expired) {
        this.#expired.delete(oldest)
        break
      }
    }
    this.#expired.add(key)
  }

  /** Settles all with LINK_CLOSED and refuses more until {@link open}. */
  close(detail: string): void {
    this.#closedBecause = detail
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#nextDeadline = Number.POSITIVE_INFINITY
    for (const { settle } of waiting) settle(new MizanError('LINK_CLOSED', detail))
  }

  /** Accepts requests again, on a new connection. */
  open(): void {
    this.#closedBecause = undefined
  }
}
