import type { CivilDate } from '../../calendar.ts'
import { assert } from '../../errors.ts'
import { type Account, type Agent, accountXml, agentXml, type Party, partyXml } from './parties.ts'
import {
  CURRENCY,
  decimalPounds,
  externalCode,
  identifier,
  isoDate,
  isoDateTime,
  latinText,
  paidPounds,
  uetrOf,
} from './values.ts'
import { closing, DOCUMENT_END, documentStart, inChunks, leaf, node, opening, type Xml } from './xml.ts'

/** Rows from a cursor or a list. */
export type Rows<T> = AsyncIterable<T> | Iterable<T>

/** Number and sum of the payments of a message, known before they are read; the writer holds them against the rows. */
export interface Totals {
  readonly transactions: number
  readonly amountPiasters: bigint
}

/** A customer's credit transfer within pain.001 and pacs.008. */
export interface CreditTransfer {
  readonly endToEndId: string
  /** Unique reference (UUID) between banks; not in pain.001. @default one made of the end-to-end id */
  readonly uetr?: string
  readonly amountPiasters: number
  readonly creditor: Party
  readonly creditorAccount: Account
  readonly creditorAgent: Agent
  /** Four-letter purpose, e.g. `GOVT`, `SUPP`. */
  readonly purpose?: string
  /** One line for the receiver, in any script. */
  readonly remittance?: string
}

/** pain.001.001.09: a customer tells its bank to pay many. */
export interface PaymentInitiation {
  readonly messageId: string
  readonly createdMs: number
  readonly initiatingParty: Party
  readonly paymentInformationId: string
  readonly executionDate: CivilDate
  readonly debtor: Party
  readonly debtorAccount: Account
  readonly debtorAgent: Agent
  /** One debit on the statement for the whole message, instead of one a payment. @default false */
  readonly batchBooking?: boolean
  readonly totals: Totals
  readonly payments: Rows<CreditTransfer>
}

/** pacs.008.001.08: a bank passes customers' credit transfers on to another. */
export interface CustomerCreditTransfers {
  readonly messageId: string
  readonly createdMs: number
  readonly settlementDate: CivilDate
  readonly instructingAgent: Agent
  readonly instructedAgent: Agent
  readonly debtor: Party
  readonly debtorAccount: Account
  readonly debtorAgent: Agent
  readonly totals: Totals
  readonly payments: Rows<CreditTransfer>
}

/** One payment between banks within pacs.009. */
export interface InstitutionTransfer {
  readonly endToEndId: string
  /** Unique reference (UUID) between banks; not in pain.001. @default one made of the end-to-end id */
  readonly uetr?: string
  readonly amountPiasters: number
  readonly debtor: Agent
  readonly debtorAccount?: Account
  readonly creditor: Agent
  readonly creditorAccount?: Account
  readonly remittance?: string
}

/** pacs.009.001.08: a bank pays a bank, through the central bank's settlement system. */
export interface InstitutionTransfers {
  readonly messageId: string
  readonly createdMs: number
  readonly settlementDate: CivilDate
  readonly instructingAgent: Agent
  readonly instructedAgent: Agent
  readonly totals: Totals
  readonly payments: Rows<InstitutionTransfer>
}

const REMITTANCE_MAX = 140

/**
 * Writes pain.001.001.09 in chunks. What it writes is a function of what it is given.
 * @throws MizanError BAD_INPUT when a value cannot be written; ASSERTION_FAILED when the payments are not those of the
 * totals
 */
export function writePaymentInitiation(message: PaymentInitiation): AsyncGenerator<string> {
  return inChunks(initiationPieces(message))
}

async function* initiationPieces(message: PaymentInitiation): AsyncGenerator<string> {
  const { transactions, amountPiasters } = message.totals
  const counts = [leaf('NbOfTxs', String(transactions)), leaf('CtrlSum', decimalPounds(amountPiasters, 'the sum'))]
  yield documentStart('pain.001.001.09') + opening('CstmrCdtTrfInitn')
  yield `${node('GrpHdr', headXml(message), counts, partyXml('InitgPty', message.initiatingParty))}\n${opening('PmtInf')}`
  yield [
    leaf('PmtInfId', identifier(message.paymentInformationId, 'PmtInfId')),
    leaf('PmtMtd', 'TRF'),
    leaf('BtchBookg', String(message.batchBooking ?? false)),
    ...counts,
    node('ReqdExctnDt', leaf('Dt', isoDate(message.executionDate))),
    partyXml('Dbtr', message.debtor),
    accountXml('DbtrAcct', message.debtorAccount, CURRENCY),
    agentXml('DbtrAgt', message.debtorAgent),
    leaf('ChrgBr', 'SLEV'),
    '\n',
  ].join('')
  const payments = counted(message.payments, message.totals)
  for await (const payment of payments) yield `${initiationXml(payment)}\n`
  yield closing('PmtInf') + closing('CstmrCdtTrfInitn') + DOCUMENT_END
}

function initiationXml(payment: CreditTransfer): Xml {
  return node(
    'CdtTrfTxInf',
    node('PmtId', leaf('EndToEndId', identifier(payment.endToEndId, 'EndToEndId'))),
    node('Amt', amountXml('InstdAmt', payment.amountPiasters, payment.endToEndId)),
    agentXml('CdtrAgt', payment.creditorAgent),
    partyXml('Cdtr', payment.creditor),
    accountXml('CdtrAcct', payment.creditorAccount),
    trailerXml(payment),
  )
}

