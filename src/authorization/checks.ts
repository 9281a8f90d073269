import { servesOwnOnly } from '../benefit/entitlement.ts'
import type { OutletRule, VerificationRule, WalletProgramme } from '../benefit/programme.ts'
import { type CivilDate, civilMinute } from '../calendar.ts'
import { type Card, type Household, isExpired, termOn, type VerificationException } from '../card/household.ts'
import type { Decision, DecisionContext, DecisionDraft } from './decision.ts'
import { isHonoured } from './elsewhere.ts'
import { hasTerminalOn, outletStatusOn } from './outlet.ts'
import type { AuthorizationRequest, Outlet } from './request.ts'
import type { Result } from './result.ts'
import { placeTypeOf, type Target, transactionTypes } from './routing.ts'
import type { TraceCode } from './trace.ts'

/** The card and the household a decision may go on with. */
export interface Holder {
  readonly card: Card
  readonly household: Household
  /** What an approval that was given elsewhere does not go by: the card would be refused here. */
  readonly doubt: Refusal | undefined
}

const statusResults: Partial<Record<Card['status'], Result>> = {
  issued: 'inactive-card',
  restricted: 'restricted-card',
  lost: 'lost-card',
  stolen: 'stolen-card',
  closed: 'restricted-card',
}

/**
 * The card is known, active and not expired. A message that carries another expiry than the card's is refused too. An
 * advice of an approval goes on with a doubt.
 */
export function checkCard(request: AuthorizationRequest, draft: DecisionDraft): Holder | Decision {
  const { card, household, entitlementDate } = draft.context
  if (card === undefined || household === undefined) return draft.decline('unknown-card', 'card.unknown')
  if (card.kind === 'ration' && household.oldRationCard !== 'active') {
    return draft.decline('restricted-card', 'old-card.refused', household.oldRationCard)
  }
  const doubt = cardRefusal(request, card, entitlementDate)
  if (doubt !== undefined && !isHonoured(request)) return draft.decline(...doubt)
  if (doubt === undefined) draft.note('card.active', card.id, household.id)
  return { card, household, doubt }
}

