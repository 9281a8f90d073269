import { describeError } from '../errors.ts'
import type { Timer } from '../timing.ts'
import type { ClientHooks, ClientOptions, PeerConnection, SendRequest } from './client-options.ts'
import { Connection, type ConnectionOwner, type ConnectionServices, type LinkSocket, remoteOf } from './connection.ts'
import type { Matcher } from './matcher.ts'
import { type CloseReason, type LinkIdentity, nextLinkId, type Traffic } from './observer.ts'
import { initialState, type SessionState } from './session.ts'
import { TPDU_BYTES } from './tpdu.ts'

/** How long sign-off and the peer's close may take at the end of a drain. */
const LINGER_MS = 1_000

/** What an outbound link gives each of its sessions. */
export interface ClientSessionParts {
  readonly options: ClientOptions
  readonly hooks: ClientHooks
  readonly services: ConnectionServices
  /** Gets the answers. */
  readonly matcher: Matcher
  /** Put before each frame. */
  readonly tpdu: Buffer | undefined
  /** Sends the messages of the hooks. */
  readonly exchange: SendRequest
  /** Called once, when the connection is gone. */
  readonly closed: (reason: CloseReason, detail: string) => void
}

/** What goes on over one connection of an outbound link: sign-on, frames, echo, and sign-off at the end of a drain. */
export class ClientSession implements ConnectionOwner, PeerConnection {
  readonly identity: LinkIdentity
  peerState: SessionState = initialState(false)
  readonly #parts: ClientSessionParts
  readonly #connection: Connection
  #echoing = false
  #linger: Timer | undefined
  #quietMs = 0
  #signedOffTick: number | undefined
  #ending = false

  constructor(socket: LinkSocket, parts: ClientSessionParts) {
    this.identity = { id: nextLinkId(), name: parts.options.name, remote: remoteOf(socket) }
    this.#parts = parts
    this.#connection = new Connection(socket, parts.options, parts.services, this)
  }

  traffic(): Traffic {
    return this.#connection.traffic()
  }

  send(frame: Uint8Array): ReturnType<Connection['send']> {
    return this.#connection.send(frame, this.#parts.tpdu)
  }

  answer(frame: Uint8Array): boolean {
    return this.send(frame) === 'queued'
  }

  close(reason: CloseReason, detail: string): void {
    this.#connection.close(reason, detail)
  }

  /** Signs on, then calls `done`; closes when the peer refuses. */
  signOn(done: () => void): void {
    this.#hook(this.#parts.hooks.signOn).then(done, (error: unknown) =>
      this.close('sign-on-failed', describeError(error)),
    )
  }

  /** Sees to what time brings: keep-alives, and the end of a session that has signed off. */
  sweep(): void {
    this.#connection.sweep(this.#parts.services.timing.monotonicMs())
    this.#endIfQuiet()
  }

  /** Traffic we send proves nothing about the peer, so silence of the peer alone triggers the echo. */
  echoIfSilent(): void {
    const { options, hooks, services } = this.#parts
    if (options.echoIdleMs === undefined || hooks.echo === undefined || this.#echoing) return
    if (services.timing.monotonicMs() - this.#connection.lastReceivedTick < options.echoIdleMs) return
    this.#echoing = true
    this.#hook(hooks.echo).then(
      () => {
        this.#echoing = false
      },
      (error: unknown) => this.close('echo-failed', describeError(error)),
    )
  }

  /**
   * Asks the peer to send nothing more, and ends when it has sent nothing for `quietMs` after that; one that does not
   * answer is not waited for. Does nothing the second time.
   */
  signOff(quietMs: number): void {
    if (this.#connection.closed || this.#linger !== undefined) return
    const { timing } = this.#parts.services
    this.#quietMs = quietMs
    const signedOff = () => {
      this.#signedOffTick ??= timing.monotonicMs()
      this.#endIfQuiet()
    }
    this.#linger = timing.after(LINGER_MS, signedOff)
    this.#hook(this.#parts.hooks.signOff).then(signedOff, signedOff)
  }

  /** Ends a session that has signed off, once the peer's requests are answered and no more come. */
  #endIfQuiet(): void {
    if (this.#connection.closed || this.#signedOffTick === undefined) return
    const { hooks, services } = this.#parts
    if (this.#ending || hooks.busy?.() === true) return
    const since = Math.max(this.#connection.lastReceivedTick, this.#signedOffTick)
    if (services.timing.monotonicMs() - since < this.#quietMs) return
    this.#ending = true
    services.timing.cancel(this.#linger)
    this.#linger = services.timing.after(LINGER_MS, () => this.close('drained', 'the peer kept its side open'))
    this.#connection.end('drained', 'all requests are answered')
  }

  /** Calls a hook so that a throw is a rejection too; an absent hook succeeds. */
  async #hook(hook: ((exchange: SendRequest) => Promise<void>) | undefined): Promise<void> {
    await hook?.call(this.#parts.hooks, this.#parts.exchange)
  }

  onFrame(frame: Buffer): void {
    const { hooks, services, matcher, tpdu } = this.#parts
    let body = frame
    if (tpdu !== undefined) {
      if (frame.length <= TPDU_BYTES) {
        this.close('tpdu-missing', `a frame of ${frame.length} bytes cannot hold a TPDU and a message`)
        return
      }
      body = frame.subarray(TPDU_BYTES)
    }
    try {
      const key = hooks.answerKey(body)
      if (key !== undefined) matcher.answer(key, body)
      else hooks.onRequest?.(body, services.clock.now(), this)
    } catch (error) {
      // An answer that cannot be read is as good as none: its request times out.
      services.observer.handlerFailed?.(this.identity, error)
    }
  }

  /** No answer will come any more, so nothing is worth waiting for. */
  onPeerEnd(): void {
    this.close(this.#ending ? 'drained' : 'peer-closed', 'the peer closed')
  }

  onResume(): void {
    // A client never pauses: answers are bounded by the requests in flight.
  }

  onClosed(reason: CloseReason, detail: string): void {
    this.#parts.services.timing.cancel(this.#linger)
    this.#parts.closed(reason, detail)
  }
}
