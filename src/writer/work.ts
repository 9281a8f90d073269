import type { AnswerFields } from '../authorization/answer.ts'
import type { AuthorizationRequest } from '../authorization/request.ts'
import type { Result } from '../authorization/result.ts'
import type { Ring } from './ring.ts'

/** A request on its way through a lane. */
export interface Work {
  readonly request: AuthorizationRequest
  /** DE39 table of the requester's dialect. */
  readonly responseCodes: Readonly<Record<Result, string>>
  /** After this instant a request that has not been sent to the database is answered 91. */
  readonly deadlineMs: number
  /** Called exactly once. */
  readonly respond: (result: Result, fields: AnswerFields) => void
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
 * Takes the next batch from a ring. It ends before a request that depends on one in it: a repeat of the same key, or a
 * reversal of an original that is not in the journal yet; nor do two requests of one card that each name an original
 * stand in one batch, since they may name the same one in different ways.
 * @param late gets the requests whose time is over
 */
export function takeBatch(ring: Ring<Work>, batchMax: number, nowMs: number, late: (work: Work) => void): Work[] {
  const works: Work[] = []
  const keys = new Set<string>()
  const cards = new Set<string>()
  /** Cards of requests in this batch that name an original: two ways of naming one must not meet in a batch. */
  const naming = new Set<string>()
  while (works.length < batchMax) {
    const next = ring.peek()
    if (next === undefined) break
    if (next.deadlineMs <= nowMs) {
      ring.shift()
      late(next)
      continue
    }
    const { key, originalKey, panIndex } = next.request
    if (keys.has(key) || (originalKey !== undefined && keys.has(originalKey))) break
    const names = needsOriginal(next.request)
    if (names && (naming.has(panIndex) || (originalKey === undefined && cards.has(panIndex)))) break
    ring.shift()
    works.push(next)
    keys.add(key)
    if (originalKey !== undefined) keys.add(originalKey)
    cards.add(panIndex)
    if (names) naming.add(panIndex)
  }
  return works
}
