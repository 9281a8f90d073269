import type { Clock } from '../calendar.ts'
import type { ForwardQueue, OpenMessage, SealedPan, SendOutcome } from '../store/outbound-queue.ts'
import type { Timing } from '../timing.ts'
import type { ForwardPolicy } from './forward-verdict.ts'
import type { NetworkLink } from './network-link.ts'

/** What a forwarder needs of a link. */
export type ForwardLink = Pick<NetworkLink, 'name' | 'state' | 'inFlight' | 'ask' | 'onLateAnswer'>

/** What a forwarder tells whoever counts and logs; never what a message says. */
export interface ForwardObserver {
  /** A sending ended, or a late answer came. */
  outcome?(destination: string, message: Pick<OpenMessage, 'id' | 'kind' | 'mti'>, outcome: SendOutcome): void
  sent?(destination: string, message: Pick<OpenMessage, 'id' | 'kind' | 'mti'>, attempt: number): void
  /** This process sends to a destination from now on. */
  claimed?(destination: string, epoch: number): void
  /** Another process sends to it now. */
  lost?(destination: string): void
  /** The queue cannot be read or written; it is tried again. */
  failed?(destination: string, error: unknown): void
}

export interface ForwarderOptions {
  readonly link: ForwardLink
  readonly queue: ForwardQueue
  readonly policy: ForwardPolicy
  /** Messages that may await their answer at a time; with 1 the peer sees them in their order, whatever happens. */
  readonly window: number
  readonly ratePerSecond: number
  /** Longest wait for an answer, milliseconds. */
  readonly timeoutMs: number
  /** How long this process has a destination after it last said so, milliseconds. */
  readonly leaseMs: number
  /** Opens the number of a card. @throws MizanError when its key is not there */
  readonly panOf: (card: SealedPan) => string
  readonly observer: ForwardObserver
  readonly clock: Clock
  readonly timing: Timing
  /** From 0 to below 1. */
  readonly random: () => number
}
