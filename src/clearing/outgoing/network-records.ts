import { type CivilDate, civilTime } from '../../calendar.ts'
import { approvalCode } from '../../identifiers.ts'
import { EGP } from '../../money.ts'
import type { Chargeback } from '../../store/clearing/chargebacks.ts'
import type { NetworkItem } from '../../store/clearing/items.ts'
import { arnOf, yddd, yyddd } from '../records/arn.ts'
import { base2 } from '../records/base2.ts'
import { beginRecord, putDigits, putNumber, putText, recordText } from '../records/record-writer.ts'
import type { Totals } from '../records/tally.ts'

export const RECORD_BYTES = 168

/** What all records of a file share. */
export interface NetworkFileHead {
  readonly processingBin: string
  readonly businessDate: CivilDate
  /** Number of the file of its date. */
  readonly sequence: number
  readonly isTest: boolean
}

const header = fieldsOf('90', ['transactionCode', 'processingBin', 'processingDate', 'testOption', 'outgoingFileId'])
const trailer = fieldsOf('91', [
  'transactionCode',
  'component',
  'processingBin',
  'processingDate',
  'destinationAmount',
  'monetaryTransactionCount',
  'batchNumber',
  'componentCount',
  'centreBatchId',
  'transactionCount',
  'sourceAmount',
])
const part0 = fieldsOf('05.0', [
  'transactionCode',
  'component',
  'accountNumber',
  'accountNumberExtension',
  'arnFormatCode',
  'acquirerBusinessId',
  'purchaseDate',
  'destinationAmount',
  'destinationCurrency',
  'sourceAmount',
  'sourceCurrency',
  'merchantName',
  'merchantCity',
  'merchantCountry',
  'mcc',
  'usageCode',
  'reasonCode',
  'authorizationCode',
  'centralProcessingDate',
  'reimbursementAttribute',
])
const part1 = fieldsOf('05.1', [
  'transactionCode',
  'component',
  'chargebackReferenceNumber',
  'memberMessageText',
  'cardAcceptorId',
  'terminalId',
  'cashback',
])
const part5 = fieldsOf('05.5', [
  'transactionCode',
  'component',
  'transactionIdentifier',
  'authorizedAmount',
  'authorizationCurrency',
  'authorizationResponseCode',
  'totalAuthorizedAmount',
])
/** Whole reference number: its five fields stand side by side. */
const ARN = { ...part0.arnFormatCode, length: 23 }

function fieldsOf<const N extends string>(layout: string, names: readonly N[]) {
  const compiled = base2.layout(layout)
  return Object.fromEntries(names.map((name) => [name, compiled.field(name)])) as Record<
    N,
    ReturnType<typeof compiled.field>
  >
}

/** Puts the header of a file. @returns its bytes */
export function headerRecord({ processingBin, businessDate, sequence, isTest }: NetworkFileHead): Buffer {
  const record = Buffer.alloc(RECORD_BYTES)
  beginRecord(record, 0, base2.layout('90'))
  putDigits(record, 0, header.transactionCode, '90')
  putText(record, 0, header.processingBin, processingBin)
  putDigits(record, 0, header.processingDate, yyddd(businessDate))
  putText(record, 0, header.testOption, isTest ? 'TEST' : '')
  putNumber(record, 0, header.outgoingFileId, sequence)
  return record
}

/**
 * Puts the trailer of a batch (91) or of the file (92).
 * @param number of the batch; of a file how many there are
 */
export function trailerRecord(code: '91' | '92', head: NetworkFileHead, number: number, totals: Totals): Buffer {
  const record = Buffer.alloc(RECORD_BYTES)
  beginRecord(record, 0, base2.layout(code))
  putDigits(record, 0, trailer.transactionCode, code)
  putText(record, 0, trailer.component, '0')
  putDigits(record, 0, trailer.processingBin, head.processingBin)
  putDigits(record, 0, trailer.processingDate, yyddd(head.businessDate))
  putNumber(record, 0, trailer.destinationAmount, totals.destinationPiasters)
  putNumber(record, 0, trailer.monetaryTransactionCount, totals.monetary)
  putNumber(record, 0, trailer.batchNumber, number)
  putNumber(record, 0, trailer.componentCount, totals.components)
  if (code === '91') putText(record, 0, trailer.centreBatchId, String(number).padStart(8, '0'))
  putNumber(record, 0, trailer.transactionCount, totals.transactions)
  putNumber(record, 0, trailer.sourceAmount, totals.sourcePiasters)
  return record
}

