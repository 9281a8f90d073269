import { drawAheadDays, entitlementOf, periodOf, priceOn } from '../benefit/entitlement.ts'
import type { WalletProgramme } from '../benefit/programme.ts'
import { chosenInstead, entitledIn, issue, walletAccount, walletAvailable } from '../benefit/wallet.ts'
import { addDays, monthOf } from '../calendar.ts'
import { balanceOf, type Household, termOn } from '../card/household.ts'
import { moneyAccount, subsidyAccount } from '../ledger/accounts.ts'
import { availableOf, type Transfer, transfer } from '../ledger/transfer.ts'
import { COUNTED_UNITS, EGP } from '../money.ts'
import { checkSubsidyPlace, takesPartial } from './checks.ts'
import type { BalanceGroup, Decision, DecisionDraft } from './decision.ts'
import type { AuthorizationRequest, Outlet } from './request.ts'

/** Most days one message may name; more is a mistake of the terminal, not a wish. */
const DAYS_MAX = 31

/** DE54 group with a wallet's available balance. */
export function walletGroup(programme: WalletProgramme, available: number): BalanceGroup {
  const currency = programme.unit === 'EGP' ? EGP : COUNTED_UNITS
  return { accountCode: programme.accountCode, amountType: '02', currency, amount: available }
}

/** Opens a period at first touch, in the same group as the draw (architecture.md, "Lazy entitlement"). */
function openPeriod(programme: WalletProgramme, household: Household, period: number, draft: DecisionDraft): void {
  const account = walletAccount(programme, household)
  if (balanceOf(household, account, period) !== undefined) return
  const entitled = entitledIn(programme, household, period)
  if (entitled === 0) return
  draft.transfers.push(issue(programme, household, entitled, period))
  draft.note('wallet.open', period, entitled)
}

function redeem(programme: WalletProgramme, household: Household, outlet: Outlet, amount: number, period: number) {
  const redeemed = subsidyAccount('redeemed', programme.unit, programme.number, outlet.id)
  return transfer('subsidyRedemption', walletAccount(programme, household), redeemed, amount, period)
}

function stopOldCard(household: Household, draft: DecisionDraft): void {
  if (household.oldRationCard !== 'active') return
  draft.set({ stopOldRationCard: true })
  draft.note('old-card.stopped')
}

/** A purchase that draws on a subsidy wallet: goods by value, or counted units against their co-payment. */
export function drawSubsidy(
  request: AuthorizationRequest,
  programme: WalletProgramme,
  household: Household,
  draft: DecisionDraft,
): Decision {
  const outlet = checkSubsidyPlace(request, programme, household, draft)
  if ('result' in outlet) return outlet
  return programme.unit === 'EGP'
    ? drawValue(request, programme, household, outlet, draft)
    : drawUnits(request, programme, household, outlet, draft)
}

function drawValue(
  request: AuthorizationRequest,
  programme: WalletProgramme,
  household: Household,
  outlet: Outlet,
  draft: DecisionDraft,
): Decision {
  const asked = request.amountPiasters
  const { basketPiasters } = request
  if (asked <= 0) return draft.decline('bad-amount', 'amount.zero')
  if (basketPiasters !== undefined && basketPiasters !== asked) {
    return draft.decline('bad-amount', 'amount.basket', basketPiasters, asked)
  }
  const { entitlementDate, programmes } = draft.context
  const period = periodOf(programme, entitlementDate)
  const available = walletAvailable(programme, household, period, programmes)
  const partial = asked > available && available > 0 && programme.partialApproval && takesPartial(request, outlet)
  if (asked > available && !partial) {
    draft.set({ balances: [walletGroup(programme, available)] })
    return draft.decline('insufficient', 'wallet.balance', asked, available, period)
  }
  const granted = partial ? available : asked
  openPeriod(programme, household, period, draft)
  draft.transfers.push(redeem(programme, household, outlet, granted, period))
  draft.note('wallet.drawn', granted, period, available - granted)
  stopOldCard(household, draft)
  const left = walletGroup(programme, available - granted)
  if (!partial) {
    draft.set({ balances: [left] })
    return draft.approve(granted)
  }
  draft.note('wallet.partial', granted, asked)
  draft.set({ balances: [left, { ...left, amountType: '57', amount: asked }] })
  return draft.approve(granted, 'partially-approved')
}

