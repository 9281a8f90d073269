import type { AnswerFields } from '../authorization/answer.ts'
import { type LinkProfile, requestOf } from '../authorization/inbound.ts'
import { messageClassOf } from '../authorization/mti.ts'
import type { AuthorizationRequest, MessageClass } from '../authorization/request.ts'
import { type Result, responseCodes } from '../authorization/result.ts'
import { describeError } from '../errors.ts'
import type { Dialect } from '../iso8583/dialect.ts'
import type { DecodeFailure } from '../iso8583/failure.ts'
import { parseVisaHeader, VISA_HEADER_BYTES, type VisaHeader } from '../iso8583/visa-header.ts'
import { isPending } from '../security/security-module.ts'
import { systemTiming, type Timing } from '../timing.ts'
import type { AdmissionRefusal } from '../writer/admission.ts'
import { type Admission, admissionOf, type Unauthentic } from './admission.ts'
import { type AnswerContext, AnswerWriter } from './answer-writer.ts'
import { cutoverAnswer, type OnCutover } from './cutover.ts'
import { KeyExchange, type OnKeyExchange } from './key-exchange.ts'
import { type MessageMac, stopsAtMac } from './message-mac.ts'
import { isReconciliation, type OnReconciliation, reconciliationAnswer } from './reconciliation.ts'
import {
  isNetworkManagement,
  type NetworkManagementAnswer,
  networkCodes,
  networkManagementAnswer,
  refusalBeforeSignOn,
  type SessionState,
} from './session.ts'

/** A message that came in, and the way to answer it; `InboundRequest` of a listener is one. */
export interface ExchangeRequest {
  readonly frame: Buffer
  /** Milliseconds since 1970 UTC. */
  readonly receivedAtMs: number
  readonly link: {
    /** Names the connection: each gets its share of the writer. */
    readonly id: number
    readonly state: SessionState
    /** Whether so much of the link awaits its answer that only what protects money is still taken. */
    readonly crowded: boolean
    setState(state: SessionState): void
  }
  /** @returns false when the link is gone */
  reply(body: Uint8Array): boolean
  /** Ends the request without an answer. */
  drop(): void
}

/** What decides requests: a writer's lanes. */
export interface Decider {
  /**
   * Why a request of a link would be refused now; undefined when it may be submitted. Asked before anything is done
   * for the request, so that refusing most of a flood costs little.
   */
  refusal(messageClass: MessageClass, link: number): AdmissionRefusal | undefined
  /**
   * Takes a request in.
   * @returns false when there is no room: the caller answers 91
   */
  submit(
    request: AuthorizationRequest,
    codes: Readonly<Record<Result, string>>,
    respond: Respond,
    link: number,
  ): boolean
}

/** Why a request is answered 91 before anything is done for it. */
export type EarlyRefusal = AdmissionRefusal | 'in_flight' | 'not_signed_on'

export type Respond = (result: Result, fields: AnswerFields) => void

/** What an exchange tells whoever counts and logs. Nothing here carries message content beyond codes. */
export interface ExchangeObserver {
  received?(link: string, mti: string, decodeMs: number): void
  answered?(link: string, responseCode: string, totalMs: number, encodeMs: number): void
  undecodable?(link: string, failure: DecodeFailure | undefined, reason: string): void
  refused?(link: string, reason: EarlyRefusal): void
  /** A message was refused before anything else looked at it: it is not from whom it should be. */
  unauthentic?(link: string, mti: string, reason: Unauthentic): void
  undelivered?(link: string): void
}

export interface ExchangeOptions {
  readonly link: Omit<LinkProfile, 'schemeRail'>
  readonly dialect: Dialect
  readonly decider: Decider
  readonly observer: ExchangeObserver
  /** @default that of the machine */
  readonly timing?: Timing
  /** Present where messages must carry a MAC. */
  readonly mac?: MessageMac
  /** Takes the zone keys that the peer sends; absent: a key exchange is answered 12. */
  readonly onKeyExchange?: OnKeyExchange
  /** Takes note of a cutover of the peer; absent: it is answered 12. */
  readonly onCutover?: OnCutover
  /** Finds an acquirer's totals; absent: reconciliation messages are answered 12. */
  readonly onReconciliation?: OnReconciliation
}

const MTI_UNREADABLE = '0000'

/**
 * The dialogue on the links of one listener: decode, network management, decision, answer. One per listener; it holds
 * no state of a link beyond what the link itself keeps.
 */
