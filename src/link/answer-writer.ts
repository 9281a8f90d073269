import type { AnswerFields } from '../authorization/answer.ts'
import { answerMti } from '../authorization/mti.ts'
import { describeError } from '../errors.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import type { FieldValues } from '../iso8583/encode.ts'
import type { Message } from '../iso8583/message.ts'
import { answerHeader, formatVisaHeaderInto, VISA_HEADER_BYTES, type VisaHeader } from '../iso8583/visa-header.ts'
import { isPending } from '../security/security-module.ts'
import type { Timing } from '../timing.ts'
import type { ExchangeObserver, ExchangeRequest } from './exchange.ts'
import type { MessageMac } from './message-mac.ts'

/** A request that is to be answered, and what its answer needs of it. */
export interface AnswerContext {
  readonly inbound: ExchangeRequest
  readonly message: Message
  readonly header: VisaHeader | undefined
  readonly startedMs: number
  /**
   * Whether the MAC of the request was right. Only then does the answer carry one: signing the refusal of a message
   * that anyone may have sent would let anyone have declines signed, to be put in the place of other answers.
   */
  isAuthentic: boolean
}

const ANSWER_BYTES_MAX = 4_096
/** Data elements 0 to 128. */
const ANSWER_FIELDS = 129

/** Writes the answers of one link name and sends them. */
export class AnswerWriter {
  readonly #name: string
  readonly #dialect: Dialect
  readonly #mac: MessageMac | undefined
  readonly #observer: ExchangeObserver
  readonly #timing: Timing
  readonly #headerBytes: number
  readonly #wrapsChipData: boolean
  /** Answers are built here and copied by the link when they are sent. */
  readonly #scratch = Buffer.alloc(ANSWER_BYTES_MAX)
  readonly #values: FieldValues = new Array(ANSWER_FIELDS).fill(undefined)

  constructor(options: {
    readonly name: string
    readonly dialect: Dialect
    readonly mac: MessageMac | undefined
    readonly observer: ExchangeObserver
    readonly timing: Timing
  }) {
    this.#name = options.name
    this.#dialect = options.dialect
    this.#mac = options.mac
    this.#observer = options.observer
    this.#timing = options.timing
    this.#headerBytes = options.dialect.spec.header === 'visa' ? VISA_HEADER_BYTES : 0
    const chipData = options.dialect.subfields(55)
    this.#wrapsChipData = chipData?.form === 'ber' && chipData.wrapped === true
  }

  /** Refuses without a MAC: the cheapest answer there is, and most of a flood gets it. */
  refuse(context: AnswerContext, code: string): void {
    const encodeStartedMs = this.#timing.monotonicMs()
    const { message, header } = context
    const head = this.#headerBytes
    try {
      const end = this.#dialect.refuseInto(message, answerMti(message.mti), code, this.#scratch, head)
      if (header !== undefined) formatVisaHeaderInto(answerHeader(header), end - head, this.#scratch, 0)
      this.#reply(context, this.#scratch.subarray(0, end), code, encodeStartedMs)
    } catch (error) {
      this.#unanswerable(context, error)
    }
  }

  /** Answers, and never throws: it is called from the writer, which must not stop for one answer. */
  answer(context: AnswerContext, fields: AnswerFields): void {
    try {
      this.#encodeAndReply(context, fields)
    } catch (error) {
      this.#unanswerable(context, error)
    }
  }

  #encodeAndReply(context: AnswerContext, fields: AnswerFields): void {
    const encodeStartedMs = this.#timing.monotonicMs()
    const { message, header } = context
    const values = this.#values.fill(undefined)
    for (const de of this.#dialect.answerEcho) {
      const value = message.has(de) ? message.text(de) : undefined
      // A field of no length says nothing, and many peers cannot read one.
      if (value !== '') values[de] = value
    }
    for (const de in fields) values[Number(de)] = fields[de]
    const chipData = fields[55]
    if (chipData !== undefined && this.#wrapsChipData) values[55] = inChipDataset(chipData)
    const mac = context.isAuthentic ? this.#mac : undefined
    mac?.reserve(values)
    const end = this.#dialect.encodeInto(answerMti(message.mti), values, this.#scratch, this.#headerBytes)
    if (header !== undefined) {
      formatVisaHeaderInto(answerHeader(header), end - this.#headerBytes, this.#scratch, 0)
    }
    const code = fields[39] ?? ''
    if (mac === undefined) {
      this.#reply(context, this.#scratch.subarray(0, end), code, encodeStartedMs)
      return
    }
    // A module that answers later still reads what it was given, while the scratch serves the next answer.
    const frame = Buffer.from(this.#scratch.subarray(0, end))
    const sealed = mac.seal(frame, this.#headerBytes)
    if (!isPending(sealed)) this.#reply(context, frame, code, encodeStartedMs)
    else {
      sealed
        .then(() => this.#reply(context, frame, code, encodeStartedMs))
        .catch((error: unknown) => this.#unanswerable(context, error))
    }
  }

  #reply(context: AnswerContext, frame: Uint8Array, code: string, encodeStartedMs: number): void {
    const sent = context.inbound.reply(frame)
    if (!sent) this.#observer.undelivered?.(this.#name)
    const nowMs = this.#timing.monotonicMs()
    this.#observer.answered?.(this.#name, code, nowMs - context.startedMs, nowMs - encodeStartedMs)
  }

  #unanswerable(context: AnswerContext, error: unknown): void {
    this.#observer.undecodable?.(this.#name, undefined, `its answer cannot be made: ${describeError(error)}`)
    context.inbound.drop()
  }
}

/** Chip data in the dataset that Visa wraps around it: identifier 01 and a length of two bytes. Both are hex. */
function inChipDataset(chipData: string): string {
  return `01${(chipData.length >> 1).toString(16).padStart(4, '0')}${chipData}`
}
