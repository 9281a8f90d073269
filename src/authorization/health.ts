import { type CoPayment, coPaymentRule, duePiasters, serviceOf, yearOf } from '../benefit/cover.ts'
import type { CoverProgramme } from '../benefit/programme.ts'
import { type Household, usageCounter } from '../card/household.ts'
import { moneyAccount } from '../ledger/accounts.ts'
import { transfer } from '../ledger/transfer.ts'
import { EGP } from '../money.ts'
import { checkHours, checkVerification, isSuspended, serviceRefusal } from './checks.ts'
import type { BalanceGroup, Decision, DecisionDraft } from './decision.ts'
import { isHonoured } from './elsewhere.ts'
import { advanceMoney } from './overdraft.ts'
import { postalAvailable, postalGroup } from './postal.ts'
import { refundPurchase } from './refund.ts'
import type { AuthorizationRequest, Outlet } from './request.ts'
import { transactionTypes } from './routing.ts'

/**
 * Health cover: the fingerprint first (M11), then the household's share of the cost, from the postal account unless it
 * was paid at the desk.
 */
export function decideCover(
  request: AuthorizationRequest,
  cover: CoverProgramme,
  household: Household,
  draft: DecisionDraft,
): Decision {
  const { outlet } = draft.context
  const { transactionType: type } = request
  if (isSuspended(household, draft)) return draft.decline('household-suspended', 'household.suspended')
  if (outlet === undefined) return draft.decline('unknown-outlet', 'outlet.unknown')
  if (!cover.outlets.categories.includes(outlet.category)) {
    return draft.decline('not-at-this-outlet', 'outlet.category', outlet.category, type, cover.code)
  }
  const refusal = serviceRefusal(cover, outlet, household, draft.context)
  if (refusal !== undefined) return draft.decline(...refusal)
  const refused = checkVerification(cover, request, draft)
  if (refused !== undefined) return refused
  if (type === transactionTypes.refund) return refundPurchase(request, false, draft)
  const rule = ruleOf(request, cover, household, outlet, draft)
  if ('result' in rule) return rule
  if (type === transactionTypes.eligibility) return tellEligibility(request, cover, rule, draft)
  return checkHours(cover, draft.context.nowMs, draft) ?? payShare(request, cover, rule, household, outlet, draft)
}

function ruleOf(
  { service: code, mcc }: AuthorizationRequest,
  cover: CoverProgramme,
  household: Household,
  outlet: Outlet,
  draft: DecisionDraft,
): CoPayment | Decision {
  const service = serviceOf(cover, code, mcc === '' ? outlet.mcc : mcc)
  if (service === undefined) return draft.decline('invalid-transaction', 'cover.no-service', code ?? '')
  const rule = coPaymentRule(cover, service, household, draft.context.entitlementDate)
  if (rule === undefined) return draft.decline('service-not-live', 'service.not-live', service.code, 'tariff')
  draft.note('cover.service', service.code, rule.percent)
  return rule
}

/** Whether the household is covered; of a cost what it would pay, and what the year's cap leaves, in DE54. */
function tellEligibility(
  { costPiasters }: AuthorizationRequest,
  { accountCode }: CoverProgramme,
  rule: CoPayment,
  draft: DecisionDraft,
): Decision {
  const group = (amountType: BalanceGroup['amountType'], amount: number): BalanceGroup => ({
    accountCode,
    amountType,
    currency: EGP,
    amount,
  })
  const groups: BalanceGroup[] = []
  if (rule.capLeft !== undefined && rule.percent > 0) groups.push(group('02', rule.capLeft))
  if (costPiasters !== undefined) {
    const due = duePiasters(rule, costPiasters)
    draft.note('cover.due', costPiasters, due)
    groups.push(group('04', due))
  }
  draft.note('eligibility.yes')
  draft.set({ balances: groups })
  return draft.approve(0)
}

/** The amount must be what is due for the cost; without a cost, no more than the year's cap leaves. */
function checkShare({ amountPiasters, costPiasters }: AuthorizationRequest, rule: CoPayment, draft: DecisionDraft) {
  const { capLeft } = rule
  if (costPiasters !== undefined) {
    const due = duePiasters(rule, costPiasters)
    draft.note('cover.due', costPiasters, due)
    return amountPiasters === due ? undefined : draft.decline('bad-amount', 'cover.amount', amountPiasters, due)
  }
  if (amountPiasters === 0 && rule.percent > 0) return draft.decline('bad-amount', 'amount.zero')
  if (capLeft === undefined || amountPiasters <= capLeft) return undefined
  return draft.decline('amount-limit', 'cover.cap', amountPiasters, capLeft)
}

function payShare(
  request: AuthorizationRequest,
  cover: CoverProgramme,
  rule: CoPayment,
  household: Household,
  outlet: Outlet,
  draft: DecisionDraft,
): Decision {
  const refused = checkShare(request, rule, draft)
  if (refused !== undefined) return refused
  const { amountPiasters: amount } = request
  const { entitlementDate } = draft.context
  const available = postalAvailable(household)
  draft.set({ balances: [postalGroup(available)] })
  if (amount === 0) {
    draft.note('cover.nothing-due')
    return draft.approve(0)
  }
  if (request.tender === 'cash') {
    draft.note('copay.cash', amount)
  } else {
    if (amount > available && !isHonoured(request)) {
      return draft.decline('insufficient', 'copay.postal', amount, available)
    }
    draft.note('copay.postal', amount, available)
    advanceMoney(household, amount - available, draft)
    const postal = moneyAccount('postalAccount', household.id)
    draft.transfers.push(transfer('coPayment', postal, moneyAccount('outletPayable', outlet.id), amount))
    const balance = Math.max(0, available - amount)
    const notice = { template: 'account-debited', detail: { amount, balance } } as const
    draft.set({ balances: [postalGroup(balance)], notice })
  }
  draft.use(usageCounter(cover.number, rule.service.no), yearOf(entitlementDate), amount)
  return draft.approve(amount)
}
