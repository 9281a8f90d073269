import { assert } from '../../errors.ts'
import {
  type AnswerRow,
  addAnswers,
  giveUpContradictions,
  setOutcomes,
  WAITING,
  type WaitingAnswer,
  waitingAnswers,
} from '../../store/clearing/bank-answers.ts'
import { findMessage, type InstructionRow, instructionsByEndToEnd } from '../../store/clearing/bank-instructions.ts'
import { applyFileStatus } from '../../store/clearing/settlement-file-outcomes.ts'
import {
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
import { doubtOfMessage, doubtOfPayment, SaidOfMessages } from './answer-doubt.ts'
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

/**
 * Takes what a bank says became of payments, in the transaction that takes its file. Each answer is kept as it is read, and
 * applied at the end of the file, unless it is doubtful that it is about that payment, or the file contradicts itself.
 */
export class AnswerTaker {
  readonly #options: AnswerTakerOptions
  readonly #counts = { answers: 0, applied: 0, failed: 0, unknown: 0, unexpected: 0 }
  readonly #said = new SaidOfMessages()
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
    const { client, bankFile } = this.#options
    this.#counts.unexpected += await giveUpContradictions(client, bankFile)
    let after = 0
    for (;;) {
      const waiting = await waitingAnswers(client, bankFile, { after, limit: CHUNK })
      const outcomes: { number: number; outcome: string }[] = []
      for (const one of waiting) outcomes.push({ number: one.number, outcome: cut(await this.#apply(one)) })
      await setOutcomes(client, bankFile, outcomes)
      if (waiting.length < CHUNK) break
      after = waiting.at(-1)?.number ?? after
    }
    return { ...this.#counts, bank: this.#bank }
  }

  async #flush(): Promise<void> {
    const { client, bankFile } = this.#options
    const events = this.#waiting
    this.#waiting = []
    const ids = events.map(({ endToEndId }) => endToEndId).filter((id) => id !== undefined)
    const found = new Map((await instructionsByEndToEnd(client, ids)).map((one) => [one.endToEndId, one]))
    const rows = events.map((event) => this.#takePayment(event, found.get(event.endToEndId ?? '')))
    await addAnswers(client, bankFile, rows)
  }

  /** An answer to a message or to its payment block is one to each of its payments. */
  async #takeMessage(event: AnswerEvent): Promise<AnswerRow> {
    this.#counts.answers++
    const messageId = event.level === 'block' ? event.paymentId : event.originalMessageId
    const message = messageId === undefined ? undefined : await findMessage(this.#options.client, messageId)
    if (messageId === undefined || message === undefined) return this.#unknown(event)
    this.#isOf(message.bank, event)
    const status = statusOf(event)
    if (status === undefined) return this.#notKnown(event, undefined)
    const doubt = doubtOfMessage(event, message)
    if (doubt !== undefined) return this.#doubted(event, doubt)
    this.#said.note(messageId, status, true)
    return this.#rowOf(event, undefined, WAITING)
  }

  #takePayment(event: Told, instruction: InstructionRow | undefined): AnswerRow {
    this.#counts.answers++
    if (instruction === undefined) return this.#unknown(event)
    this.#isOf(instruction.bank, event)
    const doubt = doubtOfPayment(event, instruction)
    if (doubt !== undefined) return this.#doubted(event, doubt)
    if (event.type === 'return') return this.#rowOf(event, instruction, WAITING)
    const status = statusOf(event)
    if (status === undefined) return this.#notKnown(event, instruction)
    this.#said.note(instruction.messageId ?? '', status, false)
    return this.#rowOf(event, instruction, WAITING)
  }

  /** Applies what nothing else in the file contradicts. @returns what came of it */
  async #apply({ answer, status: told, endToEndId, messageId, ...why }: WaitingAnswer): Promise<string> {
    const { client } = this.#options
    const news = this.#news(why)
    if (answer === 'return') return this.#judged(await applyReturn(client, { ...news, endToEndId: endToEndId ?? '' }))
    const status = knownStatus(told)
    assert(status !== undefined, 'what waits has a status that is known')
    const contradiction = this.#said.contradiction(messageId, status, endToEndId === undefined)
    if (contradiction !== undefined) return this.#unexpected(contradiction)
    if (endToEndId !== undefined) return this.#judged(await applyStatus(client, { ...news, endToEndId, status }))
    const applied = await applyFileStatus(client, { ...news, messageId, status })
    const { changed, bound } = applied ?? { changed: 0, bound: 0 }
    this.#counts.applied += changed
    if (status === 'RJCT') {
      if (bound > 0) return this.#unexpected(`${bound} of its payments cannot be rejected any more`)
      this.#counts.failed += changed
    } else if (bound > 0)
      return this.#unexpected(`${bound} of its payments were rejected, or not released: ask the bank`)
    return `${changed} instruction(s) changed`
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
    return this.#rowOf(event, instruction, this.#unexpected(`the status ${event.status} is not known`))
  }

  /** It is kept, and applied to nothing: neither does it say by which reference the bank knows the payment. */
  #doubted(event: Told, doubt: string): AnswerRow {
    return this.#rowOf(event, undefined, this.#unexpected(doubt))
  }

  #unexpected(why: string): string {
    this.#counts.unexpected++
    return `unexpected: ${why}`
  }

  #judged({ outcome, before, after, why }: NewsOutcome): string {
    if (outcome === 'unexpected') return this.#unexpected(why ?? `it is ${before}`)
    if (outcome !== 'applied') return `stays ${before}`
    this.#counts.applied++
    if (after === 'rejected' || after === 'returned') this.#counts.failed++
    return `${before} to ${after}`
  }

  #unknown(event: Told): AnswerRow {
    this.#counts.unknown++
    return this.#rowOf(event, undefined, 'unknown')
  }

  #news({ reasonCode, reason }: Pick<WaitingAnswer, 'reasonCode' | 'reason'>) {
    const isCode = reasonCode !== undefined && /^[A-Z0-9]{1,4}$/.test(reasonCode)
    return {
      reasonCode: isCode ? reasonCode : undefined,
      reason: reason ?? (isCode ? undefined : reasonCode),
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
      outcome: cut(outcome),
    }
  }
}

/** As long as an outcome is kept. */
const cut = (outcome: string) => outcome.slice(0, 80)

const statusOf = ({ status }: AnswerEvent) => knownStatus(status)

function knownStatus(status: string): PaymentStatus | undefined {
  return paymentStatuses.find((known) => known === status) ?? SAME_AS[status]
}
