import type { Decision } from '../authorization/decision.ts'
import type { AccountHostPolicy, HostAsk, HostRequest } from '../authorization/host.ts'
import { hostRequestFields, hostReversal, hostStamps } from '../authorization/host-messages.ts'
import type { AuthorizationRequest } from '../authorization/request.ts'
import type { Card, Household } from '../card/household.ts'
import type { OpenHostRequest } from '../store/host-requests.ts'
import type { HostCall } from './account-host.ts'
import type { BatchBuilder } from './batch-builder.ts'
import type { LaneRules } from './lane-rules.ts'

/** What the account host is asked for. */
export interface Asked {
  readonly request: AuthorizationRequest
  readonly card: Card
  readonly household: Household
}

/** What the account host is asked, made durable before it is sent; what it says decides the request later. */
export function askHost(builder: BatchBuilder, ask: HostAsk, asked: Asked, { policy }: LaneRules): HostCall {
  const { atMs } = builder.head
  const id = builder.nextId
  const { request, card, household } = asked
  const whole: HostRequest = { ...ask, stamps: hostStamps(id, atMs) }
  const { kind, piasters, stamps } = whole
  const { stan, transmission, rrn } = stamps
  const { transactionType: type, acquirer, terminal, acceptor, mcc } = request
  const { id: householdId } = household
  const detail = { kind, piasters, stan, transmission, rrn, for: request.stan, terminal }
  builder.note('host-asked', householdId, undefined, detail)
  const place = { type, acquirer, terminal, acceptor, mcc }
  const named = { id, household: householdId, card: card.id, kind, piasters, stan, transmission, rrn }
  builder.change('host-request', { ...named, ...place })
  const institution = policy.accountHost?.institution ?? ''
  return { request: whole, fields: hostRequestFields(request, whole, householdId, atMs, institution) }
}

/** Ends a request to the account host that nobody waits for: what it may have booked is taken back. */
export function abandonHostRequest(builder: BatchBuilder, policy: AccountHostPolicy, open: OpenHostRequest): void {
  const { householdId, cardId, kind, piasters, stan, transmission, rrn, transactionType, place } = open
  const stamps = { requestId: open.id, stan, transmission, rrn }
  const reversed = kind === 'debit'
  const id = builder.note('host-abandoned', householdId, undefined, { request: open.id, piasters, reversed })
  builder.change('host-ending', { id: open.id, by: id, outcome: 'abandoned', used: false, reversed, paid: 0, said: '' })
  if (!reversed) return
  const nowMs = builder.head.atMs
  builder.forward(id, hostReversal(policy, { stamps, piasters, transactionType, place, householdId, cardId, nowMs }))
}

/** What a decision has to do with other institutions: of a repeat too. */
export function addHostOutcome(
  builder: BatchBuilder,
  id: number,
  { forwards, hostEnding, hostAdvice, standIn }: Decision,
  household: Household | undefined,
): void {
  for (const forward of forwards) builder.forward(id, forward)
  if (hostEnding !== undefined) {
    const { request, outcome, used, reversed, paidPiasters: paid, said } = hostEnding
    builder.change('host-ending', { id: request.stamps.requestId, by: id, outcome, used, reversed, paid, said })
  }
  if (hostAdvice === undefined) return
  const isStandIn = standIn !== undefined
  builder.change('host-advice', { id, household: household?.id, ...hostAdvice, standIn: isStandIn })
}
