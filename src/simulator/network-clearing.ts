import { addDays, type CivilDate } from '../calendar.ts'
import { luhnDigit, yddd, yyddd } from '../clearing/records/arn.ts'
import { base2, isMonetary } from '../clearing/records/base2.ts'
import { beginRecord, putField, recordText } from '../clearing/records/record-writer.ts'
import { Tally, type Totals } from '../clearing/records/tally.ts'
import { EGP } from '../money.ts'

/** What a terminal knows of a transaction that was approved: what it sent, and what it was answered. */
export interface TerminalRecord {
  readonly pan: string
  readonly type: 'purchase' | 'cash' | 'refund'
  readonly amountPiasters: number
  /** Civil date. */
  readonly date: CivilDate
  /** DE38. */
  readonly approvalCode: string
  /** DE62.2, or ''. */
  readonly transactionId: string
  /** DE37. */
  readonly rrn: string
  readonly terminal: string
  readonly acceptor: string
  readonly mcc: string
  /** Six digits of the acquirer in reference numbers. */
  readonly acquirer: string
}

/** A transaction of a clearing file as the network's side writes it; fields by their names in the layout. */
export interface NetworkTransaction {
  readonly code: string
  /** Fields of each part, by its number. */
  readonly parts: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Report group of settlement totals. */
  readonly group?: string
}

/** A file of the network for this centre. */
export interface NetworkFile {
  readonly processingBin: string
  readonly date: CivilDate
  /** 1 to 999 in its date. */
  readonly fileId: number
  readonly transactions: readonly NetworkTransaction[]
  /** @default true */
  readonly isTest?: boolean
  /** @default 950 */
  readonly batchItems?: number
}

const RECORD_BYTES = base2.recordLength
const LINE_BYTES = RECORD_BYTES + 2
const BATCH_ITEMS = 950
const codes = { purchase: '05', refund: '06', cash: '07' } as const

/** A reference number of an acquirer: its film locator is what it has of the RRN. */
export function acquirerReference(acquirer: string, date: CivilDate, locator: string): string {
  const digits = locator.replaceAll(/\D/g, '').padStart(11, '0').slice(-11)
  const body = `2${acquirer}${yddd(date)}${digits}`
  return body + luhnDigit(body)
}

/** The presentment of what a terminal was answered. */
export function presentmentOf(record: TerminalRecord): NetworkTransaction {
  const arn = acquirerReference(record.acquirer, record.date, record.rrn)
  const amount = String(record.amountPiasters)
  return {
    code: codes[record.type],
    parts: {
      '0': {
        accountNumber: record.pan,
        arnFormatCode: arn.slice(0, 1),
        arnAcquiringId: arn.slice(1, 7),
        arnDate: arn.slice(7, 11),
        arnFilmLocator: arn.slice(11, 22),
        arnCheckDigit: arn.slice(22),
        purchaseDate: String(record.date % 10_000).padStart(4, '0'),
        destinationAmount: amount,
        destinationCurrency: EGP,
        sourceAmount: amount,
        sourceCurrency: EGP,
        merchantName: recordText(record.acceptor, 25),
        merchantCountry: 'EG',
        mcc: record.mcc,
        usageCode: '1',
        settlementFlag: '8',
        authorizationCode: record.approvalCode,
        centralProcessingDate: yddd(record.date),
      },
      '1': { cardAcceptorId: record.acceptor, terminalId: record.terminal },
      '5': {
        transactionIdentifier: record.transactionId,
        authorizedAmount: amount,
        authorizationCurrency: EGP,
        authorizationResponseCode: '00',
        totalAuthorizedAmount: amount,
      },
    },
  }
}

/** The same transaction with other fields in a part. */
export function withFields(
  transaction: NetworkTransaction,
  part: string,
  fields: Readonly<Record<string, string>>,
): NetworkTransaction {
  const { parts } = transaction
  return { ...transaction, parts: { ...parts, [part]: { ...parts[part], ...fields } } }
}

