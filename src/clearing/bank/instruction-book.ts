import {
  type BatchSum,
  batchSums,
  bookedOf,
  endToEndByReference,
  type InstructionRow,
  instructionsByEndToEnd,
} from '../../store/clearing/bank-instructions.ts'
import { failureLines } from '../../store/clearing/settlement-failure.ts'
import type { Client } from '../../store/connection.ts'
import type { BookedBefore, KnownBatch, KnownInstruction } from './classify.ts'

/** How an entry names an instruction of ours. */
export interface EntryNames {
  readonly endToEndId: string | undefined
  readonly reference: string | undefined
  readonly entryReference: string | undefined
  readonly messageId: string | undefined
  readonly paymentId: string | undefined
  readonly text: string | undefined
}

/** A message of ours that the bank books as one. */
export interface NamedBatch extends KnownBatch {
  readonly messageId: string
}

/** What is known of the instruction of an entry. */
export interface Found {
  readonly instruction: KnownInstruction
  readonly valueDate: string
  readonly rule: 'end-to-end' | 'our-reference'
}

/** Our references in a text: `UC-20261121-1-OO-00000000042`. */
const OUR_REFERENCE = /\bUC-\d{8}-\d{1,2}-[A-Z]{2}-\d{11}(?:-\d{1,5})?\b/

const NOTHING: BookedBefore = { bookedPiasters: 0n, returnedPiasters: 0n, returnAnnounced: false }

/**
 * The instructions that a chunk of a statement's entries may be of, and what was booked for each up to the entry at
 * hand.
 */
export class InstructionBook {
  readonly #bank: number
  readonly #byId = new Map<string, InstructionRow>()
  readonly #byReference: Map<string, string>
  readonly #before: Map<number, BookedBefore>
  readonly #batches: Map<string, NamedBatch>

  private constructor(
    bank: number,
    instructions: readonly InstructionRow[],
    known: { references: Map<string, string>; before: Map<number, BookedBefore>; batches: Map<string, NamedBatch> },
  ) {
    this.#bank = bank
    for (const one of instructions) this.#byId.set(one.endToEndId, one)
    this.#byReference = known.references
    this.#before = known.before
    this.#batches = known.batches
  }

  /** Looks up what the entries of a chunk name, with a query for each kind of name. */
  static async of(client: Client, bank: number, entries: readonly EntryNames[]): Promise<InstructionBook> {
    const references = await endToEndByReference(client, present(entries.map(({ reference }) => reference)))
    const ids = entries.flatMap((entry) => [
      entry.endToEndId,
      ourReference(entry),
      references.get(entry.reference ?? ''),
    ])
    const instructions = await instructionsByEndToEnd(client, present(ids))
    const numbers = instructions.map(({ id }) => id)
    const before = await bookedOf(client, bank, numbers)
    const messages = present(
      entries.flatMap((entry) => (entry.endToEndId === undefined ? [entry.messageId, entry.paymentId] : [])),
    )
    const sums = await batchSums(client, bank, messages)
    const batches = new Map(sums.map((sum) => [sum.messageId, namedBatch(sum)]))
    return new InstructionBook(bank, instructions, { references, before: new Map(before), batches })
  }

  /** The instruction that an entry names: by its end-to-end id, the bank's reference, or ours in its words. */
  find(entry: EntryNames): Found | undefined {
    const direct = this.#byId.get(entry.endToEndId ?? '')
    const named =
      direct ??
      this.#byId.get(this.#byReference.get(entry.reference ?? '') ?? '') ??
      this.#byId.get(ourReference(entry) ?? '')
    if (named === undefined) return undefined
    const instruction = knownInstruction(this.#bank, named)
    if (instruction === undefined) return undefined
    return { instruction, valueDate: named.valueDate, rule: direct === undefined ? 'our-reference' : 'end-to-end' }
  }

  beforeOf(instruction: KnownInstruction): BookedBefore {
    return this.#before.get(instruction.id) ?? NOTHING
  }

  /** Notes what an entry booked, for those behind it. */
  note(instruction: KnownInstruction, piasters: bigint, isReturn: boolean): void {
    const before = this.beforeOf(instruction)
    this.#before.set(instruction.id, {
      ...before,
      bookedPiasters: before.bookedPiasters + (isReturn ? 0n : piasters),
      returnedPiasters: before.returnedPiasters + (isReturn ? piasters : 0n),
    })
  }

  /** The message of ours that an entry books as a whole. */
  batchOf(entry: EntryNames): NamedBatch | undefined {
    if (entry.endToEndId !== undefined) return undefined
    return this.#batches.get(entry.messageId ?? '') ?? this.#batches.get(entry.paymentId ?? '')
  }

  /** Notes what an entry booked of a message, for those behind it. */
  noteBatch(batch: NamedBatch, piasters: bigint): void {
    this.#batches.set(batch.messageId, { ...batch, bookedPiasters: batch.bookedPiasters + piasters })
  }
}

function namedBatch({ messageId, piasters, bookedPiasters }: BatchSum): NamedBatch {
  const isPaid = piasters < 0n
  return { messageId, side: isPaid ? -1 : 1, amountPiasters: isPaid ? -piasters : piasters, bookedPiasters }
}

/** An instruction as it concerns our account at a bank; undefined when it is of another one. */
function knownInstruction(bank: number, row: InstructionRow): KnownInstruction | undefined {
  if (bank !== row.bank) return undefined
  const { id, endToEndId, amountPiasters } = row
  const isPayment = row.direction === 'pay'
  return {
    id,
    endToEndId,
    amountPiasters,
    side: isPayment ? -1 : 1,
    returnable: isPayment,
    dropped: row.state === 'rejected' || row.state === 'cancelled' ? row.state : undefined,
    restores: isPayment ? failureLines(row) : [],
  }
}

function ourReference({ text, entryReference, messageId }: EntryNames): string | undefined {
  return (
    OUR_REFERENCE.exec(text ?? '')?.[0] ??
    OUR_REFERENCE.exec(entryReference ?? '')?.[0] ??
    OUR_REFERENCE.exec(messageId ?? '')?.[0]
  )
}

function present(values: readonly (string | undefined)[]): string[] {
  return [...new Set(values.filter((value) => value !== undefined))]
}