/** Parts that an item has at most. */
export const PARTS_MAX = 4

/**
 * Puts the parts of an item one behind the other.
 * @param pan in clear
 * @returns how many parts
 * @throws MizanError CODEC_ENCODE_FAILED when something does not fit its field
 */
export function putItem(to: Buffer, item: NetworkItem, pan: string, head: NetworkFileHead): number {
  putPart0(to, item, pan, head)
  putPart1(to, RECORD_BYTES, item)
  putPart5(to, RECORD_BYTES * 2, item)
  return 3
}

function putPart0(to: Buffer, item: NetworkItem, pan: string, head: NetworkFileHead): void {
  const { transactionCode: code, amountPiasters: amount, earlier, outlet } = item
  const acquirer = lastDigits(earlier?.acquirer ?? item.acquirer, 6)
  const { sequence, number, date } = earlier ?? {
    sequence: head.sequence,
    number: item.number,
    date: head.businessDate,
  }
  beginRecord(to, 0, base2.layout('05.0'))
  putDigits(to, 0, part0.transactionCode, code)
  putText(to, 0, part0.component, '0')
  putPan(to, pan)
  putDigits(to, 0, ARN, arnOf({ acquirer, date, sequence, number }))
  putDigits(to, 0, part0.acquirerBusinessId, lastDigits(item.acquirer, 8))
  putNumber(to, 0, part0.purchaseDate, civilTime(earlier?.receivedAtMs ?? item.receivedAtMs).date % 10_000)
  putNumber(to, 0, part0.destinationAmount, amount)
  putText(to, 0, part0.destinationCurrency, EGP)
  putNumber(to, 0, part0.sourceAmount, amount)
  putText(to, 0, part0.sourceCurrency, EGP)
  if (outlet !== undefined) {
    putText(to, 0, part0.merchantName, recordText(outlet.name, 25))
    putText(to, 0, part0.merchantCity, recordText(outlet.governorate, 13))
  }
  putText(to, 0, part0.merchantCountry, 'EG')
  putDigits(to, 0, part0.mcc, /^\d{4}$/.test(item.mcc) ? item.mcc : '0')
  putNumber(to, 0, part0.usageCode, 1)
  // A completion's and a reversal's code is that of what they complete or take back; a refund has its own.
  const authorizedBy = code === '06' ? item.authorizationId : (item.originalId ?? item.authorizationId)
  putText(to, 0, part0.authorizationCode, approvalCode(authorizedBy))
  putDigits(to, 0, part0.centralProcessingDate, yddd(head.businessDate))
  putText(to, 0, part0.reimbursementAttribute, '0')
}

function putPart1(to: Buffer, at: number, item: NetworkItem): void {
  beginRecord(to, at, base2.layout('05.1'))
  putDigits(to, at, part1.transactionCode, item.transactionCode)
  putText(to, at, part1.component, '1')
  putText(to, at, part1.memberMessageText, recordText(item.rrn, 50))
  putText(to, at, part1.cardAcceptorId, recordText(item.acceptor, 15))
  putText(to, at, part1.terminalId, recordText(item.terminal, 8))
  putNumber(to, at, part1.cashback, Math.min(item.cashbackPiasters, CASHBACK_MAX))
}
const CASHBACK_MAX = 999_999_999

