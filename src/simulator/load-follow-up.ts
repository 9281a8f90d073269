import { VISA_HEADER_BYTES } from '../iso8583/visa-header.ts'
import { framings } from '../link/framing.ts'
import { TPDU_BYTES } from '../link/tpdu.ts'
import type { LoadLink } from './load-link.ts'
import type { LoadDialect } from './load-mix.ts'
import { framingOf } from './load-template.ts'

/** What a terminal does about a request that nobody answers. */
export interface FollowUpRules {
  /**
   * A request without an answer for so long is repeated (xxx1), on a new link when its own has been silent. The second
   * wait is twice as long, and so on up to {@link BACKOFF_MAX} times: terminals must not drown a switch that comes
   * back.
   */
  readonly repeatAfterMs: number
  /** Repeats of a request before it is reversed instead. A reversal is repeated until it is answered. */
  readonly repeats: number
}

/** What follow-ups need of their generator. */
export interface FollowUpHost {
  /** A link of the dialect that is up. */
  linkOf(dialect: LoadDialect): LoadLink | undefined
  /** Sends the reversal of a request. @returns its number */
  reverse(original: number, link: LoadLink): number
  /** Whether a request may have posted something, and is none that takes it back. */
  needsReversal(sequence: number): boolean
}

/** A request without a final answer. */
interface Pending {
  readonly sequence: number
  readonly dialect: LoadDialect
  readonly frame: Buffer
  link: LoadLink
  sentMs: number
  transmissions: number
}

const TICK_MS = 25
const BACKOFF_MAX = 4

/**
 * Follows requests up as a well-behaved terminal does. The same bytes go out again as a repeat; when that is not
 * answered either, or a repeated request is refused so that nobody knows what became of its first copy, the request is
 * reversed. A reversal is repeated until it is answered with anything but a refusal.
 */
export class LoadFollowUps {
  readonly #rules: FollowUpRules
  readonly #host: FollowUpHost
  readonly #pending = new Map<number, Pending>()
  /** Requests that are to be reversed and wait for a link. */
  readonly #toReverse: { readonly original: number; readonly dialect: LoadDialect }[] = []
  /** Number of the reversal of each request that was given up. */
  readonly reversalOf = new Map<number, number>()
  readonly #timer: NodeJS.Timeout
  #repeats = 0
  #linksGivenUp = 0
  #contradictions = 0

  constructor(rules: FollowUpRules, host: FollowUpHost) {
    this.#rules = rules
    this.#host = host
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    this.#timer.unref()
  }

  /** Requests, reversals among them, whose fate is not known yet. */
  get open(): number {
    return this.#pending.size + this.#toReverse.length
  }

  /** The lowest number among them. */
  get oldest(): number {
    let lowest = Number.POSITIVE_INFINITY
    for (const sequence of this.#pending.keys()) lowest = Math.min(lowest, sequence)
    for (const { original } of this.#toReverse) lowest = Math.min(lowest, original)
    return lowest
  }

  /** What was done so far. */
  get counts() {
    return {
      repeats: this.#repeats,
      reversals: this.reversalOf.size,
      linksGivenUp: this.#linksGivenUp,
      /** Requests that were refused first and approved then. */
      contradictions: this.#contradictions,
    }
  }

  /** A request goes out for the first time; its bytes are copied. */
  sent(sequence: number, link: LoadLink, frame: Buffer): void {
    const { dialect } = link
    const sentMs = performance.now()
    this.#pending.set(sequence, {
      sequence,
      dialect,
      frame: Buffer.from(frame),
      link,
      sentMs,
      transmissions: 1,
    })
  }

  /**
   * An answer came.
   * @param isRefusal whether it says that nothing was posted and why nobody knows more (91, 96)
   * @returns whether it is final; of a request that went out more than once a refusal is not
   */
  answered(sequence: number, isRefusal: boolean): boolean {
    const pending = this.#pending.get(sequence)
    // It was given up: an answer that comes all the same is taken, a refusal says nothing of the other copies.
    if (pending === undefined) return !isRefusal
    if (!isRefusal) {
      this.#pending.delete(sequence)
      return true
    }
    if (this.#host.needsReversal(sequence)) {
      this.#pending.delete(sequence)
      if (pending.transmissions === 1) return true
      this.#toReverse.push({ original: sequence, dialect: pending.dialect })
      return false
    }
    // A refused reversal is sent again when its time comes; an inquiry is done with, whatever became of its first copy.
    if (isReversal(pending.dialect, pending.frame)) return false
    this.#pending.delete(sequence)
    return pending.transmissions === 1
  }

  /** An approval of a request that had been refused, such as of a copy that the network made: it is reversed. */
  approvedAfterRefusal(sequence: number, dialect: LoadDialect): void {
    this.#contradictions += 1
    if (this.#host.needsReversal(sequence)) this.#toReverse.push({ original: sequence, dialect })
  }

  /** Stops following up. */
  close(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const nowMs = performance.now()
    for (const pending of this.#pending.values()) {
      const { sentMs, transmissions } = pending
      const waitMs = this.#rules.repeatAfterMs * Math.min(BACKOFF_MAX, 2 ** (transmissions - 1))
      if (nowMs - sentMs >= waitMs) this.#followUp(pending, nowMs)
    }
    while (this.#toReverse.length > 0) {
      const [next] = this.#toReverse
      const link = next === undefined ? undefined : this.#host.linkOf(next.dialect)
      if (next === undefined || link === undefined) break
      this.#toReverse.shift()
      this.reversalOf.set(next.original, this.#host.reverse(next.original, link))
    }
  }

  #followUp(pending: Pending, nowMs: number): void {
    const { link, sentMs, sequence, dialect, frame, transmissions } = pending
    if (link.connected && link.lastReceivedMs < sentMs) {
      // It owes an answer and says nothing: the peer may be gone without a word.
      link.reset()
      this.#linksGivenUp += 1
    }
    const reverses = isReversal(dialect, frame)
    if (!reverses && transmissions > this.#rules.repeats) {
      this.#pending.delete(sequence)
      if (this.#host.needsReversal(sequence)) this.#toReverse.push({ original: sequence, dialect })
      return
    }
    const next = this.#host.linkOf(dialect)
    if (next === undefined) return
    next.send(asRepeat(dialect, frame))
    this.#repeats += 1
    pending.link = next
    pending.sentMs = nowMs
    pending.transmissions += 1
  }
}

/** Where a frame's MTI begins. */
function mtiAt(dialect: LoadDialect): number {
  const before = dialect === 'visa-base1' ? VISA_HEADER_BYTES : dialect === 'iso87-bcd' ? TPDU_BYTES : 0
  return framings[framingOf[dialect]].headerBytes + before
}

/** The same message as a repeat: xxx1. */
export function asRepeat(dialect: LoadDialect, frame: Buffer): Buffer {
  const copy = Buffer.from(frame)
  const at = mtiAt(dialect)
  if (dialect === 'iso87-ascii') copy[at + 3] = 0x31
  else copy[at + 1] = ((copy[at + 1] as number) & 0xf0) | 1
  return copy
}

function isReversal(dialect: LoadDialect, frame: Buffer): boolean {
  const at = mtiAt(dialect)
  return dialect === 'iso87-ascii' ? frame[at + 1] === 0x34 : frame[at] === 0x04
}
