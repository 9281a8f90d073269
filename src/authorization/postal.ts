import type { PaymentProgramme } from '../benefit/programme.ts'
import { balanceOf, type Household } from '../card/household.ts'
import { type AccountNumber, moneyAccount } from '../ledger/accounts.ts'
import type { TransferKind } from '../ledger/posting-rules.ts'
import { availableOf, transfer } from '../ledger/transfer.ts'
import { EGP } from '../money.ts'
import { DAY_MS } from '../time-units.ts'
import { AMOUNT_MAX, inForeign } from './amounts.ts'
import { checkHours, governorateRefusal, type Refusal, takesPartial } from './checks.ts'
import { type BalanceGroup, type Decision, type DecisionDraft, POSTAL_ACCOUNT_TYPE } from './decision.ts'
import { flag, isHonoured } from './elsewhere.ts'
import { advanceMoney } from './overdraft.ts'
import type { AuthorizationRequest } from './request.ts'
import { cashbackOf, transactionTypes } from './routing.ts'

/** Available money in the linked postal account, piasters. */
export function postalAvailable(household: Household): number {
  const balance = balanceOf(household, moneyAccount('postalAccount', household.id), 0)
  return balance === undefined ? 0 : availableOf(balance)
}

/** DE54 group with the postal account's available balance. */
export function postalGroup(available: number): BalanceGroup {
  return { accountCode: POSTAL_ACCOUNT_TYPE, amountType: '02', currency: EGP, amount: available }
}

/** Account of the other side: the outlet where it is known, else its acquirer; cash and scheme have their own. */
export function counterpartyOf(request: AuthorizationRequest, draft: DecisionDraft): AccountNumber {
  const acquirer = Number(request.acquirer) || 0
  const { transactionType: type } = request
  if (type === transactionTypes.cash || type === transactionTypes.deposit) {
    return moneyAccount('cashClearing', acquirer)
  }
  if (request.schemeRail) return moneyAccount('schemeClearing', acquirer)
  const { outlet } = draft.context
  return outlet === undefined ? moneyAccount('acquirerClearing', acquirer) : moneyAccount('outletPayable', outlet.id)
}

const kinds: Partial<Record<string, TransferKind>> = {
  [transactionTypes.purchase]: 'purchase',
  [transactionTypes.cashback]: 'purchase',
  [transactionTypes.cash]: 'cashWithdrawal',
  [transactionTypes.quasiCash]: 'quasiCash',
  [transactionTypes.billPayment]: 'billPayment',
}

/**
 * The daily limits on cash, and the limit on one purchase (configuration). What an advice tells of happened: it counts
 * against the limits, and passes them.
 */
function checkLimits(request: AuthorizationRequest, household: Household, draft: DecisionDraft): Decision | undefined {
  const { transactionType: type, amountPiasters, cashbackPiasters } = request
  const { entitlementDate: day } = draft.context
  const cash = type === transactionTypes.cash ? amountPiasters : cashbackPiasters
  const refusal = limitRefusal(amountPiasters - cash, cash, household, draft)
  if (refusal !== undefined && !isHonoured(request)) return draft.decline(...refusal)
  if (refusal !== undefined) flag(draft, refusal[0], refusal[1])
  if (cash > 0) draft.set({ cashUsage: { day, amountPiasters: cash, count: 1 } })
  return undefined
}

function limitRefusal(goods: number, cash: number, household: Household, draft: DecisionDraft): Refusal | undefined {
  const { policy, entitlementDate } = draft.context
  if (goods > policy.purchaseSinglePiasters) {
    return ['amount-limit', 'limit.purchase', goods, policy.purchaseSinglePiasters]
  }
  if (cash === 0) return undefined
  const usage = household.cashUsage?.day === entitlementDate ? household.cashUsage : undefined
  const withdrawn = usage?.withdrawnPiasters ?? 0
  const count = usage?.withdrawals ?? 0
  const limit = policy.withdrawalDailyPiasters
  if (withdrawn + cash > limit) return ['amount-limit', 'limit.cash-amount', withdrawn, cash, limit]
  if (count + 1 > policy.withdrawalDailyCount) {
    return ['count-limit', 'limit.cash-count', count, policy.withdrawalDailyCount]
  }
  draft.note('limit.cash-amount', withdrawn, cash, limit)
  return undefined
}

/**
 * A debit of the postal account: purchase, cash withdrawal, purchase with cashback, quasi-cash, bill payment. A 0100
 * holds the amount; a 0200 posts it at once. What an advice tells of is held or posted whole: what the account lacks
 * for it is advanced.
 */
