import type { Socket } from 'node:net'
import { describeError, MizanError } from '../errors.ts'
import { systemClock, systemRandom, systemTiming, type Timer, type Timing } from '../timing.ts'
import { Backoff } from './backoff.ts'
import type { ClientEnvironment, ClientHooks, ClientOptions, ClientState, SendRequest } from './client-options.ts'
import { Connection, type ConnectionOwner, type ConnectionServices, remoteOf } from './connection.ts'
import { Dialer } from './dial.ts'
import { Matcher, type Settle } from './matcher.ts'
import { type CloseReason, type LinkIdentity, type LinkObserver, type LinkStatus, nextLinkId } from './observer.ts'
import { encodeTpdu, TPDU_BYTES } from './tpdu.ts'
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
/** How long sign-off and the peer's close may take at the end of a drain. */
const LINGER_MS = 1_000

/** Starts an outbound link; it connects, and connects again after any failure, until it is closed. */
export function startClient(
  options: ClientOptions,
  hooks: ClientHooks,
  observer: LinkObserver = {},
  environment: ClientEnvironment = {},
): ClientLink {
  return new ClientLink(options, hooks, observer, environment)
}

/** An outbound link to one host: reconnection, sign-on, echo, and requests matched with their answers. */
export class ClientLink implements ConnectionOwner {
  readonly name: string
  readonly #options: ClientOptions
  readonly #hooks: ClientHooks
  readonly #observer: LinkObserver
  readonly #services: ConnectionServices
  readonly #timing: Timing
  readonly #backoff: Backoff
  readonly #matcher: Matcher
  readonly #dialer: Dialer
  readonly #tpdu: Buffer | undefined
  readonly #sweep: Timer
  readonly #exchange: SendRequest = (frame, key, timeoutMs) => this.#promise(frame, key, timeoutMs)
  #identity: LinkIdentity
  #state: ClientState = 'connecting'
  #connection: Connection | undefined
  #cancelDial: (() => void) | undefined
  #retry: Timer | undefined
  #echoing = false
  #finished = false
  #waiters: Array<{ resolve: () => void; reject: (error: MizanError) => void }> = []
  #linger: Timer | undefined
  #quietMs = 0
  #signedOffTick: number | undefined
  #ending = false
  #drained: (() => void) | undefined

  constructor(options: ClientOptions, hooks: ClientHooks, observer: LinkObserver, environment: ClientEnvironment) {
    this.name = options.name
    this.#options = options
    this.#hooks = hooks
    this.#observer = observer
    const { clock = systemClock, timing = systemTiming, random = systemRandom } = environment
    this.#timing = timing
    this.#services = { clock, timing, observer, turn: new EndOfTurn(timing) }
    this.#dialer = new Dialer(options, () => clock.now(), timing)
    this.#backoff = new Backoff(options.backoff, random, timing.monotonicMs)
    this.#tpdu = options.tpdu === undefined ? undefined : encodeTpdu(options.tpdu)
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
    return this.#connection?.send(frame, this.#tpdu) === 'queued'
  }

