import type { Timer } from '../timing.ts'
import {
  Connection,
  type ConnectionOptions,
  type ConnectionOwner,
  type ConnectionServices,
  type LinkSocket,
  remoteOf,
} from './connection.ts'
import { type CloseReason, type LinkIdentity, type LinkObserver, type LinkStatus, nextLinkId } from './observer.ts'
import { initialState, type SessionState } from './session.ts'
import { answerTpduInto, TPDU_BYTES } from './tpdu.ts'

/** Handles one request of a listener's link; called on arrival, in order, and must not block. */
export type RequestHandler = (request: InboundRequest) => void

/** One accepted connection, as a request handler sees it. */
export interface Link extends LinkIdentity {
  /** Milliseconds since 1970 UTC. */
  readonly connectedAt: number
  /** Common name of the peer's verified client certificate. */
  readonly peerName: string | undefined
  readonly state: SessionState
  readonly inFlight: number
  /** Whether three quarters of the requests that may be in flight are: new ones are then refused, not left unread. */
  readonly crowded: boolean
  readonly closed: boolean
  setState(state: SessionState): void
  /**
   * Sends a message of our own. On a listener with TPDUs it goes under `tpdu`, or an all-zero address pair.
   * @returns false when the link is gone
   */
  send(body: Uint8Array, tpdu?: Uint8Array): boolean
  /** Closes the link at once; `detail` goes to the log. */
  close(detail: string): void
  status(): LinkStatus
}

export interface ServerLinkOptions extends ConnectionOptions {
  readonly name: string
  readonly tpdu: boolean
  readonly maxInFlight: number
  /** Milliseconds; 0 = never. */
  readonly idleTimeoutMs: number
  readonly requireSignOn: boolean
  /** Called once for each link when a drain begins, to tell its peer. */
  readonly onDrain?: (link: Link) => void
}

const CROWDED = 0.75
const NEUTRAL_TPDU = Buffer.from([0x60, 0, 0, 0, 0])
/** How long a peer may take to close its side after we closed ours. */
const LINGER_MS = 1_000

/** Scratch for the TPDU of the answer being written; a connection copies it before it returns. */
const answerTpdu = Buffer.alloc(TPDU_BYTES)

/**
 * A request and the way to answer it. It counts against the link's in-flight limit from receipt until `reply` or
 * `drop`, one of which must be called once. `frame` may be kept until then; it is a view of the socket's read, so a
 * part that is kept longer should be copied.
 */
export class InboundRequest {
  /** The message without framing header and TPDU. */
  readonly frame: Buffer
  /** Milliseconds since 1970 UTC. */
  readonly receivedAtMs: number
  readonly #link: ServerLink
  readonly #tpdu: Buffer | undefined
  #open = true

  constructor(link: ServerLink, frame: Buffer, tpdu: Buffer | undefined, receivedAtMs: number) {
    this.#link = link
    this.frame = frame
    this.#tpdu = tpdu
    this.receivedAtMs = receivedAtMs
  }

  get link(): Link {
    return this.#link
  }

  /**
   * Answers, under the request's TPDU with source and destination swapped. `body` may be reused at once. The bytes
   * leave at the end of this turn of the event loop.
   * @returns false when the link is gone or the request is already settled; nothing is sent then
   * @throws MizanError FRAME_INVALID when `body` is empty or over the limit; the request stays open
   */
  reply(body: Uint8Array): boolean {
    if (!this.#open) return false
    const tpdu = this.#tpdu
    if (tpdu !== undefined) answerTpduInto(answerTpdu, 0, tpdu)
    const sent = this.#link.answer(body, tpdu === undefined ? undefined : answerTpdu)
    this.#settle()
    return sent
  }

  /** Ends the request without an answer: an answer message of the peer, or one that must not be answered. */
  drop(): void {
    if (this.#open) this.#settle()
  }

  #settle(): void {
    this.#open = false
    this.#link.settled()
  }
}

/** A listener's side of one connection: TPDU, in-flight limit, session state, idle timeout, drain. */
export class ServerLink implements Link, ConnectionOwner {
  readonly id = nextLinkId()
  readonly name: string
  readonly remote: string
  readonly peerName: string | undefined
  readonly identity: LinkIdentity = this
  readonly #options: ServerLinkOptions
  readonly #services: ConnectionServices
  readonly #observer: LinkObserver
  readonly #handler: RequestHandler
  readonly #onGone: (link: ServerLink) => void
  readonly #connection: Connection
  #state: SessionState
  #inFlight = 0
  #peerEnded = false
  #draining = false
  /** From then on what comes is not processed any more. */
  #discarding = false
  #drainTick = 0
  #linger: Timer | undefined
  #answers = 0
  #answersAtSweep = 0
  #lastAnswerTick = 0

  constructor(
    socket: LinkSocket,
    options: ServerLinkOptions,
    services: ConnectionServices,
    handler: RequestHandler,
    peerName: string | undefined,
    onGone: (link: ServerLink) => void,
  ) {
    this.name = options.name
    this.remote = remoteOf(socket)
    this.peerName = peerName
    this.#options = options
    this.#services = services
    this.#observer = services.observer
    this.#handler = handler
    this.#onGone = onGone
    this.#state = initialState(options.requireSignOn)
    this.#connection = new Connection(socket, options, services, this)
    this.#observer.connected?.(this)
  }

  get connectedAt(): number {
    return this.#connection.connectedAt
  }

