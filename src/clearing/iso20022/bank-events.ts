import type { CivilDate } from '../../calendar.ts'

/** Messages that are read, by the element in which they stand. */
export const messageElements = {
  BkToCstmrAcctRpt: 'camt.052',
  BkToCstmrStmt: 'camt.053',
  BkToCstmrDbtCdtNtfctn: 'camt.054',
  CstmrPmtStsRpt: 'pain.002',
  FIToFIPmtStsRpt: 'pacs.002',
  PmtRtr: 'pacs.004',
  CstmrCdtTrfInitn: 'pain.001',
  FIToFICstmrCdtTrf: 'pacs.008',
  FICdtTrf: 'pacs.009',
  FinInstnCdtTrf: 'pacs.009',
} as const
export type MessageName = (typeof messageElements)[keyof typeof messageElements]

/** Versions that are read: camt .02 to .14, pain.002 .03 to .15, and of the others those in use. */
export const messageVersions: Readonly<Record<MessageName, readonly [first: number, last: number]>> = {
  'camt.052': [2, 14],
  'camt.053': [2, 14],
  'camt.054': [2, 14],
  'pain.002': [3, 15],
  'pacs.002': [3, 16],
  'pacs.004': [2, 15],
  'pain.001': [3, 13],
  'pacs.008': [2, 14],
  'pacs.009': [2, 13],
}

/**
 * An amount as it is written: hundred-thousandths of the currency's unit, five places being the most that a message
 * has.
 */
export interface ReadAmount {
  readonly value: bigint
  readonly currency: string
}

/** What a file is. */
export interface MessageEvent {
  readonly type: 'message'
  readonly name: MessageName
  /** As in `camt.053.001.08`; of a file without namespace that of the name alone. */
  readonly schema: string
  readonly messageId: string
  readonly createdMs: number | undefined
  /** Of the business header around it. */
  readonly businessMessageId: string | undefined
}

export type ReportKind = 'statement' | 'notification' | 'intraday'

/** A statement, notification or intraday report begins. */
export interface ReportEvent {
  readonly type: 'report'
  readonly kind: ReportKind
  readonly line: number
  readonly id: string
  readonly sequence: number | undefined
  readonly page: number
  readonly lastPage: boolean
  readonly createdMs: number | undefined
  readonly fromMs: number | undefined
  readonly toMs: number | undefined
  readonly account: string
  readonly currency: string
  /** BIC or number of the bank that keeps the account. */
  readonly servicer: string | undefined
  readonly opening: ReadBalance | undefined
  readonly closing: ReadBalance | undefined
}

export interface ReadBalance {
  /** Signed: below zero is overdrawn. */
  readonly amount: ReadAmount
  readonly date: CivilDate
  /** OPBD, PRCD, ITBD, CLBD. */
  readonly code: string
}

/** A booking. */
export interface EntryEvent {
  readonly type: 'entry'
  readonly line: number
  /** From 1 in each report. */
  readonly number: number
  /** Signed by its effect: above zero credits the account. */
  readonly amount: ReadAmount
  readonly reversal: boolean
  readonly status: 'BOOK' | 'PDNG' | 'INFO' | 'FUTR'
  readonly bookingDate: CivilDate | undefined
  readonly valueDate: CivilDate | undefined
  readonly reference: string | undefined
  readonly entryReference: string | undefined
  readonly code: string | undefined
  readonly text: string | undefined
  readonly batch: ReadBatch | undefined
  /** Payments of which it consists; when there are several their sum and the entry's own charges are its amount. */
  readonly transactions: readonly ReadTransaction[]
  /** Charges that its amount has in it besides those of its payments: signed, below zero they were taken. */
  readonly charges: bigint
}

export interface ReadBatch {
  readonly messageId: string | undefined
  readonly paymentId: string | undefined
  readonly transactions: number | undefined
}

