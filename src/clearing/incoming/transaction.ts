import { addDays, type CivilDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { NewNetworkTotal, NewReturn } from '../../store/clearing/network-files.ts'
import { luhnDigit } from '../records/arn.ts'
import { draftCodes } from '../records/base2.ts'
import type { ClearingTransaction } from '../records/file-reader.ts'
import type { ClearingRecord } from '../records/record-reader.ts'
import { amountsOf } from '../records/tally.ts'
import type { Presentment } from './presentment.ts'

/** What of an incoming transaction is kept, whatever it is. The card's number is in memory only. */
export interface IncomingTransaction {
  readonly number: number
  /** Record that it begins with. */
  readonly record: number
  readonly pan: string
  readonly reasonCode: string
  readonly item: Presentment
}

/** An incoming transaction by what it is. */
export type Incoming =
  | ({ readonly kind: 'draft' } & IncomingTransaction)
  | ({ readonly kind: 'fee'; readonly source: string; readonly destination: string } & IncomingTransaction)
  | ({ readonly kind: 'total'; readonly total: NetworkTotal } & IncomingTransaction)
  | ({
      readonly kind: 'acknowledgement'
      readonly acknowledgement: Acknowledgement
      /** What it is about is no file of ours: in words. */
      readonly unknown?: string
    } & IncomingTransaction)
  | ({ readonly kind: 'return'; readonly returned: ReturnedItem } & IncomingTransaction)
  | ({ readonly kind: 'other' } & IncomingTransaction)
  /** A field that cannot be read: where, and what is wrong with it; no value. */
  | ({ readonly kind: 'unreadable'; readonly words: string } & IncomingTransaction)

/** A total of the network's own (TC 46). Amounts in minor units. */
export type NetworkTotal = Omit<NewNetworkTotal, 'fileId' | 'number'>

/** What the network says of a file or batch of ours (TC 44). */
export interface Acknowledgement {
  readonly accepted: boolean
  readonly reason: string
  readonly batchDate: CivilDate | undefined
  readonly batchNumber: number
  readonly fileId: string
  readonly transactions: bigint
  readonly grossPiasters: bigint
}

/** An item of ours that came back (TC 01 to 03). */
export type ReturnedItem = Omit<NewReturn, 'fileId' | 'number'>

/** Days after the file's date that a purchase may be dated: none but for clocks. */
const FUTURE_DAYS = 1

/** Reads a transaction of a file. A field that cannot be read makes it `unreadable`: the file goes on. */
export function incomingOf(transaction: ClearingTransaction, fileDate: CivilDate): Incoming {
  const { transactionCode: code } = transaction
  const bare = bareOf(transaction)
  try {
    if ((draftCodes as readonly string[]).includes(code)) return { kind: 'draft', ...draftOf(transaction, fileDate) }
    if (code === '10' || code === '20') return feeOf(transaction, bare, fileDate)
    if (code === '46') return totalOf(transaction, bare, fileDate)
    if (code === '44') return acknowledgementOf(transaction, bare, fileDate)
    if (code === '01' || code === '02' || code === '03') return returnOf(transaction, bare, fileDate)
    return { kind: 'other', ...bare }
  } catch (error) {
    if (!(error instanceof MizanError) || error.code !== 'BAD_INPUT') throw error
    return { kind: 'unreadable', ...bare, words: error.message }
  }
}

const noClearing = { sequence: 1, count: 1 } as const

/** What is kept of any transaction; its amount was read when the file was found in order. */
function bareOf({ number, transactionCode, parts }: ClearingTransaction): IncomingTransaction {
  const [first] = parts
  const amountPiasters = first === undefined ? 0 : amountsOf(first).destination
  const item: Presentment = {
    transactionCode,
    usage: '1',
    arn: '',
    transactionId: '',
    authorizationCode: '',
    rrn: '',
    terminal: '',
    acceptor: '',
    mcc: '',
    amountPiasters,
    currency: '',
    purchaseDate: undefined,
    clearing: noClearing,
  }
  return { number, record: first?.number ?? 1, pan: '', reasonCode: '', item }
}

/** The first part of a transaction; one that begins with another part cannot be read. */
function headOf(transaction: ClearingTransaction, component = '0'): ClearingRecord {
  const head = transaction.part(component)
  if (head !== undefined) return head
  throw new MizanError('BAD_INPUT', `transaction ${transaction.number} has no part ${component}`)
}

function draftOf(transaction: ClearingTransaction, fileDate: CivilDate): IncomingTransaction {
  const head = headOf(transaction)
  const place = transaction.part('1')
  const payment = transaction.part('5')
  const arn = arnOf(head)
  const [sequence, count] = payment === undefined ? [1, 1] : clearingOf(payment)
  return {
    number: transaction.number,
    record: head.number,
    pan: head.digits('accountNumber'),
    reasonCode: head.text('reasonCode').replace(/^00$/, ''),
    item: {
      transactionCode: transaction.transactionCode,
      usage: /^[1-9]$/.test(head.raw('usageCode')) ? head.raw('usageCode') : '1',
      arn,
      transactionId: payment === undefined ? '' : emptyOf(payment.digits('transactionIdentifier')),
      authorizationCode: head.text('authorizationCode'),
      rrn: emptyOf(head.digits('arnFilmLocator')),
      terminal: place?.text('terminalId') ?? '',
      acceptor: place?.text('cardAcceptorId') ?? '',
      mcc: emptyOf(head.digits('mcc')),
      amountPiasters: head.value('destinationAmount'),
      currency: head.text('destinationCurrency'),
      purchaseDate: purchaseDateOf(head, fileDate),
      clearing: { sequence, count },
    },
  }
}

/** @throws MizanError BAD_INPUT when its check digit is wrong */
function arnOf(head: ClearingRecord): string {
  const parts = ['arnFormatCode', 'arnAcquiringId', 'arnDate', 'arnFilmLocator', 'arnCheckDigit']
  const arn = parts.map((name) => head.digits(name)).join('')
  if (luhnDigit(arn.slice(0, -1)) !== arn.at(-1)) throw head.fault('arnCheckDigit', 'does not fit the reference number')
  return arn
}

/** The date of a purchase: the latest one with its month and day that is not in the future of the file. */
function purchaseDateOf(head: ClearingRecord, fileDate: CivilDate): CivilDate | undefined {
  const half = 182
  const date = head.date('purchaseDate', addDays(fileDate, -half + FUTURE_DAYS))
  return date !== undefined && date > addDays(fileDate, FUTURE_DAYS) ? undefined : date
}

function clearingOf(payment: ClearingRecord): [number, number] {
  const [sequence, count] = [
    payment.value('multipleClearingSequenceNumber'),
    payment.value('multipleClearingSequenceCount'),
  ]
  return count <= 1 ? [1, 1] : [Math.max(1, sequence), count]
}

function emptyOf(digits: string): string {
  return /[1-9]/.test(digits) ? digits : ''
}

function feeOf(transaction: ClearingTransaction, bare: IncomingTransaction, fileDate: CivilDate): Incoming {
  const head = headOf(transaction)
  const item: Presentment = {
    ...bare.item,
    amountPiasters: head.value('destinationAmount'),
    currency: head.text('destinationCurrency'),
    purchaseDate: head.date('eventDate', fileDate),
    transactionId: emptyOf(head.digits('transactionIdentifier')),
  }
  const [source, destination] = [head.digits('sourceId'), head.digits('destinationId')]
  return { kind: 'fee', ...bare, reasonCode: head.text('reasonCode'), item, source, destination }
}

const modes: Readonly<Record<string, string>> = { 1: 'acquirer', 2: 'issuer', 3: 'other', 9: 'total' }
const amountTypes: Readonly<Record<string, string>> = { I: 'interchange', F: 'fee', C: 'charge', T: 'total' }

function totalOf(transaction: ClearingTransaction, bare: IncomingTransaction, fileDate: CivilDate): Incoming {
  const head = headOf(transaction)
  const layout = head.layout?.name ?? ''
  if (layout === '46.V2.0') {
    const [credit, debit] = [head.amount('creditAmount'), head.amount('debitAmount')]
    const net = signed(head, 'netAmount', 'netSign')
    if (net !== credit - debit) throw head.fault('netAmount', 'is not the credits less the debits')
    const total: NetworkTotal = {
      report: 'V2',
      settlementDate: head.date('settlementDate', fileDate),
      mode: modes[head.raw('businessMode')] ?? head.raw('businessMode'),
      amountType: amountTypes[head.text('amountType')] ?? head.text('amountType'),
      currency: head.text('settlementCurrency'),
      items: head.amount('count'),
      creditPiasters: credit,
      debitPiasters: debit,
      netPiasters: net,
      detail: { institution: head.text('fundsTransferSre'), reportId: head.text('reportId') },
    }
    return { kind: 'total', ...bare, total }
  }
  const amounts = transaction.part('1')
  if (layout !== '46.V4.0' || amounts === undefined) return { kind: 'other', ...bare }
  return { kind: 'total', ...bare, total: detailTotal(head, amounts, fileDate) }
}

/**
 * Part 1 has two counts and six signed amounts, whose meaning goes by the report: the first of each is what the total
 * is of; all that say something are kept.
 */
function detailTotal(head: ClearingRecord, amounts: ClearingRecord, fileDate: CivilDate): NetworkTotal {
  const net = signed(amounts, 'amount1', 'amount1Sign')
  return {
    report: 'V4',
    settlementDate: head.date('settlementDate', fileDate),
    mode: modes[head.raw('businessMode')] ?? head.raw('businessMode'),
    amountType: head.text('businessTransactionType'),
    currency: head.text('settlementCurrency'),
    items: amounts.amount('count1'),
    creditPiasters: net > 0n ? net : 0n,
    debitPiasters: net < 0n ? -net : 0n,
    netPiasters: net,
    detail: { ...dimensionsOf(head), ...figuresOf(amounts) },
  }
}

/** What a V4 total is by; what is blank or zeros is left out. */
const dimensions = [
  'reportId',
  'reportIdSuffix',
  'fundsTransferSre',
  'settlementService',
  'clearingCurrency',
  'chargeType',
  'businessTransactionType',
  'businessTransactionCycle',
  'reversalIndicator',
  'returnIndicator',
  'jurisdiction',
  'feeLevelDescriptor',
  'creditDebitNet',
  'summaryLevel',
] as const

function dimensionsOf(head: ClearingRecord): Record<string, string> {
  return Object.fromEntries(
    dimensions.map((name) => [name, head.text(name)]).filter(([, text]) => !/^0*$/.test(text ?? '')),
  )
}

/** Counts, and amounts in minor units with a minus where they are debits; zeros are left out. */
function figuresOf(amounts: ClearingRecord): Record<string, string> {
  const counts = ['count1', 'count2'].map((name) => [name, amounts.amount(name)] as const)
  const sums = [1, 2, 3, 4, 5, 6].map((number) => {
    const name = `amount${number}`
    return [name, signed(amounts, name, `${name}Sign`)] as const
  })
  return Object.fromEntries(
    [...counts, ...sums].filter(([, value]) => value !== 0n).map(([name, value]) => [name, String(value)]),
  )
}

/** @throws MizanError BAD_INPUT when it is not said whose an amount is: read as a credit, a debit would be ours */
function signed(record: ClearingRecord, amountField: string, signField: string): bigint {
  const amount = record.amount(amountField)
  const sign = record.text(signField)
  if (sign === 'CR') return amount
  if (sign === 'DB') return -amount
  if (amount === 0n && sign === '') return 0n
  throw record.fault(signField, 'is neither CR nor DB')
}

function acknowledgementOf(transaction: ClearingTransaction, bare: IncomingTransaction, fileDate: CivilDate): Incoming {
  const head = headOf(transaction)
  const disposition = head.text('disposition')
  // What it does not say moves no file of ours: people look at it.
  if (!['A', 'X', 'R'].includes(disposition)) throw head.fault('disposition', 'is none of A, X and R')
  const acknowledgement: Acknowledgement = {
    accepted: disposition === 'A' || disposition === 'X',
    reason: disposition === 'R' ? head.bytes.toString('latin1', 36, 39).trim() : '',
    batchDate: head.date('editBatchDate', fileDate),
    batchNumber: head.value('editBatchNumber'),
    fileId: head.text('uniqueFileId'),
    transactions: disposition === 'R' ? 0n : head.amount('totalTransactions'),
    grossPiasters: disposition === 'R' ? 0n : head.amount('grossAmount'),
  }
  return { kind: 'acknowledgement', ...bare, reasonCode: acknowledgement.reason, acknowledgement }
}

function returnOf(transaction: ClearingTransaction, bare: IncomingTransaction, fileDate: CivilDate): Incoming {
  const head = headOf(transaction, '9')
  const reasons = ['reasonCode1', 'reasonCode2', 'reasonCode3', 'reasonCode4', 'reasonCode5']
    .map((name) => head.text(name))
    .filter((reason) => reason !== '' && reason !== '000')
  const returned: ReturnedItem = {
    transactionCode: head.text('originalTransactionCode'),
    batchDate: head.date('sourceBatchDate', fileDate),
    batchNumber: head.value('sourceBatchNumber'),
    itemNumber: head.value('itemSequenceNumber'),
    reasons,
    piasters: head.value('originalSourceAmount'),
  }
  const item: Presentment = {
    ...bare.item,
    amountPiasters: returned.piasters,
    currency: head.text('originalSourceCurrency'),
  }
  return { kind: 'return', ...bare, reasonCode: reasons[0] ?? '', item, returned }
}