function cardRefusal({ expiry }: AuthorizationRequest, card: Card, date: CivilDate): Refusal | undefined {
  const refused = statusResults[card.status]
  if (refused !== undefined) return [refused, 'card.status', card.status]
  if (isExpired(card.expiry, date)) return ['expired-card', 'card.expired', card.expiry]
  return expiry === undefined || expiry === card.expiry ? undefined : ['expired-card', 'card.expired', expiry]
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

/** A refusal with the rule that decided. */
export type Refusal = readonly [Result, TraceCode, ...(string | number)[]]

/** An outlet, and those programmes of an account code that it may serve the household from. */
export interface SubsidyPlace {
  readonly outlet: Outlet
  /** Never empty, in the order in which they are drawn. */
  readonly programmes: readonly WalletProgramme[]
}

/**
 * The outlet and place rules of a subsidy: a registered outlet of the right kind, at the right place, service live. Of
 * several grants those that have no place here are left out; without any left, the first one's reason is the answer.
 */
export function checkSubsidyPlace(
  request: AuthorizationRequest,
  programmes: readonly WalletProgramme[],
  household: Household,
  draft: DecisionDraft,
): SubsidyPlace | Decision {
  const { outlet } = draft.context
  if (isSuspended(household, draft)) return draft.decline('household-suspended', 'household.suspended')
  if (outlet === undefined) return draft.decline('unknown-outlet', 'outlet.unknown')
  const stopped = checkStanding(draft, 'unknown-outlet')
  if (stopped !== undefined) return stopped
  const [first] = programmes
  const refusal = first && placeRefusal(request, first, outlet, household, draft)
  if (programmes.length === 1) return refusal === undefined ? { outlet, programmes } : draft.decline(...refusal)
  const open = programmes.filter((one) => placeRefusal(request, one, outlet, household, draft) === undefined)
  return open.length === 0 && refusal !== undefined ? draft.decline(...refusal) : { outlet, programmes: open }
}

function placeRefusal(
  { transactionType, terminal }: AuthorizationRequest,
  programme: WalletProgramme,
  outlet: Outlet,
  household: Household,
  { context }: DecisionDraft,
): Refusal | undefined {
  const { entitlementDate } = context
  if (!programme.outlets.categories.includes(outlet.category)) {
    return ['not-at-this-outlet', 'outlet.category', outlet.category, transactionType, programme.code]
  }
  if (!hasTerminalOn(outlet, terminal, entitlementDate)) {
    return ['not-at-this-outlet', 'outlet.terminal', outlet.acceptor]
  }
  return serviceRefusal(programme, outlet, household, context)
}

/** Whether a service is live for the household, and the outlet may serve it. */
export function serviceRefusal(
  programme: Pick<WalletProgramme, 'code' | 'outlets'>,
  outlet: Outlet,
  { governorate }: Household,
  { policy, entitlementDate }: DecisionContext,
): Refusal | undefined {
  const liveFrom = policy.serviceLiveFrom(programme.code, governorate)
  if (liveFrom === undefined || entitlementDate < liveFrom) {
    return ['service-not-live', 'service.not-live', programme.code, governorate]
  }
  return governorateRefusal(programme.outlets, outlet, governorate, entitlementDate)
}

/** Whether an outlet serves households of a governorate: there are dated exceptions for summer resorts. */
export function governorateRefusal(
  outlets: OutletRule,
  outlet: Outlet,
  governorate: string,
  date: CivilDate,
): Refusal | undefined {
  if (outlet.governorate === governorate || !servesOwnOnly(outlets, outlet.governorate, date)) return undefined
  return ['service-not-live', 'outlet.governorate', governorate, outlet.governorate]
}

/** Whether outlets serve a programme at an instant; hours that are not enforced are only for the analysts. */
export function checkHours(
  programme: { readonly code: string; readonly outlets: Pick<OutletRule, 'hours'> },
  instantMs: number,
  draft: DecisionDraft,
): Decision | undefined {
  const { hours } = programme.outlets
  if (hours?.enforced !== true) return undefined
  const minute = civilMinute(instantMs)
  const { fromMinute, toMinute } = hours
  // Hours may go over midnight.
  const isOpen =
    fromMinute <= toMinute ? fromMinute <= minute && minute < toMinute : fromMinute <= minute || minute < toMinute
  if (isOpen) return undefined
  const clock = (at: number) => `${String(Math.floor(at / 60)).padStart(2, '0')}:${String(at % 60).padStart(2, '0')}`
  const figures = [programme.code, clock(fromMinute), clock(toMinute), clock(minute)] as const
  return draft.decline('not-at-this-outlet', 'outlet.hours', ...figures)
}

/**
 * The verification ladder of a programme: where it is required, one of the ways that it accepts must have matched in
 * this message. An advice tells of what happened; nobody can be verified then.
 */
export function checkVerification(
  {
    code,
    number,
    verification,
  }: { readonly code: string; readonly number: number; readonly verification: VerificationRule },
  { messageClass }: AuthorizationRequest,
  draft: DecisionDraft,
): Decision | undefined {
  const { accept, required } = verification
  if (!required) return undefined
  const { pin, fingerprint, oneTimeCode } = draft.context.authentication
  if (accept.includes('fingerprint') && fingerprint === 'matched') return undefined
  // A wrong or stale code has ended the request before.
  if (accept.includes('otp') && oneTimeCode?.verdict === 'matched') return undefined
  const byDigits = accept.includes('pin') || accept.includes('otp')
  if ((accept.includes('pin') && pin === 'matched') || (byDigits && messageClass.endsWith('advice'))) return undefined
  const exception = accept.includes('exception') ? exceptionFor(number, draft) : undefined
  if (exception !== undefined) {
    draft.note('verification.exception', exception.id)
    return undefined
  }
  if (byDigits) return draft.decline('pin-unverifiable', 'verification.required', code, accept.join(' or '))
  return draft.decline('fingerprint-required', 'fingerprint.required', fingerprint, code)
}

/** A supervised exception of the household that is good for a programme today. */
function exceptionFor(programme: number, { context }: DecisionDraft): VerificationException | undefined {
  const { household, entitlementDate } = context
  return household?.exceptions.find(
    (one) =>
      (one.programme === 0 || one.programme === programme) &&
      one.from <= entitlementDate &&
      entitlementDate <= one.until,
  )
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
/** What an outlet that is not registered sells where its MCC says that subsidies may be among it (ISO 18245). */
const categoryByMcc: Readonly<Record<string, Outlet['category']>> = {
  5411: 'grocer',
  5422: 'grocer',
  5451: 'grocer',
  5462: 'bakery',
  5499: 'grocer',
}
const inquiries: readonly string[] = [transactionTypes.inquiry, transactionTypes.inquiryOther]

/** Whether the outlet may do this type with money at all. */
export function checkMoneyPlace(
  request: AuthorizationRequest,
  target: Target,
  draft: DecisionDraft,
): Decision | undefined {
  const { outlet } = draft.context
  const type = placeTypeOf(request)
  if (inquiries.includes(type)) return undefined
  const stopped = checkStanding(draft, 'not-at-this-outlet')
  if (stopped !== undefined) return stopped
  if (outlet !== undefined) {
    if (moneyTypes[outlet.category].includes(type)) return undefined
    return draft.decline('not-at-this-outlet', 'outlet.category', outlet.category, type, target.kind)
  }
  if (isTypeOfMcc(request)) return undefined
  return draft.decline('not-at-this-outlet', 'outlet.category', request.mcc || 'outlet without MCC', type, target.kind)
}

/**
 * Whether an outlet that is not registered may do a type. It takes payments, and cash is paid out where the MCC says so; a
 * network that sends no DE18 with a withdrawal is an ATM network. Cash is paid in only at registered outlets: nobody else
 * owes it to the settlement.
 */
function isTypeOfMcc(request: AuthorizationRequest): boolean {
  const { transactionType: type, mcc } = request
  if (type === transactionTypes.deposit) return false
  if (type === transactionTypes.cash) return cashMccs.has(mcc) || mcc === ''
  const category = categoryOf(request)
  return category === undefined ? !cashMccs.has(mcc) : moneyTypes[category].includes(type)
}

/** What an outlet that is not registered sells, as far as that bounds it: only those at home may be among the subsidies' own. */
function categoryOf({ mcc, schemeRail }: AuthorizationRequest): Outlet['category'] | undefined {
  return schemeRail ? undefined : categoryByMcc[mcc]
}

/** Whether subsidies are sold where a message comes from, as far as the outlet's register or its MCC tells. */
export function sellsSubsidies(request: AuthorizationRequest, { context }: DecisionDraft): boolean {
  const category = context.outlet?.category ?? categoryOf(request)
  return category !== undefined && category !== 'shop' && category !== 'post'
}

/** Whether the message only asks for balances. */
export function isInquiry(transactionType: string): boolean {
  return inquiries.includes(transactionType)
}
