import type { Clock } from '../calendar.ts'
import type { Timing } from '../timing.ts'
import type { BackoffPolicy } from './backoff.ts'
import type { ConnectionOptions } from './connection.ts'
import type { LinkIdentity } from './observer.ts'
import type { SessionState } from './session.ts'
import type { TlsReloads } from './tls-files.ts'
import type { Tpdu } from './tpdu.ts'

/**
 * Certificates of an outbound TLS link; PEM. The peer must prove `servername` (or the host) by one of `ca`, or show one
 * of the pinned certificates; where both are given, both.
 */
export interface ClientTls {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  /** SHA-256 of the certificates taken from the peer: 64 hex digits each, colons allowed. */
  readonly pinnedFingerprints?: readonly string[] | undefined
  /** Tells of new certificates, which the next connection uses; closed with the link. */
  readonly reloads?: TlsReloads
}

/** An outbound link. Bytes and milliseconds throughout. */
export interface ClientOptions extends ConnectionOptions {
  readonly name: string
  readonly host: string
  readonly port: number
  /** Put before each frame; a TPDU is expected before each answer then. */
  readonly tpdu?: Tpdu
  /** Requests that may await their answer; beyond it a request fails with LINK_BUSY. */
  readonly maxInFlight: number
  readonly connectTimeoutMs: number
  /** When nothing was received for so long, the echo hook must get an answer or the link is closed; absent: never. */
  readonly echoIdleMs?: number
  readonly backoff: BackoffPolicy
  readonly tls?: ClientTls
}

/** Sends a frame and awaits the answer that matches `key`; see `ClientLink.request` for the errors. */
export type SendRequest = (frame: Uint8Array, key: string, timeoutMs: number) => Promise<Buffer>

/** One connection of an outbound link, as who serves the peer's requests sees it; never the same for two connections. */
export interface PeerConnection {
  readonly identity: LinkIdentity
  /** Whether the peer's financial requests are served: what it said over this connection, and over no other. */
  peerState: SessionState
  /** @returns false when this connection is gone or its outbound queue is full, whatever has been opened since */
  answer(frame: Uint8Array): boolean
}

/** What a client link needs to know of the messages it carries. */
export interface ClientHooks {
  /** The matching key of an answer, or undefined when the frame is no answer but a request of the peer. */
  answerKey(frame: Buffer): string | undefined
  /** Signs the link on: sends an 0800 and checks its answer. A rejection closes the link. */
  signOn?(exchange: SendRequest): Promise<void>
  /** Proves that the peer lives: sends an 0800 with DE70 301. A rejection closes the link. */
  echo?(exchange: SendRequest): Promise<void>
  /** Signs off at the end of a drain; its failure changes nothing. */
  signOff?(exchange: SendRequest): Promise<void>
  /** A request of the peer; answered over the connection it came by, or not at all. */
  onRequest?(frame: Buffer, receivedAtMs: number, connection: PeerConnection): void
  /** Whether requests of the peer still await their answer: a drain waits for them. */
  busy?(): boolean
  /** An answer that no request awaits; `late` when its request had timed out. */
  onUnmatched?(frame: Buffer, key: string, late: boolean): void
}

/** Sources of time and chance; injected by tests and simulations. */
export interface ClientEnvironment {
  readonly clock?: Clock
  readonly timing?: Timing
  /** From 0 to below 1. */
  readonly random?: () => number
}

/** `waiting` is the pause before the next attempt to connect. */
export type ClientState = 'connecting' | 'signing-on' | 'up' | 'waiting' | 'draining' | 'closed'
