import type { CivilDate } from '../../calendar.ts'
import type { EarlierRow } from '../../store/clearing/network-candidates.ts'
import type { PresentedFields } from '../../store/clearing/network-items.ts'

/** Transaction codes of a clearing file that move a cardholder's money (own specification, BASE II style). */
export const firstCodes = ['05', '06', '07'] as const
export const reversalCodes = ['25', '26', '27'] as const
export const chargebackCodes = ['15', '16', '17'] as const
export const chargebackReversalCodes = ['35', '36', '37'] as const

/** Types of DE3 that pay a household: a refund, and a deposit. They are presented as a credit (06). */
export const creditTypes: readonly string[] = ['20', '21']

/** What a clearing file says of a transaction on a card, as matching needs it; the card's number is not among it. */
export interface Presentment extends PresentedFields {
  /** Which of how many clearings of one authorization it is. */
  readonly clearing: { readonly sequence: number; readonly count: number }
}

/** An approved authorization of the same card that a presentment may belong to. */
export interface Candidate {
  readonly id: number
  readonly businessDate: CivilDate
  readonly mti: string
  readonly transactionType: string
  readonly networkReference: string
  readonly rrn: string
  readonly terminal: string
  readonly acceptor: string
  readonly approvalCode: string
  readonly approvedPiasters: number
  /** Civil date of it. */
  readonly date: CivilDate
  /** Undefined for what posted at once. */
  readonly hold: CandidateHold | undefined
  /** What messages posted of it: its own, or captures of its hold. */
  readonly postedPiasters: number
  /** Rows of the journal that took money for its hold, whoever brought them. */
  readonly captures: readonly Posting[]
  /** What of it came in clearing files before, or earlier in this one. */
  readonly cleared: readonly ClearedPart[]
}

export interface CandidateHold {
  readonly openPiasters: number
  /** How it ended; undefined while it is open. */
  readonly ending: 'captured' | 'voided' | 'expired' | undefined
}

export interface ClearedPart {
  readonly arn: string
  readonly sequence: number
  readonly count: number
  readonly piasters: number
  /** Whether it is being posted, or taken back, at this moment: what comes of that is not known. */
  readonly isUnderWay: boolean
}

/** A row of the journal that took money. */
export interface Posting {
  readonly id: number
  readonly businessDate: CivilDate
  readonly piasters: number
}

/** An item that came before under the same ARN: what a reversal takes back, what a representment is of. */
export type Earlier = Omit<EarlierRow, 'arn' | 'state'>
