/**
 * What a link tells the rest of the program. Metrics and logs hang on these callbacks; the link room itself neither
 * logs nor counts beyond {@link LinkStatus}. Nothing here carries message bytes, so all of it is safe to log.
 */

/** Why a link ended. */
export type CloseReason =
  | 'peer-closed'
  | 'peer-closed-mid-frame'
  | 'socket-error'
  | 'frame-oversize'
  | 'frame-zero-length'
  | 'frame-garbage'
  | 'tpdu-missing'
  | 'idle-timeout'
  | 'slow-reader'
  | 'connect-failed'
  | 'sign-on-failed'
  | 'echo-failed'
  | 'drained'
  | 'drain-deadline'
  | 'closed'

/** Why a connection never became a link. */
export type RefusalReason = 'too-many-connections' | 'draining' | 'tls-failed' | 'accept-failed'

/** What names a link in events. */
export interface LinkIdentity {
  /** Unique in the process. */
  readonly id: number
  /** Name of the listener or of the outbound client. */
  readonly name: string
  /** `address:port` of the peer. */
  readonly remote: string
}

/** What a connection counts. */
export interface Traffic {
  /** True while the link is not read because it is at its in-flight limit. */
  readonly paused: boolean
  readonly framesIn: number
  readonly framesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Bytes accepted for sending that the operating system has not taken yet. */
  readonly outboundBytes: number
  /** Milliseconds since 1970 UTC. */
  readonly connectedAt: number
  /** When the last whole frame or keep-alive came, or the connection began; milliseconds since 1970 UTC. */
  readonly lastReceivedAt: number
}

/** One link as an operator sees it. */
export interface LinkStatus extends LinkIdentity, Traffic {
  /** `signed-off`, `signed-on` or `draining`; of an outbound link its phase (`ClientState`). */
  readonly state: string
  /** Common name of the peer's verified client certificate. */
  readonly peerName: string | undefined
  /** Requests that await their answer. */
  readonly inFlight: number
}

/** All events; a part implements those it needs ({@link LinkObserver}). They must not throw. */
export interface LinkEvents {
  connected(link: LinkIdentity): void
  disconnected(link: LinkIdentity, reason: CloseReason, detail: string): void
  /** A frame came in; `bytes` is its length without the framing header. */
  frameIn(link: LinkIdentity, bytes: number): void
  frameOut(link: LinkIdentity, bytes: number): void
  keepAlive(link: LinkIdentity): void
  /** A session control frame of the `visa` framing was ignored. */
  controlFrame(link: LinkIdentity): void
  /** A connection was refused before it became a link. */
  refused(listener: string, remote: string, reason: RefusalReason, detail: string): void
  /** Reading stopped at the in-flight limit. */
  paused(link: LinkIdentity): void
  resumed(link: LinkIdentity): void
  stateChanged(link: LinkIdentity, from: string, to: string): void
  /** A frame came during a drain and was not processed. */
  discarded(link: LinkIdentity): void
  /** An answer found its link gone or closing. */
  undelivered(link: LinkIdentity): void
  /** The request handler threw; its request stays unanswered. */
  handlerFailed(link: LinkIdentity, error: unknown): void
  /** An answer came that no request awaits; `late` when its request had timed out. */
  unmatched(link: LinkIdentity, late: boolean): void
  /** A client will try to connect again after this many milliseconds; `reason` is what ended or prevented its link. */
  reconnecting(name: string, attempt: number, delayMs: number, reason: CloseReason, detail: string): void
}

export type LinkObserver = Partial<LinkEvents>

/** Identities are unique in the process, so that a log line names one connection. */
let lastLinkId = 0

/** The next link identity. */
export function nextLinkId(): number {
  lastLinkId += 1
  return lastLinkId
}
