import {
  type AnswerRow,
  addAnswers,
  changeInstructions,
  type InstructionChange,
} from '../../store/clearing/bank-answers.ts'
import {
  type InstructionRow,
  instructionsByEndToEnd,
  instructionsOfMessage,
} from '../../store/clearing/bank-instructions.ts'
import { addBankPostings, PostingSums } from '../../store/clearing/bank-postings.ts'
import type { Client } from '../../store/connection.ts'
import type { AnswerEvent, ReturnEvent } from '../iso20022/bank-events.ts'
import { piastersOf } from '../iso20022/read-context.ts'
import { rejectionPostings } from './classify.ts'
import { knownInstruction, restoresOf } from './instruction-book.ts'

/** What a file of answers came to, in payments. */
export interface TakenAnswers {
  readonly answers: number
  readonly accepted: number
  readonly rejected: number
  readonly returned: number
  /** Of no instruction of ours. */
  readonly unknown: number
  /** Bank whose instructions they are; undefined when there is none. */
  readonly bank: number | undefined
}

const CHUNK = 500
const OPEN = ['prepared', 'released', 'sent', 'accepted']

type Told = AnswerEvent | ReturnEvent

/** Takes what a bank says became of payments, in the transaction that takes its file. */
export class AnswerTaker {
  readonly #client: Client
  readonly #bankFile: number
  /** As in `pain.002 MSG-1`. */
  readonly #source: string
  readonly #postings = new PostingSums()
  readonly #counts = { answers: 0, accepted: 0, rejected: 0, returned: 0, unknown: 0 }
  #waiting: Told[] = []
  #number = 0
  #bank: number | undefined

  constructor(client: Client, bankFile: number, source: string) {
    this.#client = client
    this.#bankFile = bankFile
    this.#source = source
  }

  async take(event: Told): Promise<void> {
    if (event.type === 'answer' && event.level !== 'payment') {
      await this.#flush()
      await this.#takeAll(event)
      return
    }
    this.#waiting.push(event)
    if (this.#waiting.length >= CHUNK) await this.#flush()
  }

  async end(): Promise<TakenAnswers> {
    await this.#flush()
    const postings = this.#postings.list()
    await addBankPostings(this.#client, { bankFile: this.#bankFile, statement: 0 }, postings)
    return { ...this.#counts, bank: this.#bank }
  }

  async #flush(): Promise<void> {
    const events = this.#waiting
    this.#waiting = []
    const ids = events.map(({ endToEndId }) => endToEndId).filter((id) => id !== undefined)
    const found = new Map((await instructionsByEndToEnd(this.#client, ids)).map((one) => [one.endToEndId, one]))
    const changes: InstructionChange[] = []
    const rows = events.map((event) => this.#judge(event, found.get(event.endToEndId ?? ''), changes))
    await this.#keep(rows, changes)
  }

  /** An answer to a message or a payment block is one to each of its payments, unless they are told one by one. */
  async #takeAll(event: AnswerEvent): Promise<void> {
    const messageId = event.level === 'block' ? event.paymentId : event.originalMessageId
    const isForAll = event.status !== 'PART' && messageId !== undefined
    const instructions = isForAll ? await instructionsOfMessage(this.#client, messageId) : []
    if (instructions.length === 0) {
      await this.#keep([this.#rowOf(event, undefined, isForAll ? 'unknown' : 'see its payments')], [])
      return
    }
    for (let from = 0; from < instructions.length; from += CHUNK) {
      const changes: InstructionChange[] = []
      const rows = instructions.slice(from, from + CHUNK).map((one) => this.#judge(event, one, changes))
      await this.#keep(rows, changes)
    }
  }

  #judge(event: Told, instruction: InstructionRow | undefined, changes: InstructionChange[]): AnswerRow {
    this.#counts.answers++
    if (instruction === undefined) {
      this.#counts.unknown++
      return this.#rowOf(event, undefined, 'unknown')
    }
    this.#bank ??= instruction.bank
    if (event.type === 'return') {
      this.#counts.returned++
      return this.#rowOf(event, instruction, 'booked when the statement shows it')
    }
    if (event.status === '' || event.status === 'PART') return this.#rowOf(event, instruction, 'no status')
    const isRejected = event.status === 'RJCT'
    const state = isRejected ? 'rejected' : 'accepted'
    const isToldAgain = changes.some(({ id }) => id === instruction.id)
    const isNews = OPEN.includes(instruction.state) && instruction.state !== state && !isToldAgain
    if (!isNews) return this.#rowOf(event, instruction, `stays ${instruction.state}`)
    changes.push({ id: instruction.id, state, reasonCode: event.reason, reason: event.text })
    this.#counts[state]++
    if (isRejected) this.#reject(instruction)
    return this.#rowOf(event, instruction, state)
  }

  /** What stands in transit goes back to the accounts; a payment between accounts of ours had posted nothing. */
  #reject(row: InstructionRow): void {
    const instruction = knownInstruction(row.bank, row)
    if (instruction === undefined || row.purpose === 'cover') return
    for (const posting of rejectionPostings(instruction.transitBank, restoresOf(row))) this.#postings.add(posting)
  }

  async #keep(rows: readonly AnswerRow[], changes: readonly InstructionChange[]): Promise<void> {
    await addAnswers(this.#client, this.#bankFile, rows)
    await changeInstructions(this.#client, changes, { source: this.#source, reference: `bank-file:${this.#bankFile}` })
  }

  #rowOf(event: Told, instruction: InstructionRow | undefined, outcome: string): AnswerRow {
    const isReturn = event.type === 'return'
    return {
      number: ++this.#number,
      answer: isReturn ? 'return' : 'status',
      message_id: event.originalMessageId?.slice(0, 35),
      payment_id: isReturn ? undefined : event.paymentId,
      end_to_end_id: event.endToEndId ?? instruction?.endToEndId,
      status: isReturn ? undefined : event.status,
      reason_code: event.reason?.slice(0, 35),
      reason: event.text,
      amount_piasters: isReturn ? String(piastersOf(event.returned.value)) : undefined,
      reference: event.reference,
      matched_instruction: instruction?.id,
      outcome,
    }
  }
}
