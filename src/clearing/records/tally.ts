import { isMonetary } from './base2.ts'
import type { ClearingRecord } from './record-reader.ts'

/**
 * What a trailer says: of a batch (91) what stands in it, of a file (92) what stands in all its batches. The counts of
 * parts and transactions have the trailer itself in them, one more; those of a file have the batch trailers in them
 * too, so that they count every record behind the header. Amounts are gross: the sum of all monetary transactions,
 * without regard to who pays whom.
 */
export interface Totals {
  /** Transactions that move money. */
  readonly monetary: number
  readonly components: number
  readonly transactions: number
  readonly destinationPiasters: bigint
  readonly sourcePiasters: bigint
}

/** Adds up what stands in a batch, and in the batches of a file. */
export class Tally {
  #monetary = 0
  #components = 0
  #transactions = 0
  #destination = 0n
  #source = 0n
  // Sums of numbers are exact below 2^53; they are carried over before they come near.
  #destinationPart = 0
  #sourcePart = 0

  /** A transaction of so many parts. Amounts in minor units. */
  add(components: number, monetary: boolean, destination: number, source: number): void {
    this.#transactions++
    this.#components += components
    if (!monetary) return
    this.#monetary++
    this.#destinationPart += destination
    this.#sourcePart += source
    if (this.#destinationPart > CARRY || this.#sourcePart > CARRY) this.#carry()
  }

  /** The totals of a finished batch, its trailer with it. */
  addBatch(totals: Totals): void {
    this.#monetary += totals.monetary
    this.#components += totals.components
    this.#transactions += totals.transactions
    this.#destination += totals.destinationPiasters
    this.#source += totals.sourcePiasters
  }

  /** Transactions so far, without any trailer. */
  get transactions(): number {
    return this.#transactions
  }

  /** What the trailer has to say. */
  totals(): Totals {
    this.#carry()
    return {
      monetary: this.#monetary,
      components: this.#components + 1,
      transactions: this.#transactions + 1,
      destinationPiasters: this.#destination,
      sourcePiasters: this.#source,
    }
  }

  #carry(): void {
    this.#destination += BigInt(this.#destinationPart)
    this.#source += BigInt(this.#sourcePart)
    this.#destinationPart = 0
    this.#sourcePart = 0
  }
}
const CARRY = 2 ** 52

/** What a trailer record says. @throws MizanError BAD_INPUT */
export function totalsOf(trailer: ClearingRecord): Totals {
  return {
    monetary: trailer.value('monetaryTransactionCount'),
    components: trailer.value('componentCount'),
    transactions: trailer.value('transactionCount'),
    destinationPiasters: trailer.amount('destinationAmount'),
    sourcePiasters: trailer.amount('sourceAmount'),
  }
}

/** Fields of a trailer by what they are the total of. */
const trailerFields = {
  monetary: 'monetaryTransactionCount',
  components: 'componentCount',
  transactions: 'transactionCount',
  destinationPiasters: 'destinationAmount',
  sourcePiasters: 'sourceAmount',
} as const satisfies Record<keyof Totals, string>

/** The first total in which a trailer and what was read differ. */
export function differenceOf(said: Totals, found: Totals): { field: string; said: string; found: string } | undefined {
  for (const [key, field] of Object.entries(trailerFields) as [keyof Totals, string][]) {
    if (said[key] !== found[key]) return { field, said: String(said[key]), found: String(found[key]) }
  }
  return undefined
}

/** The amounts of a transaction's first part: destination and source. Zero for one that moves no money. */
export function amountsOf(record: ClearingRecord): { monetary: boolean; destination: number; source: number } {
  if (!isMonetary(record.transactionCode)) return { monetary: false, destination: 0, source: 0 }
  return { monetary: true, destination: record.value('destinationAmount'), source: record.value('sourceAmount') }
}