/** What may go wrong on the network's side, for tests and rehearsals. */
export const networkFaults = [
  'missing',
  'duplicate',
  'altered-amount',
  'wrong-sign',
  'late',
  'forced',
  'currency',
  'other-card',
  'reversed',
  'unmatched-reversal',
] as const
export type NetworkFault = (typeof networkFaults)[number]

const LATE_DAYS = 45
const ALTERED_PERMILLE = 1_300

/** What the network sends for a transaction when something is wrong with it. */
export function faulty(transaction: NetworkTransaction, fault: NetworkFault, date: CivilDate): NetworkTransaction[] {
  const amount = Number(transaction.parts['0']?.destinationAmount ?? 0)
  switch (fault) {
    case 'missing':
      return []
    case 'duplicate':
      return [transaction, transaction]
    case 'altered-amount': {
      const altered = String(Math.ceil((amount * ALTERED_PERMILLE) / 1_000))
      return [withFields(transaction, '0', { destinationAmount: altered, sourceAmount: altered })]
    }
    case 'wrong-sign':
      return [{ ...transaction, code: transaction.code === '06' ? '05' : '06' }]
    case 'late': {
      const purchaseDate = String(addDays(date, -LATE_DAYS) % 10_000).padStart(4, '0')
      return [withFields(transaction, '0', { purchaseDate })]
    }
    case 'forced':
      return [withReference(unknown(transaction), '7')]
    case 'currency':
      return [withFields(transaction, '0', { destinationCurrency: '840' })]
    case 'other-card':
      return [withFields(transaction, '0', { accountNumber: '4000009999999991' })]
    case 'reversed':
      return [transaction, { ...transaction, code: `2${transaction.code[1]}` }]
    case 'unmatched-reversal':
      return [transaction, withReference({ ...transaction, code: `2${transaction.code[1]}` }, '8')]
  }
}

/** Without anything that names an authorization. */
function unknown(transaction: NetworkTransaction): NetworkTransaction {
  const bare = withFields(transaction, '0', { authorizationCode: '' })
  return withFields(bare, '5', { transactionIdentifier: '0' })
}

/** Under another reference number: its film locator begins with another digit. */
function withReference(transaction: NetworkTransaction, digit: string): NetworkTransaction {
  const head = transaction.parts['0'] ?? {}
  const locator = `${digit}${head.arnFilmLocator?.slice(1)}`
  const body = `${head.arnFormatCode}${head.arnAcquiringId}${head.arnDate}${locator}`
  return withFields(transaction, '0', { arnFilmLocator: locator, arnCheckDigit: luhnDigit(body) })
}

/** A fee that the network collects (10), or pays (20). */
export function networkFee(code: '10' | '20', amountPiasters: number, reasonCode: string): NetworkTransaction {
  const amount = String(amountPiasters)
  const money = { destinationAmount: amount, destinationCurrency: EGP, sourceAmount: amount, sourceCurrency: EGP }
  return { code, parts: { '0': { reasonCode, ...money } } }
}

/** What the network settles with this centre as an issuer: its own total of what it presented (TC 46, V2). */
export function networkTotal(
  transactions: readonly NetworkTransaction[],
  date: CivilDate,
  institution: string,
): NetworkTransaction {
  let [credit, debit, count] = [0n, 0n, 0n]
  for (const { code, parts } of transactions) {
    if (!/^[0-3][567]$/.test(code)) continue
    const amount = BigInt(parts['0']?.destinationAmount ?? '0')
    count++
    // To an issuer a sale is a debit; a credit, and the reversal of a sale, comes to it.
    const comesIn = (code[1] === '6') !== (code.startsWith('2') || code.startsWith('1'))
    if (comesIn) credit += amount
    else debit += amount
  }
  const net = credit - debit
  const fields = {
    reportGroup: 'V',
    reportSubgroup: '2',
    reportId: '110',
    settlementCurrency: EGP,
    settlementDate: `${Math.floor(date / 10_000)}${yyddd(date).slice(2)}`,
    fundsTransferSre: institution,
    amountType: 'T',
    businessMode: '2',
    count: String(count),
    creditAmount: String(credit),
    debitAmount: String(debit),
    netAmount: String(net < 0n ? -net : net),
    netSign: net < 0n ? 'DB' : 'CR',
  }
  return { code: '46', group: 'V2', parts: { '0': fields } }
}