/** How many units a message asks for: DE48 QT, or DE4 divided by the price; both must agree (interfaces.md, DE48). */
function unitsAsked(request: AuthorizationRequest, price: number, draft: DecisionDraft): number | Decision {
  const { amountPiasters, quantity } = request
  const units = quantity ?? amountPiasters / price
  if (!Number.isInteger(units) || units * price !== amountPiasters) {
    return draft.decline('bad-amount', 'amount.quantity', quantity ?? 'none', price, amountPiasters)
  }
  if (units <= 0 || request.days < 1 || request.days > DAYS_MAX) {
    return draft.decline('bad-amount', 'quantity.bad', units, request.days)
  }
  return units
}

/**
 * A draw of counted units. Bread: k days at once from today, each day a cell of its own, k limited by the household's
 * size and by the month's end; partial days allowed; cells fill in order (subsidy-domain.md, "Exact bread rule").
 */
function drawUnits(
  request: AuthorizationRequest,
  programme: WalletProgramme,
  household: Household,
  outlet: Outlet,
  draft: DecisionDraft,
): Decision {
  const { entitlementDate, programmes } = draft.context
  const price = priceOn(programme, entitlementDate)
  if (price === undefined) return draft.decline('service-not-live', 'service.not-live', programme.code, 'tariff')
  const units = unitsAsked(request, price, draft)
  if (typeof units !== 'number') return units

  const { members } = termOn(household, entitlementDate)
  const ahead = programme.period === 'day' ? drawAheadDays(programme, members) : 1
  if (request.days > ahead) return draft.decline('count-limit', 'draw.days', request.days, members, ahead)
  if (monthOf(addDays(entitlementDate, request.days - 1)) !== monthOf(entitlementDate)) {
    return draft.decline('count-limit', 'draw.month-end')
  }
  const firstPeriod = periodOf(programme, entitlementDate)
  const instead = chosenInstead(programme, household, firstPeriod, programmes)
  if (instead !== undefined) {
    draft.set({ balances: [walletGroup(programme, 0)] })
    return draft.decline('insufficient', 'exclusive.chosen', instead.code)
  }
  const cells = Array.from({ length: request.days }, (_, day) => periodOf(programme, addDays(entitlementDate, day)))
  const left = cells.map((period) => walletAvailable(programme, household, period, programmes))
  const total = left.reduce((sum, available) => sum + available, 0)
  draft.note('quota.cells', units, programme.unit, total, cells.length, entitlementOf(programme, members))
  if (units > total) {
    draft.set({ balances: [walletGroup(programme, left[0] ?? 0)] })
    return draft.decline('insufficient', 'wallet.balance', units, total, firstPeriod)
  }
  const coPayment = coPaymentOf(request, household, outlet, draft)
  if (coPayment !== undefined && 'result' in coPayment) return coPayment
  let open = units
  for (const [index, period] of cells.entries()) {
    const fromCell = Math.min(open, left[index] ?? 0)
    if (fromCell === 0) continue
    openPeriod(programme, household, period, draft)
    draft.transfers.push(redeem(programme, household, outlet, fromCell, period))
    draft.note('wallet.drawn', fromCell, period, (left[index] ?? 0) - fromCell)
    open -= fromCell
  }
  draft.set({ balances: [walletGroup(programme, (left[0] ?? 0) - Math.min(units, left[0] ?? 0))] })
  if (coPayment !== undefined) draft.transfers.push(coPayment)
  stopOldCard(household, draft)
  return draft.approve(request.amountPiasters)
}

/** The co-payment is paid in cash at the window (no transfer), or taken from the postal account in the same journal. */
function coPaymentOf(
  request: AuthorizationRequest,
  household: Household,
  outlet: Outlet,
  draft: DecisionDraft,
): Transfer | Decision | undefined {
  if (!request.coPaymentFromPostal) {
    draft.note('copay.cash', request.amountPiasters)
    return undefined
  }
  const postal = moneyAccount('postalAccount', household.id)
  const balance = balanceOf(household, postal, 0)
  const available = balance === undefined ? 0 : availableOf(balance)
  if (request.amountPiasters > available) {
    return draft.decline('insufficient', 'copay.postal', request.amountPiasters, available)
  }
  draft.note('copay.postal', request.amountPiasters, available)
  const payable = moneyAccount('outletPayable', outlet.id)
  return transfer('coPayment', postal, payable, request.amountPiasters)
}
