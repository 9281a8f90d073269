import type { SchemeFacts } from '../../authorization/scheme-facts.ts'
import { civilTime } from '../../calendar.ts'
import { approvalCode } from '../../identifiers.ts'
import { EGP } from '../../money.ts'
import type { Chargeback } from '../../store/clearing/chargebacks.ts'
import type { NetworkItem } from '../../store/clearing/outgoing-items.ts'
import { arnOf, yddd } from '../records/arn.ts'
import { base2, fieldsOf } from '../records/base2.ts'
import { beginRecord, putDigits, putNumber, putText, recordText } from '../records/record-writer.ts'
import { hasChipPart, putChipPart } from './chip-part.ts'
import { type NetworkFileHead, RECORD_BYTES } from './network-records.ts'

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
  'authCharacteristicsIndicator',
  'authorizationCode',
  'posTerminalCapability',
  'cardholderIdMethod',
  'posEntryMode',
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
  'motoEciIndicator',
  'cashback',
  'chipConditionCode',
])
const part5 = fieldsOf('05.5', [
  'transactionCode',
  'component',
  'transactionIdentifier',
  'authorizedAmount',
  'authorizationCurrency',
  'authorizationResponseCode',
  'validationCode',
  'multipleClearingSequenceNumber',
  'multipleClearingSequenceCount',
  'marketSpecificAuthDataIndicator',
  'totalAuthorizedAmount',
])
/** Whole reference number: its five fields stand side by side. */
const ARN = { ...part0.arnFormatCode, length: 23 }
const COUNTRY = 'EG'
const CASHBACK_MAX = 999_999_999
/** The field has six digits; the whole number of the dispute stands in the message. */
const CHARGEBACK_REFERENCES = 1_000_000

/** Parts that an item has at most. */
export const PARTS_MAX = 4

/** What part 0 says, of an item and of a chargeback alike. */
interface Draft {
  readonly transactionCode: string
  readonly pan: string
  readonly arn: string
  readonly acquirer: string
  /** MMDD as a number. */
  readonly purchaseDate: number
  readonly amountPiasters: number
  readonly outlet: NetworkItem['outlet']
  readonly mcc: string
  readonly reasonCode: string
  readonly authorizationCode: string
  readonly facts: SchemeFacts
}

/**
 * Puts the parts of an item one behind the other: 0, 1 and 5, and 7 where the card's chip was read.
 * @param pan in clear
 * @returns how many parts
 * @throws MizanError CODEC_ENCODE_FAILED when something does not fit its field
 */
export function putItem(to: Buffer, item: NetworkItem, pan: string, head: NetworkFileHead): number {
  const { transactionCode, earlier, facts } = item
  const { number, date } = earlier ?? { number: item.number, date: head.businessDate }
  // A completion's and a reversal's code is that of what they complete or take back; a refund has its own.
  const authorizedBy = transactionCode === '06' ? item.authorizationId : (item.originalId ?? item.authorizationId)
  putPart0(to, head, {
    ...item,
    pan,
    arn: arnOf({ acquirer: lastDigits(earlier?.acquirer ?? item.acquirer, 6), date, number }),
    purchaseDate: civilTime(earlier?.receivedAtMs ?? item.receivedAtMs).date % 10_000,
    reasonCode: '',
    authorizationCode: approvalCode(authorizedBy),
  })
  const second = RECORD_BYTES
  putPart1(to, second, item, item.rrn)
  putNumber(to, second, part1.cashback, Math.min(item.cashbackPiasters, CASHBACK_MAX))
  putText(to, second, part1.motoEciIndicator, remoteOrderOf(facts))
  putText(to, second, part1.chipConditionCode, oneOf(facts.chipCondition))
  putPart5(to, RECORD_BYTES * 2, item)
  if (!hasChipPart(facts)) return 3
  putChipPart(to, RECORD_BYTES * 3, transactionCode, facts)
  return 4
}

/**
 * Puts the parts of a chargeback one behind the other: the first presentment's reference number, date and place, our
 * reason and our number of the dispute.
 * @param pan in clear
 * @returns how many parts
 * @throws MizanError CODEC_ENCODE_FAILED when something does not fit its field
 */
export function putChargeback(to: Buffer, item: Chargeback, pan: string, head: NetworkFileHead): number {
  const { transactionCode, arn, transactionId } = item
  putPart0(to, head, {
    ...item,
    pan,
    acquirer: arn.slice(1, 7),
    purchaseDate: item.purchaseDate % 10_000,
    authorizationCode: recordText(item.authorizationCode, 6),
    facts: {},
  })
  putPart1(to, RECORD_BYTES, item, item.messageText)
  putNumber(to, RECORD_BYTES, part1.chargebackReferenceNumber, item.disputeId % CHARGEBACK_REFERENCES)
  if (!isIdentifier(transactionId)) return 2
  const last = RECORD_BYTES * 2
  beginPart(to, last, '5', transactionCode)
  putDigits(to, last, part5.transactionIdentifier, transactionId)
  return 3
}

