import { MizanError } from '../../errors.ts'
import { isMonetary } from './base2.ts'
import { type ClearingRecord, type RecordReading, readRecords } from './record-reader.ts'
import { amountsOf, differenceOf, Tally, type Totals, totalsOf } from './tally.ts'

/** A transaction: its parts in order, the first being part 0 but for returned items. */
export interface ClearingTransaction {
  readonly kind: 'transaction'
  /** From 1 in the file. */
  readonly number: number
  readonly transactionCode: string
  /** Batch that it stands in, from 1. */
  readonly batch: number
  readonly parts: readonly ClearingRecord[]
  /** A part by its number; undefined when the transaction has none. */
  part(component: string): ClearingRecord | undefined
}

/**
 * What a file consists of, in order: a header, batches of transactions each with its trailer, the trailer of the file.
 */
export type FileEntry =
  | { readonly kind: 'header'; readonly record: ClearingRecord }
  | ClearingTransaction
  | { readonly kind: 'batch'; readonly number: number; readonly record: ClearingRecord; readonly totals: Totals }
  | { readonly kind: 'trailer'; readonly record: ClearingRecord; readonly totals: Totals; readonly batches: number }

/**
 * Reads a clearing file as a stream and checks that it is whole and in order: one header first, transactions in batches
 * whose trailers agree with them, and last a trailer that agrees with all.
 * @throws MizanError BAD_INPUT naming file, record and field at the first thing that is not right
 */
export async function* readClearingFile(
  chunks: AsyncIterable<Uint8Array>,
  reading: RecordReading,
): AsyncGenerator<FileEntry[]> {
  const assembler = new FileAssembler(reading.file)
  for await (const records of readRecords(chunks, reading)) {
    const entries: FileEntry[] = []
    for (const record of records) assembler.take(record, entries)
    if (entries.length > 0) yield entries
  }
  assembler.end()
}

class Transaction implements ClearingTransaction {
  readonly kind = 'transaction'
  readonly number: number
  readonly transactionCode: string
  readonly batch: number
  readonly parts: ClearingRecord[]

  constructor(number: number, batch: number, first: ClearingRecord) {
    this.number = number
    this.batch = batch
    this.transactionCode = first.transactionCode
    this.parts = [first]
  }

  part(component: string): ClearingRecord | undefined {
    return this.parts.find((part) => part.component === component)
  }
}

/** Puts records together, one after the other. */
class FileAssembler {
  readonly #file: string
  #state: 'begin' | 'batches' | 'end' = 'begin'
  #open: Transaction | undefined
  #count = 0
  #batch = 1
  #inBatch = new Tally()
  #inFile = new Tally()

  constructor(file: string) {
    this.#file = file
  }

  take(record: ClearingRecord, to: FileEntry[]): void {
    const code = record.transactionCode
    if (this.#state === 'end') throw record.problem('stands behind the trailer of the file')
    if (this.#state === 'begin') {
      if (code !== '90') throw record.problem('stands before the header of the file')
      this.#state = 'batches'
      to.push({ kind: 'header', record })
    } else if (code === '90') {
      throw record.problem('is a second header')
    } else if (code === '91') {
      this.#endBatch(record, to)
    } else if (code === '92') {
      this.#endFile(record, to)
    } else {
      this.#addPart(record, to)
    }
  }

  /** @throws MizanError BAD_INPUT when the trailer has not come */
  end(): void {
    if (this.#state === 'end') return
    throw new MizanError('BAD_INPUT', `${this.#file} ends without its trailer (92): it was cut off`)
  }

  #addPart(record: ClearingRecord, to: FileEntry[]): void {
    if (record.layout === undefined && !/^[0-9]{2}$/.test(record.transactionCode)) {
      throw record.problem('is no record that is known')
    }
    const open = this.#open
    const last = open?.parts.at(-1)
    const goesOn =
      open !== undefined &&
      last !== undefined &&
      open.transactionCode === record.transactionCode &&
      record.component > last.component &&
      record.component !== '0'
    if (goesOn) {
      open.parts.push(record)
      return
    }
    this.#close(to)
    if (isMonetary(record.transactionCode) && record.component !== '0') {
      throw record.problem('stands without part 0 of its transaction')
    }
    this.#open = new Transaction(++this.#count, this.#batch, record)
  }

  /** A transaction is over when the next record is none of its parts. */
  #close(to: FileEntry[]): void {
    const open = this.#open
    const first = open?.parts[0]
    if (open === undefined || first === undefined) return
    const { monetary, destination, source } = amountsOf(first)
    this.#inBatch.add(open.parts.length, monetary, destination, source)
    to.push(open)
    this.#open = undefined
  }

  #endBatch(record: ClearingRecord, to: FileEntry[]): void {
    this.#close(to)
    const totals = agreed(record, this.#inBatch.totals())
    const number = this.#batch
    if (record.value('batchNumber') !== number)
      throw record.fault('batchNumber', `is not ${number}, the number of this batch`)
    to.push({ kind: 'batch', number, record, totals })
    this.#inFile.addBatch(totals)
    this.#inBatch = new Tally()
    this.#batch++
  }

  #endFile(record: ClearingRecord, to: FileEntry[]): void {
    this.#close(to)
    if (this.#inBatch.transactions > 0) throw record.problem('comes before the trailer (91) of the last batch')
    const totals = agreed(record, this.#inFile.totals())
    const batches = this.#batch - 1
    if (record.value('batchNumber') !== batches)
      throw record.fault('batchNumber', `is not ${batches}, the number of batches`)
    to.push({ kind: 'trailer', record, totals, batches })
    this.#state = 'end'
  }
}

function agreed(trailer: ClearingRecord, found: Totals): Totals {
  const difference = differenceOf(totalsOf(trailer), found)
  if (difference === undefined) return found
  const { field, said } = difference
  throw trailer.fault(field, `says ${BigInt(said)}, and what was read gives ${difference.found}`)
}
