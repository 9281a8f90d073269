import type { Clock } from '../calendar.ts'
import { describeError, MizanError } from '../errors.ts'
import type { Timing } from '../timing.ts'
import { createFramer, type FrameFault, type Framer, type FramingName } from './framing.ts'
import type { CloseReason, LinkIdentity, LinkObserver, Traffic } from './observer.ts'
import { Outbound } from './outbound.ts'
import type { EndOfTurn, EndOfTurnTask } from './turn.ts'

/** What a connection needs of its socket: one of the network, or of a simulation. */
export interface LinkSocket {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  /** Bytes that the operating system has not taken yet. */
  readonly writableLength: number
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  setNoDelay(noDelay: boolean): unknown
  setKeepAlive(enable: boolean, initialDelayMs: number): unknown
  write(bytes: Uint8Array): unknown
  cork(): void
  uncork(): void
  pause(): unknown
  resume(): unknown
  end(): unknown
  destroy(): unknown
}

/** What both kinds of link need to know about their socket. */
export interface ConnectionOptions {
  readonly framing: FramingName
  /** Largest frame either way, in bytes, without the framing header. */
  readonly maxFrameBytes: number
  /** Most bytes that may wait to be sent. */
  readonly maxOutboundBytes: number
  /** Quiet milliseconds after which a zero-length poll is sent (`visa`) or TCP probes begin (others); absent: never. */
  readonly keepAliveMs?: number
}

/** The link on top of a connection. */
export interface ConnectionOwner {
  readonly identity: LinkIdentity
  /** A frame without its framing header. */
  onFrame(frame: Buffer): void
  /** The peer will send no more; the connection is still writable. */
  onPeerEnd(): void
  /** Called once; the socket is destroyed. */
  onClosed(reason: CloseReason, detail: string): void
  /** Reading goes on after {@link Connection.pause}, before frames that waited are delivered. */
  onResume(): void
}

/** Services shared by the connections of a listener or client. */
export interface ConnectionServices {
  readonly clock: Clock
  readonly timing: Timing
  readonly turn: EndOfTurn
  readonly observer: LinkObserver
}

/**
 * One socket: frames in, frames out, keep-alives, close with a reason. All bounds are enforced here: a partial frame,
 * the chunk that waits while paused, and the outbound queue.
 */
export class Connection implements EndOfTurnTask {
  readonly socket: LinkSocket
  readonly #options: ConnectionOptions
  readonly #services: ConnectionServices
  readonly #owner: ConnectionOwner
  readonly #framer: Framer
  readonly #outbound: Outbound
  readonly #deliver: (frame: Buffer) => void
  #framesIn = 0
  #framesOut = 0
  #bytesIn = 0
  #bytesOut = 0
  readonly connectedAt: number
  #lastReceivedAt: number
  /** Monotonic milliseconds of the last whole frame or keep-alive. */
  lastReceivedTick: number
  #lastSentTick: number
  #closed = false
  #scheduled = false
  #paused = false
  #resumeWanted = false
  #ending: { readonly reason: CloseReason; readonly detail: string } | undefined
  #peerEnded = false
  #pollOutstanding = false