function beginPart(to: Buffer, at: number, component: '0' | '1' | '5', transactionCode: string): void {
  beginRecord(to, at, base2.layout(`05.${component}`))
  putDigits(to, at, part0.transactionCode, transactionCode)
  putText(to, at, part0.component, component)
}

function putPart0(to: Buffer, head: NetworkFileHead, draft: Draft): void {
  const { amountPiasters: amount, outlet, facts } = draft
  beginPart(to, 0, '0', draft.transactionCode)
  putDigits(to, 0, part0.accountNumber, draft.pan.slice(0, 16))
  if (draft.pan.length > 16) putDigits(to, 0, part0.accountNumberExtension, draft.pan.slice(16).padEnd(3, '0'))
  putDigits(to, 0, ARN, draft.arn)
  putDigits(to, 0, part0.acquirerBusinessId, lastDigits(draft.acquirer, 8))
  putNumber(to, 0, part0.purchaseDate, draft.purchaseDate)
  putNumber(to, 0, part0.destinationAmount, amount)
  putText(to, 0, part0.destinationCurrency, EGP)
  putNumber(to, 0, part0.sourceAmount, amount)
  putText(to, 0, part0.sourceCurrency, EGP)
  const { name, city, country } = merchantOf(facts, outlet)
  putText(to, 0, part0.merchantName, name)
  putText(to, 0, part0.merchantCity, city)
  putText(to, 0, part0.merchantCountry, country)
  putDigits(to, 0, part0.mcc, /^\d{4}$/.test(draft.mcc) ? draft.mcc : '0')
  putNumber(to, 0, part0.usageCode, 1)
  putDigits(to, 0, part0.reasonCode, draft.reasonCode)
  putText(to, 0, part0.authCharacteristicsIndicator, oneOf(facts.characteristics))
  putText(to, 0, part0.authorizationCode, draft.authorizationCode)
  putText(to, 0, part0.posTerminalCapability, oneOf(facts.terminalCapability))
  putText(to, 0, part0.cardholderIdMethod, oneOf(facts.cardholderIdMethod))
  putText(to, 0, part0.posEntryMode, recordText(facts.entryMode ?? '', 2))
  putDigits(to, 0, part0.centralProcessingDate, yddd(head.businessDate))
  putText(to, 0, part0.reimbursementAttribute, '0')
}

function putPart1(to: Buffer, at: number, item: NetworkItem | Chargeback, message: string): void {
  beginPart(to, at, '1', item.transactionCode)
  putText(to, at, part1.memberMessageText, recordText(message, 50))
  putText(to, at, part1.cardAcceptorId, recordText(item.acceptor, 15))
  putText(to, at, part1.terminalId, recordText(item.terminal, 8))
}

function putPart5(to: Buffer, at: number, item: NetworkItem): void {
  const authorized = item.heldPiasters ?? item.requestedPiasters
  const { capture, marketData, validationCode } = item.facts
  beginPart(to, at, '5', item.transactionCode)
  if (isIdentifier(item.networkReference)) putDigits(to, at, part5.transactionIdentifier, item.networkReference)
  putNumber(to, at, part5.authorizedAmount, authorized)
  putText(to, at, part5.authorizationCurrency, EGP)
  putText(to, at, part5.authorizationResponseCode, item.responseCode.slice(0, 2))
  putText(to, at, part5.validationCode, recordText(validationCode ?? '', 4))
  putNumber(to, at, part5.multipleClearingSequenceNumber, capture?.sequence ?? 0)
  putNumber(to, at, part5.multipleClearingSequenceCount, capture?.count ?? 0)
  putText(to, at, part5.marketSpecificAuthDataIndicator, oneOf(marketData))
  putNumber(to, at, part5.totalAuthorizedAmount, authorized)
}

/** The merchant as the acquirer names it; what that leaves blank, as the master data has it. */
function merchantOf({ merchant }: SchemeFacts, outlet: Draft['outlet']): NonNullable<SchemeFacts['merchant']> {
  const country = merchant?.country ?? ''
  return {
    name: recordText(merchant?.name ?? '', 25) || recordText(outlet?.name ?? '', 25),
    city: recordText(merchant?.city ?? '', 13) || recordText(outlet?.governorate ?? '', 13),
    country: /^[A-Z]{2}$/.test(country) ? country : COUNTRY,
  }
}

/** Last digit of DE60.8; a card that was there has none. */
function remoteOrderOf({ remoteOrder = '' }: SchemeFacts): string {
  return Number(remoteOrder) > 0 ? oneOf(remoteOrder.at(-1)) : ''
}

function oneOf(text: string | undefined): string {
  return recordText(text ?? '', 1)
}

function isIdentifier(text: string): boolean {
  return /^\d{1,15}$/.test(text)
}

/** The last so many digits of an institution's number, with zeros before them. */
function lastDigits(institution: string, length: number): string {
  const digits = /^\d+$/.test(institution) ? institution : '0'
  return digits.slice(-length).padStart(length, '0')
}
