import type { CivilDate } from '../../calendar.ts'
import { yyddd } from '../records/arn.ts'
import { base2, fieldsOf } from '../records/base2.ts'
import { beginRecord, putDigits, putNumber, putText } from '../records/record-writer.ts'
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
