import type { Message } from '../iso8583/message.ts'
import type { OpenMessage, SendOutcome } from '../store/outbound-queue.ts'
import type { Timer } from '../timing.ts'
import type { ForwarderOptions } from './forward-options.ts'
import { ForwardPace, YIELD_STEP_MS } from './forward-pace.ts'
import { isAccepted, judgeAnswer, judgeFailure, type Moment } from './forward-verdict.ts'

/** Messages kept in memory; the rest stays in the queue. */
const PAGE = 64
/** The queue is looked at this often even when nothing says that there is something new. */
const POLL_MS = 1_000
const FAILED_MS = 500
/** A lease is renewed when one of so many parts of it has passed, whatever else there is to do. */
const LEASE_PARTS = 3
/** A look at the queue while something is on its way is worth this much at most. */
const LOOK_AGAIN_MS = 50

/** A message that is on its way. */
interface Underway {
  readonly message: OpenMessage
  readonly tries: number
}

/**
 * Sends what is queued for one destination over its link, in order, until it is answered. Everything that happens is
 * durable before it has effect: that a message is sent, before it is; what came of it, before the next is. So a process
 * that dies sends nothing twice in its first form, and the next one goes on where it stopped.
 */
export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #destination: string
  #epoch: number | undefined
  #claimedAtMs = 0
  /** The first open messages of the queue, in order; those underway and those to be written down are among them. */
  #open: OpenMessage[] = []
  /** Whether the queue may hold more than `#open`. */
  #stale = true
  #readAtMs = Number.NEGATIVE_INFINITY
  readonly #underway = new Map<number, Underway>()
  #outcomes: SendOutcome[] = []
  readonly #pace: ForwardPace
  #failing = false
  #closed = false
  #woken = false
  #sleeper: (() => void) | undefined
  #timer: Timer | undefined
  #running: Promise<void> | undefined

  constructor(options: ForwarderOptions) {
    this.#options = options
    this.#destination = options.link.name
    this.#pace = new ForwardPace(options.ratePerSecond)
  }

  /** Begins; runs until {@link close}. */
  start(): void {
    this.#options.link.onLateAnswer = (answer) => void this.#late(answer)
    this.#running ??= this.#run()
  }

  /** Says that the queue holds something new, or that the link has another state. */
  wake(): void {
    this.#stale = true
    this.#rouse()
  }

  /**
   * Sends nothing more, waits a while for the answers of what is underway, writes them down and gives the destination
   * up. Idempotent.
   */
  async close(graceMs = 2_000): Promise<void> {
    if (this.#closed) return this.#running
    this.#closed = true
    this.#options.link.onLateAnswer = undefined
    const deadlineMs = this.#options.timing.monotonicMs() + graceMs
    this.#rouse()
    await this.#running
    while (this.#underway.size > 0 && this.#options.timing.monotonicMs() < deadlineMs) await this.#sleep(YIELD_STEP_MS)
    const epoch = this.#epoch
    if (epoch === undefined) return
    try {
      await this.#step(epoch, [])
      await this.#options.queue.release(this.#destination, epoch)
    } catch (error) {
      this.#options.observer.failed?.(this.#destination, error)
    }
    this.#forget()
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      let waitMs: number
      try {
        waitMs = await this.#turn()
        this.#failing = false
      } catch (error) {
        // Nobody knows what is written down: the queue does, when it can be read again.
        this.#forget()
        if (!this.#failing) this.#options.observer.failed?.(this.#destination, error)
        this.#failing = true
        waitMs = FAILED_MS
      }
      if (waitMs > 0 && !this.#closed) await this.#sleep(Math.min(waitMs, this.#options.leaseMs / LEASE_PARTS))
    }
  }

  /** @returns how long there is nothing to do, unless something wakes it */
  async #turn(): Promise<number> {
    const { link, queue, timing } = this.#options
    if (link.state !== 'up' && this.#underway.size === 0) {
      await this.#giveUp()
      return POLL_MS
    }
    const epoch = await this.#hold()
    if (epoch === undefined) return POLL_MS
    // What came of sendings is written down before the queue is read: it would be read as on its way.
    const nowMs = timing.monotonicMs()
    if (nowMs - this.#readAtMs >= POLL_MS) this.#stale = true
    if (this.#stale && this.#outcomes.length === 0 && this.#next(this.#options.clock.now()).length === 0) {
      if (nowMs - this.#readAtMs >= LOOK_AGAIN_MS || this.#open.length === 0) {
        this.#stale = false
        this.#readAtMs = nowMs
        const rows = await queue.read(this.#destination, PAGE)
        this.#open = rows.map((row) => this.#underway.get(row.id)?.message ?? row)
      }
    }
    const { begin, waitMs } = this.#due()
    if (begin.length === 0 && this.#outcomes.length === 0) return waitMs
    await this.#step(epoch, begin)
    return 0
  }

  /** Keeps the destination, or takes it. */
  async #hold(): Promise<number | undefined> {
    const { queue, leaseMs, timing, observer } = this.#options
    const nowMs = timing.monotonicMs()
    if (this.#epoch !== undefined && nowMs - this.#claimedAtMs < leaseMs / LEASE_PARTS) return this.#epoch
    const epoch = await queue.claim(this.#destination, leaseMs)
    if (epoch === undefined) {
      this.#lost()
      return undefined
    }
    if (epoch !== this.#epoch) {
      this.#forget()
      this.#epoch = epoch
      observer.claimed?.(this.#destination, epoch)
    }
    // From before the question: the lease began after it.
    this.#claimedAtMs = nowMs
    return epoch
  }

  /** Without a link there is nothing to do with a destination: another process may have one. */
  async #giveUp(): Promise<void> {
    const epoch = this.#epoch
    if (epoch === undefined) return
    if (this.#outcomes.length > 0 && (await this.#step(epoch, [])) === undefined) return
    await this.#options.queue.release(this.#destination, epoch)
    this.#forget()
  }

  #lost(): void {
    if (this.#epoch !== undefined) this.#options.observer.lost?.(this.#destination)
    this.#forget()
  }

  /** Forgets what is in memory; answers that still come find nothing. */
  #forget(): void {
    this.#epoch = undefined
    this.#open = []
    this.#stale = true
    this.#underway.clear()
    this.#outcomes = []
  }

  /** Messages within the window that are neither underway nor put off. */
  #next(nowMs: number): OpenMessage[] {
    return this.#open
      .slice(0, this.#options.window)
      .filter(({ id, nextAtMs }) => !this.#underway.has(id) && nextAtMs <= nowMs)
  }

  /** What is to be sent now, by window, rate and live traffic; and when to look again. */
  #due(): { begin: OpenMessage[]; waitMs: number } {
    const { window, clock, timing, link } = this.#options
    const nowMs = clock.now()
    const tick = timing.monotonicMs()
    const ready = link.state === 'up' ? this.#next(nowMs) : []
    if (ready.length === 0) {
      this.#pace.rest()
      const waits = this.#open.slice(0, window).map(({ nextAtMs }) => nextAtMs - nowMs)
      const longestMs = this.#stale ? LOOK_AGAIN_MS : POLL_MS
      return { begin: [], waitMs: Math.max(1, Math.min(longestMs, ...waits.filter((waitMs) => waitMs > 0))) }
    }
    const holdBackMs = this.#pace.holdBackMs(tick, link.inFlight - this.#underway.size)
    if (holdBackMs > 0) return { begin: [], waitMs: holdBackMs }
    const begin = ready.slice(0, Math.max(1, window - this.#underway.size))
    this.#pace.sent(tick, begin.length)
    return { begin, waitMs: 0 }
  }

  /**
   * Writes down what came of sendings and that others begin, and sends those.
   * @returns undefined when another process has the destination
   */
  async #step(epoch: number, begin: readonly OpenMessage[]): Promise<true | undefined> {
    const { queue, clock, timing, leaseMs } = this.#options
    const outcomes = [...this.#outcomes]
    const begun = await queue.step({
      destination: this.#destination,
      epoch,
      atMs: clock.now(),
      outcomes,
      begin: begin.map(({ id }) => id),
    })
    if (begun === undefined) {
      this.#lost()
      return undefined
    }
    this.#outcomes = this.#outcomes.filter((outcome) => !outcomes.includes(outcome))
    for (const outcome of outcomes) this.#settle(outcome)
    const attempts = new Map(begun.map(({ id, attempt }) => [id, attempt]))
    // What was dropped meanwhile did not begin.
    const gone = new Set(begin.filter(({ id }) => !attempts.has(id)).map(({ id }) => id))
    if (gone.size > 0) this.#open = this.#open.filter(({ id }) => !gone.has(id))
    // A process that was stopped for longer than its lease must not send: what it began the next one sends.
    if (timing.monotonicMs() - this.#claimedAtMs >= leaseMs) {
      this.#lost()
      return undefined
    }
    for (const message of this.#open) {
      const attempt = attempts.get(message.id)
      if (attempt !== undefined) this.#send(message, attempt)
    }
    if (this.#open.length < this.#options.window) this.#stale = true
    return true
  }

  /** What is written down: an ended message leaves, one that is tried again gets its time. */
  #settle({ id, state, nextAtMs }: SendOutcome): void {
    if (state !== 'waiting') this.#open = this.#open.filter((message) => message.id !== id)
    else {
      this.#open = this.#open.map((message) =>
        message.id === id
          ? {
              ...message,
              attempts: message.attempts + 1,
              tries: message.tries + 1,
              nextAtMs: nextAtMs ?? message.nextAtMs,
            }
          : message,
      )
    }
  }

  #send(message: OpenMessage, attempt: number): void {
    const { link, timeoutMs, panOf, observer, policy } = this.#options
    const underway: Underway = { message, tries: message.tries + 1 }
    this.#underway.set(message.id, underway)
    observer.sent?.(this.#destination, message, attempt)
    const mti = attempt === 1 ? message.mti : `${message.mti.slice(0, 3)}1`
    // A throw of what opens the card's number is a rejection too.
    const asked = async () => {
      const fields = message.card === undefined ? message.fields : { ...message.fields, 2: panOf(message.card) }
      return link.ask({ mti, fields }, timeoutMs)
    }
    asked().then(
      (answer) => this.#ended(underway, (moment) => judgeAnswer(message, underway.tries, answer, policy, moment)),
      (error: unknown) => this.#ended(underway, (moment) => judgeFailure(underway.tries, error, policy, moment)),
    )
  }

  #ended(underway: Underway, judge: (moment: Moment) => Omit<SendOutcome, 'id'>): void {
    const { message } = underway
    // Not ours any more, or forgotten: whoever sends it now sees to it.
    if (this.#underway.get(message.id) !== underway) return
    this.#underway.delete(message.id)
    const { clock, random } = this.#options
    this.#note(message, { id: message.id, ...judge({ nowMs: clock.now(), random: random() }) })
  }

  #note(message: Pick<OpenMessage, 'id' | 'kind' | 'mti'>, outcome: SendOutcome): void {
    // One word on each message in a commit: the last.
    this.#outcomes = [...this.#outcomes.filter(({ id }) => id !== message.id), outcome]
    // Not to be sent again before this is written down.
    if (outcome.state === 'waiting') this.#postpone(outcome)
    this.#options.observer.outcome?.(this.#destination, message, outcome)
    this.#rouse()
  }

  #postpone({ id, nextAtMs = 0 }: SendOutcome): void {
    this.#open = this.#open.map((message) => (message.id === id ? { ...message, nextAtMs } : message))
  }

  /** An answer that came after its time: it answers an earlier sending of the same message. */
  async #late(answer: Message): Promise<void> {
    const { policy, queue } = this.#options
    const stan = answer.text(11) ?? ''
    const transmission = answer.text(7) ?? ''
    const mtiClass = answer.mti[1] ?? ''
    const isMeant = ({ mti, fields }: OpenMessage) =>
      mti[1] === mtiClass && fields[11] === stan && fields[7] === transmission
    const message = this.#open.find(isMeant)
    if (message !== undefined) {
      if (this.#underway.has(message.id) || this.#outcomes.some(isFinalFor(message.id))) return
      const moment = { nowMs: this.#options.clock.now(), random: 0 }
      const verdict = judgeAnswer(message, message.tries, answer, policy, moment)
      if (verdict.state !== 'waiting') this.#note(message, { id: message.id, ...verdict, event: 'late' })
      return
    }
    const code = answer.text(39)
    if (code === undefined || this.#epoch === undefined) return
    try {
      const kind = mtiClass === '4' ? 'reversal' : 'advice'
      if (mtiClass === '8' || !isAccepted({ kind }, code, policy)) return
      const id = await queue.findGivenUp(this.#destination, mtiClass, stan, transmission)
      if (id !== undefined) this.#note({ id, kind, mti: '' }, { id, state: 'acknowledged', event: 'late', code })
    } catch (error) {
      this.#options.observer.failed?.(this.#destination, error)
    }
  }

  #rouse(): void {
    this.#woken = true
    this.#sleeper?.()
  }

  #sleep(ms: number): Promise<void> {
    if (this.#woken) {
      this.#woken = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const awake = () => {
        this.#options.timing.cancel(this.#timer)
        this.#sleeper = undefined
        this.#woken = false
        resolve()
      }
      this.#sleeper = awake
      this.#timer = this.#options.timing.after(ms, awake)
    })
  }
}

function isFinalFor(id: number): (outcome: SendOutcome) => boolean {
  return (outcome) => outcome.id === id && outcome.state !== 'waiting'
}
