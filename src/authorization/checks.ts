import { servesOwnOnly } from '../benefit/entitlement.ts'
import type { WalletProgramme } from '../benefit/programme.ts'
import { type Card, type Household, isExpired, termOn } from '../card/household.ts'
import type { Decision, DecisionDraft } from './decision.ts'
import { hasTerminalOn, outletStatusOn } from './outlet.ts'
import type { AuthorizationRequest, Outlet } from './request.ts'
import type { Result } from './result.ts'
import { type Target, transactionTypes } from './routing.ts'

/** The card and the household a decision may go on with. */
export interface Holder {
  readonly card: Card
  readonly household: Household
}

const statusResults: Partial<Record<Card['status'], Result>> = {
  issued: 'inactive-card',
  restricted: 'restricted-card',
  lost: 'lost-card',
  stolen: 'stolen-card',
  closed: 'restricted-card',
}

/** The card is known, active and not expired. A message that carries another expiry than the card's is refused too. */
export function checkCard(request: AuthorizationRequest, draft: DecisionDraft): Holder | Decision {
  const { card, household, entitlementDate } = draft.context
  if (card === undefined || household === undefined) return draft.decline('unknown-card', 'card.unknown')
  const refused = statusResults[card.status]
  if (refused !== undefined) return draft.decline(refused, 'card.status', card.status)
  if (isExpired(card.expiry, entitlementDate)) return draft.decline('expired-card', 'card.expired', card.expiry)
  if (request.expiry !== undefined && request.expiry !== card.expiry) {
    return draft.decline('expired-card', 'card.expired', request.expiry)
  }
  draft.note('card.active', card.id, household.id)
  return { card, household }
}

/** Whether the household gets no subsidies on the entitlement date; payments work. */
export function isSuspended(household: Household, draft: DecisionDraft): boolean {
  return termOn(household, draft.context.entitlementDate).status === 'suspended'
}

/** Whether the outlet serves on the entitlement date: one that is suspended or closed serves nobody. */
export function checkStanding(
  draft: DecisionDraft,
  result: 'unknown-outlet' | 'not-at-this-outlet',
): Decision | undefined {
  const { outlet, entitlementDate } = draft.context
  const status = outlet === undefined ? 'active' : outletStatusOn(outlet, entitlementDate)
  return status === 'active' ? undefined : draft.decline(result, 'outlet.status', outlet?.acceptor ?? '', status)
}

/** The outlet and place rules of a subsidy: a registered outlet of the right kind, at the right place, service live. */
export function checkSubsidyPlace(
  request: AuthorizationRequest,
  programme: WalletProgramme,
  household: Household,
  draft: DecisionDraft,
): Outlet | Decision {
  const { outlet, policy, entitlementDate } = draft.context
  if (isSuspended(household, draft)) return draft.decline('household-suspended', 'household.suspended')
  if (outlet === undefined) return draft.decline('unknown-outlet', 'outlet.unknown')
  const stopped = checkStanding(draft, 'unknown-outlet')
  if (stopped !== undefined) return stopped
  if (!programme.outlets.categories.includes(outlet.category)) {
    const type = request.transactionType
    return draft.decline('not-at-this-outlet', 'outlet.category', outlet.category, type, programme.code)
  }
  if (!hasTerminalOn(outlet, request.terminal, entitlementDate)) {
    return draft.decline('not-at-this-outlet', 'outlet.terminal', outlet.acceptor)
  }
  const liveFrom = policy.serviceLiveFrom(programme.code, household.governorate)
  if (liveFrom === undefined || entitlementDate < liveFrom) {
    return draft.decline('service-not-live', 'service.not-live', programme.code, household.governorate)
  }
  const atHome = outlet.governorate === household.governorate
  if (!atHome && servesOwnOnly(programme.outlets, outlet.governorate, entitlementDate)) {
    return draft.decline('service-not-live', 'outlet.governorate', household.governorate, outlet.governorate)
  }
  return outlet
}

/** Whether the requester can take less than it asks for: it says so (DE60.10), or its outlet is registered so. */
export function takesPartial(request: AuthorizationRequest, outlet: Outlet | undefined): boolean {
  return request.partialAllowed || (!request.schemeRail && outlet?.partialApproval === true)
}

/** What each category of registered outlet may do with money; an unknown outlet may do what its MCC says. */
const moneyTypes: Record<Outlet['category'], readonly string[]> = {
  bakery: ['00', '20'],
  grocer: ['00', '09', '20'],
  depot: ['00', '20'],
  health: ['00', '20', '39'],
  shop: ['00', '09', '11', '20', '50'],
  atm: ['01', '21', '50'],
  post: ['00', '01', '11', '20', '21', '50'],
}
const cashMccs = new Set(['6010', '6011'])
const inquiries: readonly string[] = [transactionTypes.inquiry, transactionTypes.inquiryOther]

/** Whether the outlet may do this type with money at all. */
export function checkMoneyPlace(
  request: AuthorizationRequest,
  target: Target,
  draft: DecisionDraft,
): Decision | undefined {
  const { outlet } = draft.context
  const { transactionType: type } = request
  if (inquiries.includes(type)) return undefined
  const stopped = checkStanding(draft, 'not-at-this-outlet')
  if (stopped !== undefined) return stopped
  if (outlet !== undefined) {
    if (moneyTypes[outlet.category].includes(type)) return undefined
    return draft.decline('not-at-this-outlet', 'outlet.category', outlet.category, type, target.kind)
  }
  const cashOutlet = cashMccs.has(request.mcc)
  const cashType = type === transactionTypes.cash || type === transactionTypes.deposit
  if (cashOutlet === cashType) return undefined
  // A network that sends no DE18 with a cash withdrawal is an ATM network; a purchase at a cash outlet is a mistake.
  if (cashType && request.mcc === '') return undefined
  return draft.decline('not-at-this-outlet', 'outlet.category', request.mcc || 'outlet without MCC', type, target.kind)
}

/** Whether the message only asks for balances. */
export function isInquiry(transactionType: string): boolean {
  return inquiries.includes(transactionType)
}