  /** Resolves when the link is up, at once if it is; rejects with LINK_CLOSED when it is closed before. */
  whenUp(): Promise<void> {
    if (this.#state === 'up') return Promise.resolve()
    if (this.#state === 'draining' || this.#state === 'closed') return Promise.reject(this.#notUp())
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  /** The current connection, or undefined while there is none. */
  status(): LinkStatus | undefined {
    const connection = this.#connection
    if (connection === undefined) return undefined
    const inFlight = this.#matcher.size
    return { ...this.#identity, ...connection.traffic(), peerName: undefined, state: this.#state, inFlight }
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
      if (this.#matcher.size === 0) this.#signOff()
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
      const result = this.#connection?.send(frame, this.#tpdu) ?? 'closed'
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
    this.#identity = { id: nextLinkId(), name: this.name, remote: remoteOf(socket) }
    const connection = new Connection(socket, this.#options, this.#services, this)
    this.#connection = connection
    this.#matcher.open()
    this.#observer.connected?.(this.#identity)
    this.#setState('signing-on')
    this.#hook(this.#hooks.signOn).then(
      () => {
        if (this.#connection === connection && this.#state === 'signing-on') this.#isUp()
      },
      (error: unknown) => connection.close('sign-on-failed', describeError(error)),
    )
  }

  #isUp(): void {
    this.#backoff.up()
    this.#setState('up')
    const waiters = this.#waiters
    this.#waiters = []
    for (const { resolve } of waiters) resolve()
  }

  /** Calls a hook so that a throw is a rejection too; an absent hook succeeds. */
  async #hook(hook: ((exchange: SendRequest) => Promise<void>) | undefined): Promise<void> {
    await hook?.call(this.#hooks, this.#exchange)
  }

  #setState(state: ClientState): void {
    const before = this.#state
    if (before === state) return
    this.#state = state
    this.#observer.stateChanged?.(this.#identity, before, state)
  }

  onFrame(frame: Buffer): void {
    let body = frame
    if (this.#tpdu !== undefined) {
      if (frame.length <= TPDU_BYTES) {
        this.#connection?.close('tpdu-missing', `a frame of ${frame.length} bytes cannot hold a TPDU and a message`)
        return
      }
      body = frame.subarray(TPDU_BYTES)
    }
    try {
      const key = this.#hooks.answerKey(body)
      if (key !== undefined) this.#matcher.answer(key, body)
      else this.#hooks.onRequest?.(body, this.#services.clock.now())
    } catch (error) {
      // An answer that cannot be read is as good as none: its request times out.
      this.#observer.handlerFailed?.(this.#identity, error)
    }
  }

  /** No answer will come any more, so nothing is worth waiting for. */
  onPeerEnd(): void {
    this.#connection?.close(this.#ending ? 'drained' : 'peer-closed', 'the peer closed')
  }

  onResume(): void {
    // A client never pauses: answers are bounded by the requests in flight.
  }

  onClosed(reason: CloseReason, detail: string): void {
    this.#connection = undefined
    this.#echoing = false
    this.#observer.disconnected?.(this.#identity, reason, detail)
    this.#failed(reason, detail)
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
    const connection = this.#connection
    if (connection === undefined) return
    const tick = this.#timing.monotonicMs()
    connection.sweep(tick)
    const { echoIdleMs } = this.#options
    if (this.#signedOffTick !== undefined) this.#endIfQuiet()
    else if (this.#state === 'draining' && this.#matcher.size === 0) this.#signOff()
    else if (this.#state === 'up' && echoIdleMs !== undefined && tick - connection.lastReceivedTick >= echoIdleMs) {
      this.#echo(connection)
    }
  }

  /** Traffic we send proves nothing about the peer, so silence of the peer alone triggers the echo. */
  #echo(connection: Connection): void {
    if (this.#echoing || this.#hooks.echo === undefined) return
    this.#echoing = true
    this.#hook(this.#hooks.echo).then(
      () => {
        this.#echoing = false
      },
      (error: unknown) => connection.close('echo-failed', describeError(error)),
    )
  }

  /** Asks the peer to send nothing more; one that does not answer is not waited for. */
  #signOff(): void {
    if (this.#connection === undefined || this.#linger !== undefined) return
    const signedOff = () => {
      this.#signedOffTick ??= this.#timing.monotonicMs()
      this.#endIfQuiet()
    }
    this.#linger = this.#timing.after(LINGER_MS, signedOff)
    this.#hook(this.#hooks.signOff).then(signedOff, signedOff)
  }

  /** Ends a link that has signed off, once the peer's requests are answered and no more come. */
  #endIfQuiet(): void {
    const connection = this.#connection
    if (connection === undefined || this.#signedOffTick === undefined || this.#hooks.busy?.() === true) return
    const since = Math.max(connection.lastReceivedTick, this.#signedOffTick)
    if (this.#ending || this.#timing.monotonicMs() - since < this.#quietMs) return
    this.#ending = true
    this.#timing.cancel(this.#linger)
    const close = () => connection.close('drained', 'the peer kept its side open')
    this.#linger = this.#timing.after(LINGER_MS, close)
    connection.end('drained', 'all requests are answered')
  }

  #finish(reason: CloseReason, detail: string): void {
    if (this.#finished) return
    this.#finished = true
    this.#timing.cancel(this.#sweep)
    this.#dialer.close()
    this.#timing.cancel(this.#retry)
    this.#timing.cancel(this.#linger)
    this.#setState('closed')
    this.#cancelDial?.()
    this.#connection?.close(reason, detail)
    this.#matcher.close(`${this.name} is closed`)
    const waiters = this.#waiters
    this.#waiters = []
    for (const { reject } of waiters) reject(this.#notUp())
    this.#drained?.()
  }
}