  get state(): SessionState {
    return this.#state
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get crowded(): boolean {
    // One request alone is no crowd, however little may be in flight.
    return this.#inFlight > Math.max(1, CROWDED * this.#options.maxInFlight)
  }

  get closed(): boolean {
    return this.#connection.closed
  }

  setState(state: SessionState): void {
    const before = this.#state
    if (before === state) return
    this.#state = state
    this.#observer.stateChanged?.(this, before, state)
  }

  send(body: Uint8Array, tpdu?: Uint8Array): boolean {
    return this.#write(body, this.#options.tpdu ? (tpdu ?? NEUTRAL_TPDU) : undefined)
  }

  /** For {@link InboundRequest}: writes the answer of a request. */
  answer(body: Uint8Array, tpdu: Uint8Array | undefined): boolean {
    this.#answers += 1
    const sent = this.#write(body, tpdu)
    if (!sent) this.#observer.undelivered?.(this)
    return sent
  }

  #write(body: Uint8Array, tpdu: Uint8Array | undefined): boolean {
    const result = this.#connection.send(body, tpdu)
    if (result === 'full') {
      const { outboundBytes } = this.#connection
      const { maxOutboundBytes } = this.#options
      this.#connection.close('slow-reader', `${outboundBytes} bytes wait to be read, the limit is ${maxOutboundBytes}`)
    }
    return result === 'queued'
  }

  /** For {@link InboundRequest}: a request left the in-flight count. */
  settled(): void {
    this.#inFlight -= 1
    if (this.#inFlight < this.#options.maxInFlight) this.#connection.resume()
    if (this.#inFlight === 0) this.#endIfDone()
  }

  onFrame(frame: Buffer): void {
    if (this.#discarding) {
      this.#observer.discarded?.(this)
      return
    }
    const { tpdu, maxInFlight } = this.#options
    if (tpdu && frame.length <= TPDU_BYTES) {
      this.#connection.close('tpdu-missing', `a frame of ${frame.length} bytes cannot hold a TPDU and a message`)
      return
    }
    const body = tpdu ? frame.subarray(TPDU_BYTES) : frame
    const request = new InboundRequest(this, body, tpdu ? frame : undefined, this.#services.clock.now())
    this.#inFlight += 1
    try {
      this.#handler(request)
    } catch (error) {
      // One request that trips the program must not end the link, let alone the process.
      this.#observer.handlerFailed?.(this, error)
      request.drop()
    }
    if (this.#inFlight >= maxInFlight && !this.#connection.closed) {
      this.#connection.pause()
      this.#observer.paused?.(this)
    }
  }

  onResume(): void {
    this.#observer.resumed?.(this)
  }

  onPeerEnd(): void {
    this.#peerEnded = true
    this.#endIfDone()
  }

  onClosed(reason: CloseReason, detail: string): void {
    this.#services.timing.cancel(this.#linger)
    this.#onGone(this)
    this.#observer.disconnected?.(this, reason, detail)
  }

  /** A peer that closed its side, or a drain, still gets the answers of what is in flight. */
  #endIfDone(): void {
    if (this.#inFlight > 0 || this.closed) return
    if (this.#peerEnded) {
      this.#connection.end('peer-closed', 'the peer closed')
    } else if (this.#discarding && this.#linger === undefined) {
      this.#connection.end('drained', 'all requests are answered')
      this.#linger = this.#services.timing.after(LINGER_MS, () =>
        this.#connection.close('drained', 'the peer kept its side open'),
      )
      this.#linger.unref()
    }
  }

  /** Tells the peer, and goes on as before: the link ends when it has fallen silent, or with {@link discard}. */
  drain(): void {
    if (this.#draining) return
    this.#draining = true
    this.#drainTick = this.#services.timing.monotonicMs()
    this.#observer.stateChanged?.(this, this.#state, 'draining')
    this.#options.onDrain?.(this)
  }

  /**
   * Ends a draining link on which nothing has come for so long and nothing is in flight.
   * @param quietMs 0 = whatever has come
   */
  endIfQuiet(tick: number, quietMs: number): void {
    const { paused, midFrame, lastReceivedTick } = this.#connection
    if (this.#inFlight > 0 || paused || midFrame) return
    // A peer that was told needs the time to hear it.
    const since = this.#options.onDrain === undefined ? lastReceivedTick : Math.max(lastReceivedTick, this.#drainTick)
    if (tick - since >= quietMs) this.discard()
  }

  /** Processes no further request; ends the link once those in flight are answered. */
  discard(): void {
    if (this.#discarding) return
    this.#discarding = true
    this.#endIfDone()
  }

  close(detail: string): void {
    this.#connection.close('closed', detail)
  }

  /** Closes with a reason of the listener's. */
  closeFor(reason: CloseReason, detail: string): void {
    this.#connection.close(reason, detail)
  }

  /** Periodic work, on the listener's one timer. */
  sweep(tick: number): void {
    if (this.#answers !== this.#answersAtSweep) {
      this.#answersAtSweep = this.#answers
      this.#lastAnswerTick = tick
    }
    const { idleTimeoutMs } = this.#options
    const quietMs = tick - Math.max(this.#connection.lastReceivedTick, this.#lastAnswerTick)
    if (idleTimeoutMs > 0 && quietMs >= idleTimeoutMs) {
      this.#connection.close('idle-timeout', `no frame in or answer out for ${Math.round(quietMs)} ms`)
    } else {
      this.#connection.sweep(tick)
    }
  }

  status(): LinkStatus {
    return {
      id: this.id,
      name: this.name,
      remote: this.remote,
      peerName: this.peerName,
      state: this.#draining ? 'draining' : this.#state,
      inFlight: this.#inFlight,
      ...this.#connection.traffic(),
    }
  }
}
