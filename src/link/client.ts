import type { Socket } from 'node:net'
import { describeError, MizanError } from '../errors.ts'
import { systemClock, systemRandom, systemTiming, type Timer, type Timing } from '../timing.ts'
import { Backoff } from './backoff.ts'
import type { ClientEnvironment, ClientHooks, ClientOptions, ClientState } from './client-options.ts'
import { ClientSession, type ClientSessionParts } from './client-session.ts'
import { Dialer } from './dial.ts'
import { Matcher, type Settle } from './matcher.ts'
import type { CloseReason, LinkIdentity, LinkObserver, LinkStatus } from './observer.ts'
import { encodeTpdu } from './tpdu.ts'
import { EndOfTurn } from './turn.ts'

export type {
  ClientEnvironment,
  ClientHooks,
  ClientOptions,
  ClientState,
  ClientTls,
  SendRequest,
} from './client-options.ts'

/** Timeouts are late by at most this many milliseconds. */
const SWEEP_MS = 20
/** Starts an outbound link; it connects, and connects again after any failure, until it is closed. */
export function startClient(
  options: ClientOptions,
  hooks: ClientHooks,
  observer: LinkObserver = {},
  environment: ClientEnvironment = {},
): ClientLink {
  return new ClientLink(options, hooks, observer, environment)
}

/**
 * An outbound link to one host: connections, one after another, and requests matched with their answers. What goes on
 * over one connection is its {@link ClientSession}'s.
 */
export class ClientLink {
  readonly name: string
  readonly #observer: LinkObserver
  readonly #timing: Timing
  readonly #backoff: Backoff
  readonly #matcher: Matcher
  readonly #dialer: Dialer
  readonly #sweep: Timer
  readonly #sessionParts: ClientSessionParts
  #identity: LinkIdentity
  #state: ClientState = 'connecting'
  #session: ClientSession | undefined
  #cancelDial: (() => void) | undefined
  #retry: Timer | undefined
  #finished = false
  #waiters: Array<{ resolve: () => void; reject: (error: MizanError) => void }> = []
  #quietMs = 0
  #drained: (() => void) | undefined