export function debitPostal(
  request: AuthorizationRequest,
  household: Household,
  draft: DecisionDraft,
  payment?: PaymentProgramme,
): Decision {
  const { amountPiasters: asked, cashbackPiasters: cashback } = request
  if (asked <= 0) return draft.decline('bad-amount', 'amount.zero')
  if (cashback > asked) return draft.decline('bad-amount', 'amount.cashback', cashback, asked)
  const available = postalAvailable(household)
  const refused =
    (payment && checkPayment(request, payment, household, draft)) ?? checkLimits(request, household, draft)
  if (refused !== undefined) return refused
  draft.note('postal.balance', asked, available)
  const feePiasters = payment === undefined || isHeld(request) ? 0 : payment.feePiasters
  const honoured = isHonoured(request)
  const partial =
    !honoured &&
    asked > available &&
    available > 0 &&
    takesPartial(request, draft.context.outlet) &&
    request.transactionType === transactionTypes.purchase &&
    cashback === 0 &&
    (request.foreign === undefined || inForeign(request.foreign, available, asked) > 0)
  if (asked + feePiasters > available && !partial && !honoured) {
    draft.set({ balances: [postalGroup(available)] })
    if (asked <= available) return draft.decline('insufficient', 'payment.fee-short', asked, feePiasters, available)
    return draft.decline('insufficient', 'postal.balance', asked, available)
  }
  const granted = partial ? available : asked
  const balances = [postalGroup(Math.max(0, available - granted - feePiasters))]
  if (partial) {
    draft.note('postal.partial', granted, asked)
    balances.push({ ...postalGroup(asked), amountType: '57' })
  }
  draft.set({ balances })
  advanceMoney(household, granted + feePiasters - available, draft)
  postOrHold(request, household, granted, draft)
  if (payment !== undefined && feePiasters > 0) postFee(payment, feePiasters, household, draft)
  return draft.approve(granted, partial ? 'partially-approved' : 'approved')
}

/** A bill that only holds its amount is charged no fee: nothing is posted yet. */
function isHeld({ messageClass }: AuthorizationRequest): boolean {
  return messageClass === 'authorization' || messageClass === 'authorization-advice'
}

/** What the programme of a bill says of its place and its amount (M21). */
function checkPayment(
  { amountPiasters, transactionType }: AuthorizationRequest,
  payment: PaymentProgramme,
  { governorate }: Household,
  draft: DecisionDraft,
): Decision | undefined {
  const { outlet, entitlementDate, nowMs } = draft.context
  const { code, outlets, singlePiasters } = payment
  if (outlet !== undefined) {
    if (!outlets.categories.includes(outlet.category)) {
      return draft.decline('not-at-this-outlet', 'outlet.category', outlet.category, transactionType, code)
    }
    const refusal = governorateRefusal(outlets, outlet, governorate, entitlementDate)
    if (refusal !== undefined) return draft.decline(...refusal)
  }
  if (amountPiasters > singlePiasters) {
    return draft.decline('amount-limit', 'payment.limit', code, amountPiasters, singlePiasters)
  }
  return checkHours(payment, nowMs, draft)
}

/** The fee of a bill goes with it in one group, and comes back when it is reversed. */
function postFee(payment: PaymentProgramme, feePiasters: number, { id }: Household, draft: DecisionDraft): void {
  const fees = moneyAccount('serviceFees', payment.number)
  draft.transfers.push(transfer('fee', moneyAccount('postalAccount', id), fees, feePiasters))
  draft.note('payment.fee', feePiasters, payment.code)
}

/** The card scheme clears a bill payment as the purchase that it is to the scheme; at home a biller is paid. */
function kindOf(request: AuthorizationRequest): TransferKind {
  if (request.schemeRail && request.transactionType === transactionTypes.billPayment) return 'purchase'
  return kinds[request.transactionType] ?? 'purchase'
}

function postOrHold(request: AuthorizationRequest, household: Household, granted: number, draft: DecisionDraft): void {
  const kind = kindOf(request)
  const debit = moneyAccount('postalAccount', household.id)
  const credit = counterpartyOf(request, draft)
  const { id, nowMs, policy } = draft.context
  const cashback = cashbackOf(request)
  if (isHeld(request)) {
    const expiresAtMs = nowMs + policy.holdDays * DAY_MS
    const amounts = { amount: granted, openAmount: granted, cashback, openCashback: cashback }
    draft.set({ hold: { id, kind, debit, credit, ...amounts, expiresAtMs } })
    draft.note('hold.made', granted, policy.holdDays)
    return
  }
  if (granted > cashback) draft.transfers.push(transfer(kind, debit, credit, granted - cashback))
  if (cashback > 0) draft.transfers.push(transfer('cashback', debit, credit, cashback))
}

/**
 * Refuses what would bring the postal account over what messages can say of it. Nobody brings that much: it is a mistake
 * in DE4. What an advice tells of is there already; what a host holds, the host bounds.
 */
export function refuseOverfull(
  request: AuthorizationRequest,
  household: Household,
  draft: DecisionDraft,
): Decision | undefined {
  if (household.accountAt === 'host' || isHonoured(request)) return undefined
  const posted = balanceOf(household, moneyAccount('postalAccount', household.id), 0)?.posted ?? 0
  const { amountPiasters: amount } = request
  return posted + amount > AMOUNT_MAX ? draft.decline('bad-amount', 'postal.full', amount, posted) : undefined
}

/** Cash paid in at a machine or a post office. */
export function depositPostal(request: AuthorizationRequest, household: Household, draft: DecisionDraft): Decision {
  const amount = request.amountPiasters
  if (amount <= 0) return draft.decline('bad-amount', 'amount.zero')
  const refused = refuseOverfull(request, household, draft)
  if (refused !== undefined) return refused
  const postal = moneyAccount('postalAccount', household.id)
  draft.transfers.push(transfer('deposit', counterpartyOf(request, draft), postal, amount))
  draft.note('deposit.made', amount)
  draft.set({ balances: [postalGroup(postalAvailable(household) + amount)] })
  return draft.approve(amount)
}