/** A payment within an entry. */
export interface ReadTransaction {
  /** Signed; undefined when the bank does not say it, or in another currency. */
  readonly value: bigint | undefined
  /** Charges that its amount has in it: signed, below zero they were taken. */
  readonly charges: bigint
  readonly endToEndId: string | undefined
  readonly reference: string | undefined
  readonly messageId: string | undefined
  readonly paymentId: string | undefined
  readonly code: string | undefined
  readonly returnReason: string | undefined
  readonly counterpartyAccount: string | undefined
  readonly text: string | undefined
}

/** A report ended, and its sums were looked at. */
export interface ReportEndEvent {
  readonly type: 'report-end'
  readonly entries: number
  readonly notBooked: number
  readonly credits: bigint
  readonly debits: bigint
}

/** What became of a message, of a payment block, or of one payment (pain.002, pacs.002). */
export interface AnswerEvent {
  readonly type: 'answer'
  readonly line: number
  readonly level: 'message' | 'block' | 'payment'
  readonly originalMessageId: string | undefined
  readonly originalMessageName: string | undefined
  readonly paymentId: string | undefined
  readonly endToEndId: string | undefined
  /** What it says that the payment was of, as often as it says it. */
  readonly originals: readonly ReadAmount[]
  readonly status: string
  readonly reason: string | undefined
  readonly text: string | undefined
  readonly reference: string | undefined
}

/** A payment that comes back (pacs.004). */
export interface ReturnEvent {
  readonly type: 'return'
  readonly line: number
  readonly originalMessageId: string | undefined
  readonly originalMessageName: string | undefined
  readonly endToEndId: string | undefined
  /** What it says that the payment was of, as often as it says it. */
  readonly originals: readonly ReadAmount[]
  readonly returned: ReadAmount
  readonly reason: string | undefined
  readonly text: string | undefined
  readonly reference: string | undefined
}

/** A payment that is asked for (pain.001, pacs.008, pacs.009). */
export interface PaymentEvent {
  readonly type: 'payment'
  readonly line: number
  readonly paymentId: string | undefined
  readonly endToEndId: string
  readonly amount: ReadAmount
  readonly executionDate: CivilDate | undefined
  readonly debtorAccount: string | undefined
  readonly creditorAccount: string | undefined
  readonly creditorName: string | undefined
  readonly debtorAgent: string | undefined
  readonly creditorAgent: string | undefined
  readonly text: string | undefined
}

/** The file ended. */
export interface EndEvent {
  readonly type: 'end'
  readonly forgiven: readonly Forgiven[]
}

export type BankEvent =
  | MessageEvent
  | ReportEvent
  | EntryEvent
  | ReportEndEvent
  | AnswerEvent
  | ReturnEvent
  | PaymentEvent
  | EndEvent

/** What can be forgiven of a bank that is known for it. Amounts, signs, dates and what does not add up never are. */
export const forgivable = {
  namespace: 'the document has no namespace of ISO 20022; the message is told by its element',
  version: 'the version of the message is not one that is known',
  'stray-text': 'text stands where only elements may',
  'long-text': 'a text is longer than its schema allows; it was cut',
  'no-code': 'an entry has no bank transaction code',
  'no-balance': 'a statement has no opening or closing balance; it cannot be booked',
  'no-original': 'an answer does not say which message it is to',
  'batch-details': 'the payments of a batch are not its sum; the entry was taken as one',
  counts: 'the number or sum of payments or entries is not what the header says',
} as const
export type Forgivable = keyof typeof forgivable

export interface Forgiven {
  readonly kind: Forgivable
  readonly times: number
  readonly line: number
  readonly column: number
  readonly path: string
  readonly detail: string
}

/** How strictly a bank's files are read. */
export interface BankProfile {
  readonly name: string
  readonly forgive: ReadonlySet<Forgivable>
}

export const strictProfile: BankProfile = { name: 'strict', forgive: new Set() }
export const tolerantProfile: BankProfile = {
  name: 'tolerant',
  forgive: new Set(Object.keys(forgivable) as Forgivable[]),
}
