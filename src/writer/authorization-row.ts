import { type AnswerFields, verificationFields } from '../authorization/answer.ts'
import { type Authentication, notAuthenticated } from '../authorization/authentication.ts'
import type { Decision } from '../authorization/decision.ts'
import type { AuthorizationRequest } from '../authorization/request.ts'
import { isApproval, type Result } from '../authorization/result.ts'
import type { Card, Household } from '../card/household.ts'
import { maskPan } from '../identifiers.ts'
import type { AuthorizationRow } from '../store/batch.ts'

/** What a decision was made on. */
export interface Decided {
  readonly request: AuthorizationRequest
  readonly decision: Decision
  readonly card: Card | undefined
  readonly household: Household | undefined
  readonly outletId: number | undefined
  readonly responseCodes: Readonly<Record<Result, string>>
  readonly originalKey: string | undefined
  readonly authentication: Authentication
}

/** The answer's own fields, with what the verification adds to them. */
export function withVerification(answer: AnswerFields, { request, decision, authentication }: Decided): AnswerFields {
  if (authentication === notAuthenticated) return answer
  return { ...answer, ...verificationFields(decision, authentication, request.schemeRail) }
}

/** The journal's row of a decision. */
export function authorizationRow(id: number, decided: Decided, answer: AnswerFields): AuthorizationRow {
  const { request, decision } = decided
  return {
    id,
    receivedAtMs: request.receivedAtMs,
    link: request.link,
    mti: request.mti,
    key: request.key,
    contentHash: request.contentHash,
    acquirer: request.acquirer,
    terminal: request.terminal,
    acceptor: request.acceptor,
    outletId: decided.outletId,
    stan: request.stan,
    transmission: request.transmission,
    rrn: request.rrn,
    networkReference: request.networkReference,
    panMasked: maskPan(request.pan),
    cardId: decided.card?.id,
    householdId: decided.household?.id,
    transactionType: request.transactionType,
    accountCode: request.fromAccount,
    mcc: request.mcc,
    amount: request.amountPiasters,
    approvedAmount: decision.approvedPiasters,
    result: decision.result,
    responseCode: answer[39] ?? '',
    originalId: decision.originalId,
    originalKey: decided.originalKey,
    answer: JSON.stringify(answer),
    trace: JSON.stringify(decision.trace),
    basket: basketText(decision),
    schemeFacts: isApproval(decision.result) ? request.schemeFacts : undefined,
  }
}

/**
 * Lines of a basket for the journal: what was asked and granted, or what a refund takes back; undefined without any,
 * and for what was refused.
 */
function basketText({ lines, returnedLines, result }: Decision): string | undefined {
  if (lines.length + returnedLines.length === 0 || !isApproval(result)) return undefined
  const rows = [...lines, ...returnedLines].map((row) => [
    row.line,
    row.product,
    row.counter ?? null,
    row.quantity,
    row.unitPricePiasters,
    row.granted,
    row.grantedPiasters,
    row.reason,
  ])
  return JSON.stringify(rows)
}
