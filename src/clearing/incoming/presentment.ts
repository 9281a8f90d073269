import type { CivilDate } from '../../calendar.ts'

/** Transaction codes of a clearing file that move a cardholder's money (own specification, BASE II style). */
export const firstCodes = ['05', '06', '07'] as const
export const reversalCodes = ['25', '26', '27'] as const
export const chargebackCodes = ['15', '16', '17'] as const
export const chargebackReversalCodes = ['35', '36', '37'] as const

/** What a clearing file says of a transaction on a card, as matching needs it; the card's number is not among it. */
export interface Presentment {
  readonly transactionCode: string
  /** 1 for the first presentment, 2 for one that answers a chargeback. */
  readonly usage: string
  /** Acquirer reference number, 23 digits. */
  readonly arn: string
  /** The network's transaction identifier, 15 digits, or ''. */
  readonly transactionId: string
  /** Six characters, or ''. */
  readonly authorizationCode: string
  /** Film locator of the ARN: the last eleven digits of the RRN, where the acquirer puts it there. */
  readonly rrn: string
  readonly terminal: string
  readonly acceptor: string
  readonly mcc: string
  /** In the account's currency. */
  readonly amountPiasters: number
  readonly currency: string
  /** Undefined when it is no date. */
  readonly purchaseDate: CivilDate | undefined
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
}

/** An item that came before under the same ARN: what a reversal takes back, what a representment is of. */
export interface Earlier {
  readonly fileId: number
  readonly number: number
  readonly transactionCode: string
  readonly usage: string
  /** Which of several clearings. */
  readonly sequence: number
  readonly amountPiasters: number
  /** Row of the journal that holds its money. */
  readonly posted: { readonly id: number; readonly businessDate: CivilDate } | undefined
  /** The open dispute of it. */
  readonly disputeId: number | undefined
}