/** What the network says of a batch of ours (TC 44): accepted, or rejected for a reason of three characters. */
export function batchAcknowledgement(
  date: CivilDate,
  batchNumber: number,
  said: { readonly grossPiasters: bigint; readonly transactions: number } | { readonly reason: string },
): NetworkTransaction {
  const batch = { editBatchDate: yyddd(date), editBatchNumber: String(batchNumber) }
  if ('reason' in said) {
    const { reason } = said
    return {
      code: '44',
      parts: { '0': { ...batch, disposition: 'R', summaryType: reason.slice(0, 1), currency: reason.slice(1) } },
    }
  }
  const totals = { totalTransactions: String(said.transactions), grossAmount: String(said.grossPiasters) }
  return { code: '44', parts: { '0': { ...batch, disposition: 'A', currency: EGP, ...totals } } }
}

/** Writes a file as the network does: header, batches with their trailers, trailer; in lines of CR and LF. */
export function* networkFileBytes(file: NetworkFile): Generator<Buffer> {
  const { processingBin, date, fileId, transactions, isTest = true, batchItems = BATCH_ITEMS } = file
  const inFile = new Tally()
  const dated = { processingBin, processingDate: yyddd(date) }
  yield line('90', '', {
    ...dated,
    settlementDate: yyddd(date),
    testOption: isTest ? 'TEST' : '',
    outgoingFileId: String(fileId),
  })
  let batch = 0
  for (let from = 0; from < transactions.length; from += batchItems) {
    const inBatch = new Tally()
    batch++
    for (const transaction of transactions.slice(from, from + batchItems)) {
      const { code, parts, group } = transaction
      for (const [part, fields] of Object.entries(parts)) yield line(code, part, fields, group)
      const { destinationAmount = '0', sourceAmount = '0' } = parts['0'] ?? {}
      inBatch.add(Object.keys(parts).length, isMonetary(code), Number(destinationAmount), Number(sourceAmount))
    }
    const totals = inBatch.totals()
    yield line('91', '0', { ...dated, ...trailerOf(totals), batchNumber: String(batch) })
    inFile.addBatch(totals)
  }
  yield line('92', '0', { ...dated, ...trailerOf(inFile.totals()), batchNumber: String(batch) })
}

function trailerOf(totals: Totals): Record<string, string> {
  return {
    destinationAmount: String(totals.destinationPiasters),
    sourceAmount: String(totals.sourcePiasters),
    monetaryTransactionCount: String(totals.monetary),
    componentCount: String(totals.components),
    transactionCount: String(totals.transactions),
  }
}

function line(code: string, part: string, fields: Readonly<Record<string, string>>, group?: string): Buffer {
  const layout = base2.find(code, part, group)
  if (layout === undefined) throw new RangeError(`no layout for transaction code ${code}, part ${part}`)
  const bytes = Buffer.alloc(LINE_BYTES, ' ')
  beginRecord(bytes, 0, layout)
  putField(bytes, 0, layout.field('transactionCode'), code)
  if (layout.byName.has('qualifier')) putField(bytes, 0, layout.field('qualifier'), '0')
  if (part !== '' && layout.byName.has('component')) putField(bytes, 0, layout.field('component'), part)
  for (const [name, value] of Object.entries(fields)) putField(bytes, 0, layout.field(name), value)
  bytes.write('\r\n', RECORD_BYTES, 'latin1')
  return bytes
}
