import type { AnswerFields } from '../authorization/answer.ts'
import { applyDecision } from '../authorization/apply.ts'
import { decide } from '../authorization/decide.ts'
import type { Decision, DecisionContext } from '../authorization/decision.ts'
import type { AuthorizationRequest, Outlet } from '../authorization/request.ts'
import type { Result } from '../authorization/result.ts'
import type { ProgrammeBook } from '../benefit/programme-book.ts'
import type { BatchBuilder } from './batch-builder.ts'
import { addHostOutcome } from './host-rows.ts'
import type { CachedCard } from './household-cache.ts'
import type { LaneRules } from './lane-rules.ts'

/** What was looked up for one request; messages and presentments come by it in ways of their own. */
export type Known = Pick<DecisionContext, 'previous' | 'reversedEarly' | 'original' | 'authentication' | 'host'>

/** A request with its decision; nothing of it is in the batch, or changed in memory, yet. */
export interface Deciding {
  readonly request: AuthorizationRequest
  readonly found: CachedCard | undefined
  readonly outlet: Outlet | undefined
  readonly known: Known
  readonly decision: Decision
}

/** Decides a request as the next of a batch: one place says what a decision is made on, whichever way it came. */
export function decideNext(
  request: AuthorizationRequest,
  found: CachedCard | undefined,
  known: Known,
  by: { readonly builder: BatchBuilder; readonly rules: LaneRules; readonly programmes: ProgrammeBook },
): Deciding {
  const { builder, rules, programmes } = by
  const outlet = rules.outletByAcceptor(request.acceptor)
  const decision = decide(request, {
    id: builder.nextId,
    nowMs: builder.head.atMs,
    entitlementDate: builder.head.entitlementDate,
    programmes,
    policy: rules.policy,
    card: found?.card,
    household: found?.household,
    outlet,
    previous: known.previous,
    reversedEarly: known.reversedEarly,
    original: known.original,
    authentication: known.authentication,
    host: known.host,
  })
  return { request, found, outlet, known, decision }
}

/**
 * Changes the household in memory as decided, and adds the decision to the batch with what the account host is owed.
 * @param originalKey what a reversal without its original is remembered by
 * @returns its number in the journal, and the answer's own fields
 */
export function addDecided(
  { request, found, outlet, known, decision }: Deciding,
  builder: BatchBuilder,
  responseCodes: Readonly<Record<Result, string>>,
  originalKey?: string,
): { readonly id: number; readonly fields: AnswerFields } {
  if (found !== undefined) {
    builder.touch(found.household)
    applyDecision(decision, found.household, found.card)
  }
  const { nextId: id } = builder
  const { authentication } = known
  const { card, household } = found ?? {}
  const row = { request, decision, card, household, outletId: outlet?.id, responseCodes, originalKey, authentication }
  const fields = builder.add(row)
  addHostOutcome(builder, id, decision, household)
  return { id, fields }
}
