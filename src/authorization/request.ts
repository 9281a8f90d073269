import type { BasketLine } from '../benefit/basket.ts'
import type { DatedOutlet } from './outlet.ts'
import type { Result } from './result.ts'

export type MessageClass =
  | 'authorization'
  | 'financial'
  | 'authorization-advice'
  | 'financial-advice'
  | 'reversal'
  | 'reversal-advice'

/** What a message brings to be verified; in memory only, never stored, and let go when the verdicts are there. */
export interface SecurityData {
  /** DE52: 8 or 16 bytes. */
  readonly pinBlock: Uint8Array | undefined
  /** DE53, or undefined. */
  readonly securityControl: string | undefined
  /** DE48 KS: the key serial number of a DUKPT PIN block. */
  readonly keySerial: Uint8Array | undefined
  /** DE55, the terminal's chip data. */
  readonly chip: Uint8Array | undefined
  /** DE23 card sequence number, two digits, or undefined. */
  readonly sequenceNumber: string | undefined
  /** What follows the expiry on track 2: service code and discretionary data. */
  readonly track2: { readonly expiry: string; readonly serviceCode: string; readonly discretionary: string } | undefined
  /** DE48 OT: the one-time code that the holder entered, six digits. */
  readonly oneTimeCode: string | undefined
  /** DE48 BM: the assertion and the text of the message that it must be bound to. */
  readonly assertion: { readonly token: Uint8Array; readonly boundTo: string } | undefined
}

/** DE90 in parts (visa-base1.md, section 8): how a reversal names its original. */
export interface OriginalReference {
  readonly mti: string
  readonly stan: string
  readonly transmission: string
  readonly acquirer: string
}

/** An amount in another currency than pounds, as it was said. */
export interface ForeignAmount {
  /** DE49, three digits. */
  readonly currency: string
  /** DE4, in that currency's minor units; 0 when the message does not say. */
  readonly amount: number
}

/** What of the card network's clearing file a posting stands for, and what it was matched to. */
export interface PresentmentFacts {
  /** Acquirer reference number, 23 digits. */
  readonly arn: string
  /** 05 sale, 06 credit, 07 cash, 25 to 27 their reversals. */
  readonly transactionCode: string
  /** The row of the file, `file:number`. */
  readonly item: string
  /** Such as `exact` or `forced`. */
  readonly outcome: string
  /** Of the authorization that it matched; undefined for one that matched none. */
  readonly match: { readonly id: number; readonly rule: string; readonly confidence: number } | undefined
  /** Such as `late`. */
  readonly flags: readonly string[]
}

/**
 * A request for a decision, in the terms of the decision and not of any dialect. Built by `inbound.ts`; text is
 * trimmed, amounts are whole minor units. `fault` is set when the message cannot be decided on its merits.
 */