  constructor(options: ClientOptions, hooks: ClientHooks, observer: LinkObserver, environment: ClientEnvironment) {
    this.name = options.name
    this.#observer = observer
    const { clock = systemClock, timing = systemTiming, random = systemRandom } = environment
    this.#timing = timing
    this.#dialer = new Dialer(options, () => clock.now(), timing)
    this.#backoff = new Backoff(options.backoff, random, timing.monotonicMs)
    this.#identity = { id: 0, name: options.name, remote: `${options.host}:${options.port}` }
    this.#matcher = new Matcher({
      capacity: options.maxInFlight,
      monotonic: timing.monotonicMs,
      onUnmatched: (frame, key, late) => {
        observer.unmatched?.(this.#identity, late)
        hooks.onUnmatched?.(frame, key, late)
      },
    })
    this.#matcher.close('not connected yet')
    this.#sessionParts = {
      options,
      hooks,
      services: { clock, timing, observer, turn: new EndOfTurn(timing) },
      matcher: this.#matcher,
      tpdu: options.tpdu === undefined ? undefined : encodeTpdu(options.tpdu),
      exchange: (frame, key, timeoutMs) => this.#promise(frame, key, timeoutMs),
      closed: (reason, detail) => {
        this.#session = undefined
        this.#observer.disconnected?.(this.#identity, reason, detail)
        this.#failed(reason, detail)
      },
    }
    this.#sweep = timing.every(SWEEP_MS, () => this.#onSweep())
    this.#connect()
  }

  get state(): ClientState {
    return this.#state
  }

  /** Names the current or last connection. */
  get identity(): LinkIdentity {
    return this.#identity
  }

  /** Requests that await their answer. */
  get inFlight(): number {
    return this.#matcher.size
  }

  /** Answers that matched no request, late ones included. */
  get unmatched(): number {
    return this.#matcher.unmatched
  }

  /**
   * Sends a request and awaits its answer. `frame` may be reused at once. The answer may be kept; it keeps its socket
   * read in memory.
   * @param key as `answerKey` will compute it from the answer
   * @throws MizanError LINK_CLOSED when the link is not up or goes down, LINK_TIMEOUT, LINK_DUPLICATE_KEY, LINK_BUSY at
   *   the in-flight or outbound limit, FRAME_INVALID when the frame is over the limit
   */
  request(frame: Uint8Array, key: string, timeoutMs: number): Promise<Buffer> {
    return this.#state === 'up' ? this.#promise(frame, key, timeoutMs) : Promise.reject(this.#notUp())
  }

  /** {@link request} with a callback, for callers at full rate. A failure to send is reported before this returns. */
  exchange(frame: Uint8Array, key: string, timeoutMs: number, settle: Settle): void {
    if (this.#state === 'up') this.#dispatch(frame, key, timeoutMs, settle)
    else settle(this.#notUp())
  }

  /**
   * Sends a frame that awaits no answer.
   * @returns false when the link is not connected or its outbound queue is full
   */
  send(frame: Uint8Array): boolean {
    return this.#session?.send(frame) === 'queued'
  }

  /** Resolves when the link is up, at once if it is; rejects with LINK_CLOSED when it is closed before. */
  whenUp(): Promise<void> {
    if (this.#state === 'up') return Promise.resolve()
    if (this.#state === 'draining' || this.#state === 'closed') return Promise.reject(this.#notUp())
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  /** The current connection, or undefined while there is none. */
  status(): LinkStatus | undefined {
    const session = this.#session
    if (session === undefined) return undefined
    const inFlight = this.#matcher.size
    return { ...this.#identity, ...session.traffic(), peerName: undefined, state: this.#state, inFlight }
  }

  /**
   * Sends nothing new, awaits what is in flight, signs off, answers what the peer has asked until nothing has come for
   * `quietMs`, closes; closes at the deadline in any case.
   */
  async drain(timeoutMs: number, quietMs = 0): Promise<void> {
    if (this.#state !== 'up') {
      this.close()
      return
    }
    this.#quietMs = quietMs
    this.#setState('draining')
    await new Promise<void>((resolve) => {
      const expire = () => this.#finish('drain-deadline', `${timeoutMs} ms are over`)
      const deadline = this.#timing.after(timeoutMs, expire)
      this.#drained = () => {
        this.#timing.cancel(deadline)
        resolve()
      }
      if (this.#matcher.size === 0) this.#session?.signOff(quietMs)
    })
  }

  /** Closes at once and for good; requests in flight fail with LINK_CLOSED. */
  close(): void {
    this.#finish('closed', 'the client closes')
  }

  #notUp(): MizanError {
    return new MizanError('LINK_CLOSED', `${this.name} is ${this.#state}`)
  }

  #promise(frame: Uint8Array, key: string, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#dispatch(frame, key, timeoutMs, (outcome) => {
        if (outcome instanceof MizanError) reject(outcome)
        else resolve(outcome)
      })
    })
  }

  #dispatch(frame: Uint8Array, key: string, timeoutMs: number, settle: Settle): void {
    this.#matcher.submit(key, timeoutMs, settle, () => {
      const result = this.#session?.send(frame) ?? 'closed'
      if (result === 'full') throw new MizanError('LINK_BUSY', 'the peer reads too slowly')
      if (result === 'closed') throw this.#notUp()
    })
  }

  #connect(): void {
    this.#setState('connecting')
    this.#cancelDial = this.#dialer.dial((error, socket) => {
      this.#cancelDial = undefined
      if (socket === undefined) this.#failed('connect-failed', describeError(error))
      else this.#established(socket)
    })
  }

  #established(socket: Socket): void {
    const session = new ClientSession(socket, this.#sessionParts)
    this.#session = session
    this.#identity = session.identity
    this.#matcher.open()
    this.#observer.connected?.(this.#identity)
    this.#setState('signing-on')
    session.signOn(() => {
      if (this.#session === session && this.#state === 'signing-on') this.#isUp()
    })
  }

  #isUp(): void {
    this.#backoff.up()
    this.#setState('up')
    const waiters = this.#waiters
    this.#waiters = []
    for (const { resolve } of waiters) resolve()
  }

  #setState(state: ClientState): void {
    const before = this.#state
    if (before === state) return
    this.#state = state
    this.#observer.stateChanged?.(this.#identity, before, state)
  }

  /** The connection is gone or never came: fail what is in flight, then end or try again later. */
  #failed(reason: CloseReason, detail: string): void {
    if (this.#state === 'draining' || this.#state === 'closed') this.#finish(reason, detail)
    else this.#retryLater(reason, detail)
    this.#matcher.close(`${this.name} lost its link (${reason})`)
  }

  #retryLater(reason: CloseReason, detail: string): void {
    const { attempt, delayMs } = this.#backoff.down()
    this.#setState('waiting')
    this.#observer.reconnecting?.(this.name, attempt, delayMs, reason, detail)
    this.#retry = this.#timing.after(delayMs, () => this.#connect())
  }

  #onSweep(): void {
    this.#matcher.sweep()
    const session = this.#session
    if (session === undefined) return
    session.sweep()
    if (this.#state === 'draining' && this.#matcher.size === 0) session.signOff(this.#quietMs)
    else if (this.#state === 'up') session.echoIfSilent()
  }

  #finish(reason: CloseReason, detail: string): void {
    if (this.#finished) return
    this.#finished = true
    this.#timing.cancel(this.#sweep)
    this.#dialer.close()
    this.#timing.cancel(this.#retry)
    this.#setState('closed')
    this.#cancelDial?.()
    this.#session?.close(reason, detail)
    this.#matcher.close(`${this.name} is closed`)
    const waiters = this.#waiters
    this.#waiters = []
    for (const { reject } of waiters) reject(this.#notUp())
    this.#drained?.()
  }
}