  constructor(socket: LinkSocket, options: ConnectionOptions, services: ConnectionServices, owner: ConnectionOwner) {
    this.socket = socket
    this.#options = options
    this.#services = services
    this.#owner = owner
    this.#framer = createFramer(options.framing, options.maxFrameBytes, {
      onKeepAlive: () => this.#onKeepAlive(),
      onControlFrame: () => this.#onControlFrame(),
    })
    this.#outbound = new Outbound(socket, this.#framer.framing, options.maxOutboundBytes)
    this.connectedAt = services.clock.now()
    this.#lastReceivedAt = this.connectedAt
    this.lastReceivedTick = this.#services.timing.monotonicMs()
    this.#lastSentTick = this.lastReceivedTick
    this.#deliver = (frame) => {
      this.#framesIn += 1
      this.#services.observer.frameIn?.(this.#owner.identity, frame.length)
      this.#owner.onFrame(frame)
    }
    this.#listen()
  }

  #listen(): void {
    const { socket } = this
    socket.setNoDelay(true)
    const { framing, keepAliveMs } = this.#options
    if (framing !== 'visa' && keepAliveMs !== undefined) socket.setKeepAlive(true, keepAliveMs)
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('end', () => this.#onEnd())
    socket.on('error', (error) => this.close('socket-error', describeError(error)))
    socket.on('close', () => this.close(this.#ending?.reason ?? 'peer-closed', this.#ending?.detail ?? ''))
  }

  get closed(): boolean {
    return this.#closed
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Whether a frame has begun and not ended. */
  get midFrame(): boolean {
    return this.#framer.partial
  }

  get outboundBytes(): number {
    return this.#outbound.bytes
  }

  #onData(chunk: Buffer): void {
    if (this.#closed) return
    this.#bytesIn += chunk.length
    const before = this.#framesIn
    const fault = this.#framer.push(chunk, this.#deliver)
    if (this.#framesIn !== before) this.#touch()
    if (fault !== undefined) this.#onFault(fault)
  }

  #touch(): void {
    this.#lastReceivedAt = this.#services.clock.now()
    this.lastReceivedTick = this.#services.timing.monotonicMs()
  }

  #onFault(fault: FrameFault): void {
    this.close(fault.kind, fault.detail)
  }

  #onEnd(): void {
    if (this.#closed) return
    this.#peerEnded = true
    // The end may be read while frames before it still wait.
    if (this.#paused) return
    if (this.#framer.partial) this.close('peer-closed-mid-frame', 'the peer closed within a frame')
    else this.#owner.onPeerEnd()
  }

  /** Echoes a poll, unless it is itself the echo of our own: two ends that both echo would never stop. */
  #onKeepAlive(): void {
    this.#touch()
    this.#services.observer.keepAlive?.(this.#owner.identity)
    if (this.#pollOutstanding) this.#pollOutstanding = false
    else this.#sendPoll()
  }

  #onControlFrame(): void {
    this.#touch()
    this.#services.observer.controlFrame?.(this.#owner.identity)
  }

  #sendPoll(): void {
    if (this.#closed || this.#ending !== undefined) return
    this.#lastSentTick = this.#services.timing.monotonicMs()
    if (this.#outbound.append(Buffer.alloc(0), undefined) === 'full') this.#onSlowReader()
    else this.#schedule()
  }

  #onSlowReader(): void {
    this.close('slow-reader', `${this.#outbound.bytes} bytes wait, the limit is ${this.#options.maxOutboundBytes}`)
  }

  /**
   * Sends a frame at the end of this turn; both buffers may be reused at once.
   * @param prefix a TPDU
   * @returns 'full' when the outbound queue has no room (the owner decides what follows), 'closed' when the link is
   * gone
   * @throws MizanError FRAME_INVALID when the frame is over the limit: a fault of the program
   */
  send(body: Uint8Array, prefix: Uint8Array | undefined): 'queued' | 'full' | 'closed' {
    if (this.#closed || this.#ending !== undefined) return 'closed'
    const length = body.length + (prefix === undefined ? 0 : prefix.length)
    if (length === 0 || length > this.#options.maxFrameBytes) {
      throw new MizanError('FRAME_INVALID', `a frame to send has ${length} bytes`)
    }
    if (this.#outbound.append(body, prefix) === 'full') return 'full'
    this.#framesOut += 1
    this.#bytesOut += length + this.#framer.framing.headerBytes
    this.#services.observer.frameOut?.(this.#owner.identity, length)
    this.#schedule()
    return 'queued'
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#services.turn.schedule(this)
  }

  /** Stops delivering frames and reading the socket; what the peer sends then waits in its own buffers. */
  pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#framer.hold()
    this.socket.pause()
  }

  /** Resumes at the end of this turn: frames that waited must not run inside the call that made room for them. */
  resume(): void {
    if (!this.#paused || this.#resumeWanted) return
    this.#resumeWanted = true
    this.#schedule()
  }

  /**
   * Sends what is queued, then ends our side of the connection; the peer's close completes it. What the peer still
   * sends is read and given to the owner: closing over unread bytes would reset the connection and could destroy
   * answers that the peer has not read yet.
   */
  end(reason: CloseReason, detail: string): void {
    if (this.#closed || this.#ending !== undefined) return
    this.#ending = { reason, detail }
    this.#schedule()
  }

  /** For {@link EndOfTurn} only. */
  endOfTurn(): void {
    this.#scheduled = false
    if (this.#closed) return
    this.#lastSentTick = this.#services.timing.monotonicMs()
    this.#outbound.flush()
    if (this.#ending !== undefined) this.socket.end()
    if (this.#resumeWanted) this.#resumeNow()
  }

  #resumeNow(): void {
    this.#resumeWanted = false
    this.#paused = false
    this.#owner.onResume()
    const fault = this.#framer.release(this.#deliver)
    if (fault !== undefined) this.#onFault(fault)
    else if (this.#peerEnded) this.#onEnd()
    else if (!this.#paused && !this.#closed) this.socket.resume()
  }

  /** Periodic work, on a tick of the owner's one timer: polls and giving back an unused buffer. */
  sweep(tick: number): void {
    const { framing, keepAliveMs } = this.#options
    const quietSince = Math.max(this.lastReceivedTick, this.#lastSentTick)
    if (framing === 'visa' && keepAliveMs !== undefined && tick - quietSince >= keepAliveMs) {
      this.#pollOutstanding = true
      this.#sendPoll()
    } else if (tick - this.#lastSentTick > 10_000) {
      this.#outbound.trim()
    }
  }

  /** Counters and times for a status. */
  traffic(): Traffic {
    return {
      paused: this.#paused,
      framesIn: this.#framesIn,
      framesOut: this.#framesOut,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      outboundBytes: this.#outbound.bytes,
      connectedAt: this.connectedAt,
      lastReceivedAt: this.#lastReceivedAt,
    }
  }

  /** Destroys the socket at once; later calls do nothing, so the first reason stands. */
  close(reason: CloseReason, detail: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#framer.hold()
    this.socket.destroy()
    this.#owner.onClosed(reason, detail)
  }
}

/** `address:port` of a socket's peer. */
export function remoteOf(
  peer: { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined } | undefined,
): string {
  return `${peer?.remoteAddress ?? 'unknown'}:${peer?.remotePort ?? 0}`
}
