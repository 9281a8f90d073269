import { type AnswerRow, addAnswers } from '../../store/clearing/bank-answers.ts'
import { bankOfMessage, type InstructionRow, instructionsByEndToEnd } from '../../store/clearing/bank-instructions.ts'
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
import { RefusedFile } from '../iso20022/refusal.ts'
import type { Refuse } from './statement-order.ts'

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

/** With what answers are taken. */
export interface AnswerTakerOptions {
  readonly client: Client
  /** Name of the file, for refusals. */
  readonly file: string
  readonly bankFile: number
  /** As in `pain.002 MSG-1`. */
  readonly source: string
  /** Whether the sender may tell of instructions at a bank; `refuse` ends the file. */
  readonly onBank: (bank: number, refuse: Refuse) => void
}

const CHUNK = 500
const CURRENCY = 'EGP'

/** Codes of ISO's external list that banks tell besides those of the instructions, by what they mean for us. */
const SAME_AS: Readonly<Record<string, PaymentStatus>> = {
  ACCC: 'ACSC',
  ACFC: 'ACTC',
  ACWP: 'ACSP',
  PATC: 'ACTC',
  PRES: 'ACSP',
  RCVD: 'PDNG',
}

type Told = AnswerEvent | ReturnEvent

/** Takes what a bank says became of payments, in the transaction that takes its file. */
export class AnswerTaker {
  readonly #options: AnswerTakerOptions
  readonly #counts = { answers: 0, applied: 0, failed: 0, unknown: 0, unexpected: 0 }
  #waiting: Told[] = []
  #number = 0
  #bank: number | undefined

  constructor(options: AnswerTakerOptions) {
    this.#options = options
  }

  async take(event: Told): Promise<void> {
    const { client, bankFile } = this.#options
    if (event.type === 'answer' && event.level !== 'payment') {
      await this.#flush()
      await addAnswers(client, bankFile, [await this.#takeMessage(event)])
      return
    }
    if (event.type === 'return' && (event.returned.currency !== CURRENCY || event.returned.value === 0n)) {
      const { currency, value } = event.returned
      this.#refusing(event)('format', value === 0n ? 'a return of nothing' : `a return in ${currency}`)
    }
    this.#waiting.push(event)
    if (this.#waiting.length >= CHUNK) await this.#flush()
  }

  async end(): Promise<TakenAnswers> {
    await this.#flush()
    return { ...this.#counts, bank: this.#bank }
  }

  async #flush(): Promise<void> {
    const { client, bankFile } = this.#options
    const events = this.#waiting
    this.#waiting = []
    const ids = events.map(({ endToEndId }) => endToEndId).filter((id) => id !== undefined)
    const found = new Map((await instructionsByEndToEnd(client, ids)).map((one) => [one.endToEndId, one]))
    const rows: AnswerRow[] = []
    for (const event of events) rows.push(await this.#takePayment(event, found.get(event.endToEndId ?? '')))
    await addAnswers(client, bankFile, rows)
  }

  /** An answer to a message or to its payment block is one to each of its payments. */
  async #takeMessage(event: AnswerEvent): Promise<AnswerRow> {
    this.#counts.answers++
    const messageId = event.level === 'block' ? event.paymentId : event.originalMessageId
    const bank = messageId === undefined ? undefined : await bankOfMessage(this.#options.client, messageId)
    if (messageId === undefined || bank === undefined) return this.#unknown(event)
    this.#isOf(bank, event)
    const status = statusOf(event)
    if (status === undefined) return this.#notKnown(event, undefined)
    const changed = await applyFileStatus(this.#options.client, { ...this.#news(event), messageId, status })
    if (changed === undefined) return this.#unknown(event)
    this.#counts.applied += changed
    if (status === 'RJCT') this.#counts.failed += changed
    return this.#rowOf(event, undefined, `${changed} instruction(s) changed`)
  }

  async #takePayment(event: Told, instruction: InstructionRow | undefined): Promise<AnswerRow> {
    this.#counts.answers++
    if (instruction === undefined) return this.#unknown(event)
    this.#isOf(instruction.bank, event)
    const news = { ...this.#news(event), endToEndId: instruction.endToEndId }
    if (event.type === 'return') {
      return this.#judged(event, instruction, await applyReturn(this.#options.client, news))
    }
    const status = statusOf(event)
    if (status === undefined) return this.#notKnown(event, instruction)
    return this.#judged(event, instruction, await applyStatus(this.#options.client, { ...news, status }))
  }

  #isOf(bank: number, event: Told): void {
    this.#bank ??= bank
    this.#options.onBank(bank, this.#refusing(event))
  }

  #refusing({ line }: Told): Refuse {
    return (cause, reason) => {
      throw new RefusedFile(this.#options.file, cause, reason, { line, column: 1, path: 'the answer' })
    }
  }

  /** A payment whose status its message has told already says nothing new; of any other somebody has to look. */
  #notKnown(event: AnswerEvent, instruction: InstructionRow | undefined): AnswerRow {
    if (event.status === '') return this.#rowOf(event, instruction, 'no status of its own')
    this.#counts.unexpected++
    return this.#rowOf(event, instruction, `unexpected: the status ${event.status} is not known`)
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
      source: this.#options.source,
    }
  }

  #rowOf(event: Told, instruction: InstructionRow | undefined, outcome: string): AnswerRow {
    const isReturn = event.type === 'return'
    return {
      number: ++this.#number,
      answer: isReturn ? 'return' : 'status',
      message_id: event.originalMessageId,
      payment_id: isReturn ? undefined : event.paymentId,
      end_to_end_id: event.endToEndId,
      status: isReturn ? undefined : event.status,
      reason_code: event.reason,
      reason: event.text,
      amount_piasters: isReturn ? String(piastersOf(event.returned.value)) : undefined,
      reference: event.reference,
      matched_instruction: instruction?.id,
      outcome: outcome.slice(0, 80),
    }
  }
}

function statusOf({ status }: AnswerEvent): PaymentStatus | undefined {
  return paymentStatuses.find((known) => known === status) ?? SAME_AS[status]
}