export class Exchange {
  readonly #dialect: Dialect
  readonly #profile: LinkProfile
  readonly #decider: Decider
  readonly #observer: ExchangeObserver
  readonly #timing: Timing
  readonly #codes: Readonly<Record<Result, string>>
  readonly #headerBytes: number
  readonly #mac: MessageMac | undefined
  readonly #answers: AnswerWriter
  readonly #keyExchange: KeyExchange | undefined
  readonly #onCutover: OnCutover | undefined
  readonly #onReconciliation: OnReconciliation | undefined
  /** Links whose totals are being looked for: one look at a time for each. */
  readonly #reconciling = new Set<number>()

  constructor(options: ExchangeOptions) {
    this.#dialect = options.dialect
    this.#decider = options.decider
    this.#observer = options.observer
    this.#timing = options.timing ?? systemTiming
    const hasHeader = options.dialect.spec.header === 'visa'
    this.#profile = { ...options.link, schemeRail: hasHeader }
    this.#codes = responseCodes(options.dialect.name)
    this.#headerBytes = hasHeader ? VISA_HEADER_BYTES : 0
    this.#mac = options.mac
    this.#answers = new AnswerWriter({
      name: options.link.name,
      dialect: options.dialect,
      mac: options.mac,
      observer: options.observer,
      timing: this.#timing,
    })
    const { onKeyExchange, link, dialect } = options
    this.#onCutover = options.onCutover
    this.#onReconciliation = options.onReconciliation
    if (onKeyExchange !== undefined) {
      this.#keyExchange = new KeyExchange(link.name, dialect, this.#codes, onKeyExchange)
    }
  }

  /** Handles one frame of a link; answers it at once or when its decision is durable. */
  handle(inbound: ExchangeRequest): void {
    const startedMs = this.#timing.monotonicMs()
    const { name } = this.#profile
    let header: VisaHeader | undefined
    let bodyStart = 0
    if (this.#headerBytes > 0) {
      const parsed = parseVisaHeader(inbound.frame)
      if (parsed.header === undefined || parsed.reject !== undefined || parsed.failure !== undefined) {
        const reason = parsed.reject === undefined ? 'header' : `rejected by the network: ${parsed.reject.code}`
        this.#observer.undecodable?.(name, parsed.failure, reason)
        inbound.drop()
        return
      }
      header = parsed.header
      bodyStart = parsed.bodyStart
    }
    const message = this.#dialect.decode(inbound.frame, bodyStart)
    this.#observer.received?.(name, message.mti || MTI_UNREADABLE, this.#timing.monotonicMs() - startedMs)
    const context: AnswerContext = { inbound, message, header, startedMs, isAuthentic: false }
    if (message.failure !== undefined) {
      if (this.#mac !== undefined && stopsAtMac(message)) this.#refuse(context, 'mac-malformed')
      else this.#answerFormatError(context, message.failure)
    } else if (this.#mac === undefined || !isRequest(message.mti)) {
      this.#dispatch(context)
    } else {
      this.#authenticate(context, this.#mac)
    }
  }

  #authenticate(context: AnswerContext, mac: MessageMac): void {
    const admission = admissionOf(mac, context.message)
    // A module that answers at once must not cost its message a turn of the microtask queue.
    if (!isPending(admission)) this.#admit(context, admission)
    else {
      admission.then((known) => this.#admit(context, known)).catch((error: unknown) => this.#lost(context, error))
    }
  }

  #admit(context: AnswerContext, admission: Admission): void {
    context.isAuthentic = admission === 'authentic'
    if (admission === 'authentic' || admission === 'before-keys') this.#dispatch(context)
    else this.#refuse(context, admission)
  }

  /** Refuses a message that is not authentic. It reaches neither a lane nor the journal. */
  #refuse(context: AnswerContext, reason: Unauthentic): void {
    const { inbound, message } = context
    this.#observer.unauthentic?.(this.#profile.name, message.mti, reason)
    if (!isRequest(message.mti)) inbound.drop()
    else
      this.#answers.answer(context, {
        39: this.#codes[reason === 'mac-failed' ? 'internal-fault' : 'security-violation'],
      })
  }

  /** A request that tripped the program after it had to wait: there is no caller left to tell. */
  #lost(context: AnswerContext, error: unknown): void {
    this.#observer.undecodable?.(this.#profile.name, undefined, `cannot be processed: ${describeError(error)}`)
    context.inbound.drop()
  }

  #manage(context: AnswerContext): void {
    const { message, inbound } = context
    const request = { mti: message.mti, de70: message.text(70) }
    const outcome = networkManagementAnswer(inbound.link.state, request, ({ de70 }) => {
      if (de70 === networkCodes.keyExchange) return this.#keyExchange?.answer(message)
      if (de70 !== networkCodes.cutover || this.#onCutover === undefined) return undefined
      return cutoverAnswer(this.#profile.name, message, inbound.receivedAtMs, this.#codes, this.#onCutover)
    })
    if (!isPending(outcome)) this.#answerManagement(context, outcome)
    else {
      outcome
        .then((known) => this.#answerManagement(context, known))
        .catch((error: unknown) => this.#lost(context, error))
    }
  }

  #answerManagement(context: AnswerContext, outcome: NetworkManagementAnswer): void {
    if (outcome.changed) context.inbound.link.setState(outcome.state)
    this.#answers.answer(context, { ...outcome.fields, 39: outcome.responseCode })
  }

  #dispatch(context: AnswerContext): void {
    const { inbound, message } = context
    const { link } = inbound
    if (isNetworkManagement(message.mti)) {
      this.#manage(context)
      return
    }
    if (!isRequest(message.mti)) {
      // The answer to a sign-off of ours is good manners, and nothing waits for it.
      if (message.mti[1] !== '8' || message.text(70) !== networkCodes.signOff) {
        this.#observer.undecodable?.(this.#profile.name, undefined, 'an answer that nobody awaits')
      }
      inbound.drop()
      return
    }
    if (refusalBeforeSignOn(link.state, message.mti) !== undefined) {
      this.#refuseEarly(context, 'not_signed_on')
      return
    }
    const messageClass = messageClassOf(message.mti)
    if (messageClass === undefined && this.#onReconciliation !== undefined && isReconciliation(message.mti)) {
      this.#reconcile(context, this.#onReconciliation)
      return
    }
    if (messageClass === undefined) {
      this.#answers.answer(context, { 39: this.#codes['invalid-transaction'] })
      return
    }
    const refusal = this.#refusalOf(messageClass, link)
    if (refusal !== undefined) {
      this.#refuseEarly(context, refusal)
      return
    }
    const request = requestOf(message, this.#profile, inbound.receivedAtMs)
    const respond: Respond = (_result, fields) => this.#answers.answer(context, fields)
    if (!this.#decider.submit(request, this.#codes, respond, link.id)) this.#refuseEarly(context, 'ring_full')
  }

  /** Answers from the journal, apart from the lanes; a link that asks again meanwhile is answered 91. */
  #reconcile(context: AnswerContext, find: OnReconciliation): void {
    const { inbound, message } = context
    const { id } = inbound.link
    if (this.#reconciling.has(id)) {
      this.#refuseEarly(context, 'in_flight')
      return
    }
    this.#reconciling.add(id)
    reconciliationAnswer(this.#profile.name, message, inbound.receivedAtMs, this.#codes, find)
      .finally(() => this.#reconciling.delete(id))
      .then((fields) => this.#answers.answer(context, fields))
      .catch((error: unknown) => this.#lost(context, error))
  }

  /** Beyond capacity: what nothing was done for yet is refused first, and what protects money last. */
  #refusalOf(messageClass: MessageClass, link: ExchangeRequest['link']): EarlyRefusal | undefined {
    if (link.crowded && (messageClass === 'authorization' || messageClass === 'financial')) return 'in_flight'
    return this.#decider.refusal(messageClass, link.id)
  }

  #refuseEarly(context: AnswerContext, reason: EarlyRefusal): void {
    this.#observer.refused?.(this.#profile.name, reason)
    const code = this.#codes['not-in-time']
    if (context.isAuthentic) this.#answers.answer(context, { 39: code })
    else this.#answers.refuse(context, code)
  }

  /** A message that cannot be read to its end is answered 30 with what was read of it, if that names it at all. */
  #answerFormatError(context: AnswerContext, failure: DecodeFailure): void {
    const { inbound, message } = context
    this.#observer.undecodable?.(this.#profile.name, failure, 'message')
    if (message.mti === '' || !isRequest(message.mti)) {
      inbound.drop()
      return
    }
    this.#answers.answer(context, { 39: this.#codes['format-error'] })
  }
}

/** Requests and advices have an even third digit; answers an odd one. */
function isRequest(mti: string): boolean {
  return Number(mti[2]) % 2 === 0
}