/** Writes pacs.008.001.08 in chunks; see {@link writePaymentInitiation}. */
export function writeCustomerCreditTransfers(message: CustomerCreditTransfers): AsyncGenerator<string> {
  return inChunks(customerPieces(message))
}

async function* customerPieces(message: CustomerCreditTransfers): AsyncGenerator<string> {
  yield `${documentStart('pacs.008.001.08')}${opening('FIToFICstmrCdtTrf')}${settlementHeadXml(message)}\n`
  for await (const payment of counted(message.payments, message.totals)) {
    yield `${node(
      'CdtTrfTxInf',
      interbankIdXml(payment),
      amountXml('IntrBkSttlmAmt', payment.amountPiasters, payment.endToEndId),
      leaf('ChrgBr', 'SLEV'),
      partyXml('Dbtr', message.debtor),
      accountXml('DbtrAcct', message.debtorAccount),
      agentXml('DbtrAgt', message.debtorAgent),
      agentXml('CdtrAgt', payment.creditorAgent),
      partyXml('Cdtr', payment.creditor),
      accountXml('CdtrAcct', payment.creditorAccount),
      trailerXml(payment),
    )}\n`
  }
  yield closing('FIToFICstmrCdtTrf') + DOCUMENT_END
}

/** Writes pacs.009.001.08 in chunks; see {@link writePaymentInitiation}. */
export function writeInstitutionTransfers(message: InstitutionTransfers): AsyncGenerator<string> {
  return inChunks(institutionPieces(message))
}

async function* institutionPieces(message: InstitutionTransfers): AsyncGenerator<string> {
  yield `${documentStart('pacs.009.001.08')}${opening('FICdtTrf')}${settlementHeadXml(message)}\n`
  for await (const payment of counted(message.payments, message.totals)) {
    const { debtorAccount, creditorAccount } = payment
    yield `${node(
      'CdtTrfTxInf',
      interbankIdXml(payment),
      amountXml('IntrBkSttlmAmt', payment.amountPiasters, payment.endToEndId),
      agentXml('Dbtr', payment.debtor),
      debtorAccount === undefined ? undefined : accountXml('DbtrAcct', debtorAccount),
      agentXml('Cdtr', payment.creditor),
      creditorAccount === undefined ? undefined : accountXml('CdtrAcct', creditorAccount),
      trailerXml(payment),
    )}\n`
  }
  yield closing('FICdtTrf') + DOCUMENT_END
}

/** MsgId and CreDtTm, with which every group header begins. */
export function headXml(message: { readonly messageId: string; readonly createdMs: number }): Xml[] {
  return [leaf('MsgId', identifier(message.messageId, 'MsgId')), leaf('CreDtTm', isoDateTime(message.createdMs))]
}

/** The group header of a message between banks. @param total element of its sum */
export function settlementHeadXml(message: Omit<InstitutionTransfers, 'payments'>, total = 'TtlIntrBkSttlmAmt'): Xml {
  const { transactions, amountPiasters } = message.totals
  return node(
    'GrpHdr',
    headXml(message),
    leaf('NbOfTxs', String(transactions)),
    leaf(total, decimalPounds(amountPiasters, 'the sum'), { Ccy: CURRENCY }),
    leaf('IntrBkSttlmDt', isoDate(message.settlementDate)),
    node('SttlmInf', leaf('SttlmMtd', 'CLRG')),
    agentXml('InstgAgt', message.instructingAgent),
    agentXml('InstdAgt', message.instructedAgent),
  )
}

/** An amount in Egyptian pounds that is paid, as element `name`. */
export function amountXml(name: string, amountPiasters: number | bigint, of: string): Xml {
  return leaf(name, paidPounds(amountPiasters, `the amount of ${of}`), { Ccy: CURRENCY })
}

function interbankIdXml({ endToEndId, uetr }: { readonly endToEndId: string; readonly uetr?: string }): Xml {
  const id = identifier(endToEndId, 'EndToEndId')
  const reference = uetr ?? uetrOf(id)
  return node('PmtId', leaf('InstrId', id), leaf('EndToEndId', id), leaf('TxId', id), leaf('UETR', reference))
}

function trailerXml({ purpose, remittance }: { readonly purpose?: string; readonly remittance?: string }): Xml[] {
  const parts: Xml[] = []
  if (purpose !== undefined) parts.push(node('Purp', leaf('Cd', externalCode(purpose, 'a purpose'))))
  if (remittance !== undefined) {
    parts.push(node('RmtInf', leaf('Ustrd', latinText(remittance, REMITTANCE_MAX, 'a remittance'))))
  }
  return parts
}

/** Passes payments on and holds their number and sum against those that the header has already said. */
async function* counted<T extends { readonly amountPiasters: number }>(rows: Rows<T>, totals: Totals) {
  let transactions = 0
  let sum = 0n
  for await (const row of rows) {
    transactions++
    sum += BigInt(row.amountPiasters)
    yield row
  }
  assert(
    transactions > 0 && transactions === totals.transactions && sum === totals.amountPiasters,
    `a message must have the payments of its header: ${totals.transactions} of ${totals.amountPiasters} piasters, ` +
      `but there are ${transactions} of ${sum}`,
  )
}
