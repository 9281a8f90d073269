import { type AnswerRow, addAnswers } from '../../store/clearing/bank-answers.ts'
import { type InstructionRow, instructionsByEndToEnd } from '../../store/clearing/bank-instructions.ts'
import {
  applyFileStatus,
  applyReturn,
  applyStatus,
  type NewsOutcome,
  type PaymentStatus,
  paymentStatuses,
} from '../../store/clearing/settlement-outcomes.ts'
import type { Client } from '../../store/connection.ts'
import type { AnswerEvent, ReturnEvent } from '../iso20022/bank-events.ts'
import { piastersOf } from '../iso20022/read-context.ts'

/** What a file of answers came to. */
export interface TakenAnswers {
  /** Payments, and messages as a whole, of which it tells. */
  readonly answers: number
  /** That brought an instruction on. */
  readonly applied: number
  /** Rejections and returns among them. */
  readonly failed: number
  /** Of no instruction or message of ours. */
  readonly unknown: number
  /** That do not go with how the instruction stands: somebody has to look. */
  readonly unexpected: number
  /** Bank whose instructions they are; undefined when it is not known. */
  readonly bank: number | undefined
}

const CHUNK = 500

type Told = AnswerEvent | ReturnEvent

/** Takes what a bank says became of payments, in the transaction that takes its file. */
export class AnswerTaker {
  readonly #client: Client
  readonly #bankFile: number
  /** As in `pain.002 MSG-1`. */
  readonly #source: string
  readonly #counts = { answers: 0, applied: 0, failed: 0, unknown: 0, unexpected: 0 }
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
      await addAnswers(this.#client, this.#bankFile, [await this.#takeMessage(event)])
      return
    }
    this.#waiting.push(event)
    if (this.#waiting.length >= CHUNK) await this.#flush()
  }

  async end(): Promise<TakenAnswers> {
    await this.#flush()
    return { ...this.#counts, bank: this.#bank }
  }

  async #flush(): Promise<void> {
    const events = this.#waiting
    this.#waiting = []
    const ids = events.map(({ endToEndId }) => endToEndId).filter((id) => id !== undefined)
    const found = new Map((await instructionsByEndToEnd(this.#client, ids)).map((one) => [one.endToEndId, one]))
    const rows: AnswerRow[] = []
    for (const event of events) rows.push(await this.#takePayment(event, found.get(event.endToEndId ?? '')))
    await addAnswers(this.#client, this.#bankFile, rows)
  }

  /** An answer to a message or to its payment block is one to each of its payments. */
  async #takeMessage(event: AnswerEvent): Promise<AnswerRow> {
    this.#counts.answers++
    const messageId = event.level === 'block' ? event.paymentId : event.originalMessageId
    const status = statusOf(event)
    if (status === undefined) return this.#rowOf(event, undefined, `the status ${event.status} is not known`)
    if (messageId === undefined) return this.#unknown(event)
    const changed = await applyFileStatus(this.#client, { ...this.#news(event), messageId, status })
    if (changed === undefined) return this.#unknown(event)
    this.#counts.applied += changed
    if (status === 'RJCT') this.#counts.failed += changed
    return this.#rowOf(event, undefined, `${changed} instruction(s) changed`)
  }

  async #takePayment(event: Told, instruction: InstructionRow | undefined): Promise<AnswerRow> {
    this.#counts.answers++
    if (instruction === undefined) return this.#unknown(event)
    this.#bank ??= instruction.bank
    const news = { ...this.#news(event), endToEndId: instruction.endToEndId }
    if (event.type === 'return') {
      return this.#judged(event, instruction, await applyReturn(this.#client, news))
    }
    const status = statusOf(event)
    if (status === undefined) return this.#rowOf(event, instruction, `the status ${event.status} is not known`)
    return this.#judged(event, instruction, await applyStatus(this.#client, { ...news, status }))
  }

  #judged(event: Told, instruction: InstructionRow, { outcome, before, after }: NewsOutcome): AnswerRow {
    if (outcome === 'applied') {
      this.#counts.applied++
      if (after === 'rejected' || after === 'returned') this.#counts.failed++
      return this.#rowOf(event, instruction, `${before} to ${after}`)
    }
    if (outcome === 'unexpected') this.#counts.unexpected++
    return this.#rowOf(event, instruction, outcome === 'unexpected' ? `unexpected: it is ${before}` : `stays ${before}`)
  }

  #unknown(event: Told): AnswerRow {
    this.#counts.unknown++
    return this.#rowOf(event, undefined, 'unknown')
  }

  #news({ reason, text }: Told) {
    const isCode = reason !== undefined && /^[A-Z0-9]{1,4}$/.test(reason)
    return {
      reasonCode: isCode ? reason : undefined,
      reason: text ?? (isCode ? undefined : reason),
      source: this.#source,
    }
  }

  #rowOf(event: Told, instruction: InstructionRow | undefined, outcome: string): AnswerRow {
    const isReturn = event.type === 'return'
    return {
      number: ++this.#number,
      answer: isReturn ? 'return' : 'status',
      message_id: event.originalMessageId?.slice(0, 35),
      payment_id: isReturn ? undefined : event.paymentId,
      end_to_end_id: event.endToEndId,
      status: isReturn ? undefined : event.status,
      reason_code: event.reason?.slice(0, 35),
      reason: event.text,
      amount_piasters: isReturn ? String(piastersOf(event.returned.value)) : undefined,
      reference: event.reference,
      matched_instruction: instruction?.id,
      outcome: outcome.slice(0, 80),
    }
  }
}

function statusOf({ status }: AnswerEvent): PaymentStatus | undefined {
  return paymentStatuses.find((known) => known === status)
}