export interface AuthorizationRequest {
  readonly messageClass: MessageClass
  /** Base form: 0200 also for 0201. */
  readonly mti: string
  readonly repeat: boolean
  /** Name of the link it came by. */
  readonly link: string
  /** Came over the card scheme's rails: purchases are held and clear through the scheme's files. */
  readonly schemeRail: boolean
  readonly receivedAtMs: number
  /** In memory only; never stored or logged in clear. */
  readonly pan: string
  /** Keyed hash of the PAN, 16 bytes as a latin1 string. */
  readonly panIndex: string
  readonly expiry: string | undefined
  readonly transactionType: string
  readonly fromAccount: string
  readonly toAccount: string
  /** DE4, or what the scheme billed (DE6) of a transaction in another currency, piasters; 0 when a reversal does not say. */
  readonly amountPiasters: number
  /** What the outlet hands out as cash of it, piasters (DE54 type 40). */
  readonly cashbackPiasters: number
  readonly stan: string
  /** DE7, MMDDhhmmss UTC. */
  readonly transmission: string
  readonly rrn: string
  readonly acquirer: string
  readonly terminal: string
  readonly acceptor: string
  readonly mcc: string
  /** The scheme's own transaction identifier (Visa 62.2), or ''. */
  readonly networkReference: string
  /** The requester can take less than it asked for. */
  readonly partialAllowed: boolean
  /** DE48 QT: loaves or kilograms. */
  readonly quantity: number | undefined
  /** DE48 DY: days drawn. */
  readonly days: number
  /** DE48 CP: how the household pays its part, cash or postal account; undefined when the message does not say. */
  readonly tender: 'cash' | 'postal' | undefined
  /** DE48 IT lines; undefined without any. */
  readonly basket: readonly BasketLine[] | undefined
  /** DE48 OT `SEND`: the holder wants a one-time code. */
  readonly wantsCode: boolean
  /** DE48 HS: code of a health service. */
  readonly service: string | undefined
  /** DE48 HC: what a health service costs in all, piasters. */
  readonly costPiasters: number | undefined
  /** DE48 FL: sequence of a draw that the terminal made on its own. */
  readonly offlineSequence: number | undefined
  /** DE13 and DE12, MMDDhhmmss in Cairo; '' when the message does not say. */
  readonly localTime: string
  /** DE22: the card's data was read from its chip. */
  readonly chipRead: boolean
  /** Undefined when there is nothing to verify. */
  readonly security: SecurityData | undefined
  /** DE39 of an advice: what was decided elsewhere; undefined when it does not say. */
  readonly adviceCode: string | undefined
  /** DE48 MC, or DE62.11 and 62.12: which of how many captures of a hold this is; undefined for the only one. */
  readonly capture: { readonly sequence: number; readonly count: number } | undefined
  /** Why a reversal was sent (DE63.3), four digits, or ''. */
  readonly reason: string
  readonly original: OriginalReference | undefined
  /** DE95, piasters: what the transaction really came to; undefined for a full reversal. */
  readonly replacementPiasters: number | undefined
  /** The same in place of it, as a share of the original: of a reversal in another currency that does not say what was billed. */
  readonly replacementShare?: { readonly part: number; readonly whole: number } | undefined
  /** What the transaction was made in, when that is not pounds. */
  readonly foreign?: ForeignAmount | undefined
  /** Duplicate key, 16 bytes as a latin1 string. */
  readonly key: string
  /** Hash of the content that a repeat must share, 16 bytes as a latin1 string. */
  readonly contentHash: string
  /** Key of the original that DE90 names. */
  readonly originalKey: string | undefined
  readonly fault: { readonly result: Result; readonly field: string } | undefined
  /**
   * JSON of what only the scheme's clearing file needs (`SchemeFacts`); undefined for messages that do not go into it.
   */
  readonly schemeFacts?: string | undefined
  /** Set for what the network's clearing file brought, and no message. */
  readonly presentment?: PresentmentFacts | undefined
}

/** The fields of a request that says nothing more than what must be said; for requests that no message brings. */
export const unsaid = {
  repeat: false,
  expiry: undefined,
  cashbackPiasters: 0,
  networkReference: '',
  partialAllowed: false,
  quantity: undefined,
  days: 1,
  tender: undefined,
  basket: undefined,
  wantsCode: false,
  service: undefined,
  costPiasters: undefined,
  offlineSequence: undefined,
  localTime: '',
  chipRead: false,
  security: undefined,
  adviceCode: undefined,
  capture: undefined,
  reason: '',
  original: undefined,
  replacementPiasters: undefined,
  originalKey: undefined,
  fault: undefined,
} as const satisfies Partial<AuthorizationRequest>

/** An outlet of the master data. */
export interface Outlet extends DatedOutlet {
  readonly id: number
  /** DE42, trimmed. */
  readonly acceptor: string
  readonly category: 'bakery' | 'grocer' | 'depot' | 'health' | 'shop' | 'atm' | 'post'
  readonly mcc: string
  readonly governorate: string
  /** Whether its terminals can take a partial approval. */
  readonly partialApproval: boolean
}
