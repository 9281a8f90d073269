import { type Card, cardKinds, usageCounter } from '../card/household.ts'
import type { Result } from './result.ts'

/** What is to be asked of the account host before a request can be decided. */
export interface HostAsk {
  readonly kind: 'debit' | 'inquiry'
  /** What the transaction would take from the account, its fee included; 0 for an inquiry. */
  readonly piasters: number
}

/** How a message to the account host is known there: a reversal names it so. */
export interface HostStamps {
  /** Id of the request in the journal. */
  readonly requestId: number
  /** DE11 */
  readonly stan: string
  /** DE7, MMDDhhmmss UTC. */
  readonly transmission: string
  /** DE37 */
  readonly rrn: string
}

/** A message that was sent to the account host, or was about to be. */
export interface HostRequest extends HostAsk {
  readonly stamps: HostStamps
}

/** What the account host said. Only its approval has taken money for certain; without an answer it may have. */
export type HostAnswer =
  | {
      readonly kind: 'approved'
      /** DE4 of the answer. */
      readonly piasters: number
      /** DE38, for people who compare both sides. */
      readonly reference: string
      /** What is left in the account (DE54), where the host says so. */
      readonly balancePiasters: number | undefined
    }
  | {
      readonly kind: 'declined'
      /** DE39 */
      readonly code: string
      readonly result: Result
      readonly balancePiasters: number | undefined
    }
  /** Sent, and no answer came in time: it may have been booked. */
  | { readonly kind: 'unanswered' }
  /** Never sent, or answered that it was not processed: nothing was booked. */
  | { readonly kind: 'unreachable'; readonly why: 'link' | 'circuit' | 'busy' | 'refused' }

/** What a decision goes by that had to ask; without `request` nothing was asked, because it would have been in vain. */
export interface HostVerdict {
  readonly answer: HostAnswer
  readonly request: HostRequest | undefined
}

/** How a request to the account host ended. `used`: the money that it took is in this decision. */
export interface HostEnding {
  readonly request: HostRequest
  readonly outcome: HostAnswer['kind'] | 'abandoned'
  readonly used: boolean
  /** Whether it must be taken back there: a reversal is forwarded in the same commit. */
  readonly reversed: boolean
  /** What the host paid, as it says; 0 unless it approved. */
  readonly paidPiasters: number
  /** DE38 or DE39 of the host's answer. */
  readonly said: string
}

/** What Mizan may approve by itself while the account host cannot be asked. */
export interface StandInRule {
  /** Codes of programmes; `postal` is a payment that belongs to none. */
  readonly programmes: readonly string[]
  readonly cardKinds: readonly Card['kind'][]
  /** DE3, first two digits. */
  readonly transactionTypes: readonly string[]
  readonly perTransactionPiasters: number
  readonly perDayPiasters: number
  readonly perDayCount: number
}

/** Rules about accounts that are held at the Post's account host. */
export interface AccountHostPolicy {
  /** Name of the outbound link to it, where messages that it must not miss are queued. */
  readonly destination: string
  /** DE32 of messages that no acquirer caused. */
  readonly institution: string
  /** The first that fits counts; none fits = no stand-in. */
  readonly standIn: readonly StandInRule[]
}

/** Payments that belong to no programme, as rules name them. */
export const POSTAL_PROGRAMME = 'postal'

const COUNTERS_OF_KIND = 2
const COUNTERS_OF_PROGRAMME = 10

/**
 * Counters of what a household's cards of a kind were granted by stand-in for a programme on a day: piasters and times.
 * They are those of programme 0, which no programme has.
 */
export function standInCounters(programmeNumber: number, kind: Card['kind']): { amount: number; count: number } {
  const first = programmeNumber * COUNTERS_OF_PROGRAMME + cardKinds.indexOf(kind) * COUNTERS_OF_KIND + 1
  return { amount: usageCounter(0, first), count: usageCounter(0, first + 1) }
}
