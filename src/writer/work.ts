import type { AnswerFields } from '../authorization/answer.ts'
import type { HostVerdict } from '../authorization/host.ts'
import type { AuthorizationRequest } from '../authorization/request.ts'
import type { Result } from '../authorization/result.ts'
import type { Chore } from './chores.ts'

/** A request on its way through a lane. */
export interface Work {
  /** The connection that it came by; each gets its share. */
  readonly link: number
  readonly request: AuthorizationRequest
  /** DE39 table of the requester's dialect. */
  readonly responseCodes: Readonly<Record<Result, string>>
  /** After this instant a request that has not been sent to the database is answered 91. */
  readonly deadlineMs: number
  /** What the account host said, once it was asked. */
  readonly host?: HostVerdict
  /** Called exactly once. */
  readonly respond: (result: Result, fields: AnswerFields) => void
  /** Its place in the order of arrival, given when it is queued; one without came before those that have one. */
  arrival?: number
}

/** What a lane takes into a batch. */
export interface Portion {
  readonly works: readonly Work[]
  readonly chores: readonly Chore[]
}

/** Answers without a posting: nothing of the request is in the journal. */
export function answerWithout(work: Work, result: Result): void {
  work.respond(result, { 39: work.responseCodes[result] })
}

export function isReversal(request: AuthorizationRequest): boolean {
  return request.messageClass === 'reversal' || request.messageClass === 'reversal-advice'
}

/** Reversals, refunds and completions name an original; a plain request does not. */
export function needsOriginal(request: AuthorizationRequest): boolean {
  if (isReversal(request) || request.original !== undefined || request.transactionType === '20') return true
  return request.messageClass === 'financial-advice'
}

/**
 * What requests under way leave behind for those after them: until a request is durable, the journal cannot tell a
 * repeat of it, or a reversal of it, what it was.
 */
export class UnderWay {
  readonly #keys = new Set<string>()
  readonly #cards = new Set<string>()
  /** Cards of requests that name an original: two ways of naming one must not be under way together. */
  #naming: Set<string> | undefined
  /** Cards of reversals that name no original by its key: it may be the next message of the card. */
  #unnamed: Set<string> | undefined

  add(request: AuthorizationRequest): void {
    const { key, originalKey, panIndex } = request
    this.#keys.add(key)
    if (originalKey !== undefined) this.#keys.add(originalKey)
    this.#cards.add(panIndex)
    if (!needsOriginal(request)) return
    if (originalKey === undefined && isReversal(request)) {
      this.#unnamed ??= new Set()
      this.#unnamed.add(panIndex)
    }
    this.#naming ??= new Set()
    this.#naming.add(panIndex)
  }

  /**
   * Adds what gives money back to a card otherwise: whatever names an original of the card waits until the journal has
   * it.
   */
  addReturn(panIndex: string): void {
    this.#naming ??= new Set()
    this.#naming.add(panIndex)
  }

  /** Whether a request has to wait until these are durable. */
  blocks(request: AuthorizationRequest): boolean {
    const { key, originalKey, panIndex } = request
    if (this.#keys.has(key) || (originalKey !== undefined && this.#keys.has(originalKey))) return true
    if (this.#unnamed?.has(panIndex) === true) return true
    if (!needsOriginal(request)) return false
    return this.#naming?.has(panIndex) === true || (originalKey === undefined && this.#cards.has(panIndex))
  }
}