function putPart5(to: Buffer, at: number, item: NetworkItem): void {
  const authorized = item.heldPiasters ?? item.requestedPiasters
  beginRecord(to, at, base2.layout('05.5'))
  putDigits(to, at, part5.transactionCode, item.transactionCode)
  putText(to, at, part5.component, '5')
  if (/^\d{1,15}$/.test(item.networkReference)) putDigits(to, at, part5.transactionIdentifier, item.networkReference)
  putNumber(to, at, part5.authorizedAmount, authorized)
  putText(to, at, part5.authorizationCurrency, EGP)
  putText(to, at, part5.authorizationResponseCode, item.responseCode.slice(0, 2))
  putNumber(to, at, part5.totalAuthorizedAmount, authorized)
}

/**
 * Puts the parts of a chargeback one behind the other: the first presentment's reference number, date and place, our reason
 * and our number of the dispute.
 * @param pan in clear
 * @returns how many parts
 * @throws MizanError CODEC_ENCODE_FAILED when something does not fit its field
 */
export function putChargeback(to: Buffer, item: Chargeback, pan: string, head: NetworkFileHead): number {
  const { transactionCode: code, amountPiasters: amount, outlet } = item
  beginRecord(to, 0, base2.layout('05.0'))
  putDigits(to, 0, part0.transactionCode, code)
  putText(to, 0, part0.component, '0')
  putPan(to, pan)
  putDigits(to, 0, ARN, item.arn)
  putDigits(to, 0, part0.acquirerBusinessId, lastDigits(item.arn.slice(1, 7), 8))
  putNumber(to, 0, part0.purchaseDate, item.purchaseDate % 10_000)
  putNumber(to, 0, part0.destinationAmount, amount)
  putText(to, 0, part0.destinationCurrency, EGP)
  putNumber(to, 0, part0.sourceAmount, amount)
  putText(to, 0, part0.sourceCurrency, EGP)
  if (outlet !== undefined) {
    putText(to, 0, part0.merchantName, recordText(outlet.name, 25))
    putText(to, 0, part0.merchantCity, recordText(outlet.governorate, 13))
  }
  putText(to, 0, part0.merchantCountry, 'EG')
  putDigits(to, 0, part0.mcc, /^\d{4}$/.test(item.mcc) ? item.mcc : '0')
  putNumber(to, 0, part0.usageCode, 1)
  putDigits(to, 0, part0.reasonCode, item.reasonCode)
  putText(to, 0, part0.authorizationCode, recordText(item.authorizationCode, 6))
  putDigits(to, 0, part0.centralProcessingDate, yddd(head.businessDate))
  putText(to, 0, part0.reimbursementAttribute, '0')
  const next = RECORD_BYTES
  beginRecord(to, next, base2.layout('05.1'))
  putDigits(to, next, part1.transactionCode, code)
  putText(to, next, part1.component, '1')
  putNumber(to, next, part1.chargebackReferenceNumber, item.disputeId % CHARGEBACK_REFERENCES)
  putText(to, next, part1.memberMessageText, recordText(item.messageText, 50))
  putText(to, next, part1.cardAcceptorId, recordText(item.acceptor, 15))
  putText(to, next, part1.terminalId, recordText(item.terminal, 8))
  if (!/^\d{1,15}$/.test(item.transactionId)) return 2
  const last = RECORD_BYTES * 2
  beginRecord(to, last, base2.layout('05.5'))
  putDigits(to, last, part5.transactionCode, code)
  putText(to, last, part5.component, '5')
  putDigits(to, last, part5.transactionIdentifier, item.transactionId)
  return 3
}
/** The field has six digits; the whole number of the dispute stands in the message. */
const CHARGEBACK_REFERENCES = 1_000_000

function putPan(to: Buffer, pan: string): void {
  putDigits(to, 0, part0.accountNumber, pan.slice(0, 16))
  if (pan.length > 16) putDigits(to, 0, part0.accountNumberExtension, pan.slice(16).padEnd(3, '0'))
}

/** The last so many digits of an institution's number, with zeros before them. */
function lastDigits(institution: string, length: number): string {
  const digits = /^\d+$/.test(institution) ? institution : '0'
  return digits.slice(-length).padStart(length, '0')
}
