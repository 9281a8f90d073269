import { type Card, type Household, usedOf } from '../card/household.ts'
import type { Decision, DecisionContext, UsageChange } from './decision.ts'
import { POSTAL_PROGRAMME, standInCounters } from './host.ts'
import type { AuthorizationRequest } from './request.ts'
import type { TraceEntry } from './trace.ts'

/** What stand-in grants, or why it does not. */
export type StandIn =
  | { readonly granted: true; readonly usages: readonly UsageChange[]; readonly note: TraceEntry }
  | { readonly granted: false; readonly why: TraceEntry }

/**
 * Whether Mizan may approve a debit of a remote account by itself: within what the configuration allows for the
 * programme, the kind of card and the type of transaction, in one transaction and in a civil day.
 * @param piasters what the account would pay
 */
export function standIn(
  request: AuthorizationRequest,
  decision: Decision,
  piasters: number,
  card: Card,
  household: Household,
  context: DecisionContext,
): StandIn {
  const { policy, entitlementDate, programmes } = context
  const programme = programmeIn(decision)
  const { transactionType } = request
  const rule = policy.accountHost?.standIn.find(
    (one) =>
      one.programmes.includes(programme) &&
      one.cardKinds.includes(card.kind) &&
      one.transactionTypes.includes(transactionType),
  )
  if (rule === undefined) return { granted: false, why: ['stand-in.none', programme, card.kind, transactionType] }
  if (piasters > rule.perTransactionPiasters) {
    return { granted: false, why: ['stand-in.single', piasters, rule.perTransactionPiasters] }
  }
  const counters = standInCounters(programmes.byCode(programme)?.number ?? 0, card.kind)
  const used = usedOf(household, counters.amount, entitlementDate)
  const times = usedOf(household, counters.count, entitlementDate)
  if (used + piasters > rule.perDayPiasters) {
    return { granted: false, why: ['stand-in.day', used, piasters, rule.perDayPiasters] }
  }
  if (times + 1 > rule.perDayCount) return { granted: false, why: ['stand-in.count', times, rule.perDayCount] }
  return {
    granted: true,
    usages: [
      { counter: counters.amount, period: entitlementDate, change: piasters },
      { counter: counters.count, period: entitlementDate, change: 1 },
    ],
    note: ['stand-in.approved', piasters, used, rule.perDayPiasters, programme],
  }
}

/** Code of the programme that a decision was made for, as its trace names it. */
function programmeIn({ trace }: Decision): string {
  for (const [code, programme] of trace) {
    if (code === 'route.wallet' || code === 'route.payment') return String(programme)
    if (code === 'route.health') return 'health'
  }
  return POSTAL_PROGRAMME
}
