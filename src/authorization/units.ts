import { drawAheadDays, entitlementOf, periodOf, priceOn } from '../benefit/entitlement.ts'
import type { WalletProgramme } from '../benefit/programme.ts'
import { chosenInstead, walletAvailable } from '../benefit/wallet.ts'
import { addDays, type CivilDate, monthOf } from '../calendar.ts'
import { type Household, termOn } from '../card/household.ts'
import { moneyAccount } from '../ledger/accounts.ts'
import { type Transfer, transfer } from '../ledger/transfer.ts'
import type { Decision, DecisionDraft } from './decision.ts'
import { isHonoured } from './elsewhere.ts'
import { checkOffline, countOffline, isStored, type OfflineDraw } from './offline.ts'
import { advanceMoney } from './overdraft.ts'
import { postalAvailable } from './postal.ts'
import type { AuthorizationRequest, Outlet } from './request.ts'
import { advanceUnits, dispenseNotice, drawPeriod, stopOldCard, walletGroup } from './wallets.ts'

/** Most days one message may name; more is a mistake of the terminal, not a wish. */
const DAYS_MAX = 31

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

/** A period to draw from, and what is left in it. */
interface Cell {
  readonly period: number
  readonly left: number
}

/**
 * A draw of counted units. Bread: k days at once from today, each day a cell of its own, k limited by the household's
 * size and by the month's end; partial days allowed; cells fill in order (subsidy-domain.md, "Exact bread rule"). A
 * draw made offline counts from its own day.
 */
export function drawUnits(
  request: AuthorizationRequest,
  programme: WalletProgramme,
  household: Household,
  outlet: Outlet,
  offline: OfflineDraw | undefined,
  draft: DecisionDraft,
): Decision {
  const { entitlementDate, programmes } = draft.context
  const price = priceOn(programme, entitlementDate)
  if (price === undefined) return draft.decline('service-not-live', 'service.not-live', programme.code, 'tariff')
  const units = unitsAsked(request, price, draft)
  if (typeof units !== 'number') return units

  const date = offline?.date ?? entitlementDate
  const { members } = termOn(household, date)
  const refused = checkDays(request, programme, members, date, draft)
  if (refused !== undefined) return refused
  const instead = chosenInstead(programme, household, periodOf(programme, date), programmes)
  if (instead !== undefined) {
    draft.set({ balances: [walletGroup(programme, 0)] })
    return draft.decline('insufficient', 'exclusive.chosen', instead.code)
  }
  const cells = cellsOf(programme, household, date, request.days, draft)
  if (offline !== undefined) recoverAhead(cells, units, programme, household, date, draft)
  let total = 0
  for (const { left } of cells) total += left
  draft.note('quota.cells', units, programme.unit, total, cells.length, entitlementOf(programme, members))
  const firstLeft = cells[0]?.left ?? 0
  const period = periodOf(programme, date)
  if (units > total && (offline === undefined || !isHonoured(request))) {
    draft.set({ balances: [walletGroup(programme, firstLeft)] })
    return draft.decline('insufficient', 'wallet.balance', units, total, period)
  }
  const beyond = offline && checkOffline(offline, programme, household, units, draft)
  if (beyond !== undefined) return beyond
  const coPayment = coPaymentOf(request, programme, household, outlet, draft)
  if (coPayment !== undefined && 'result' in coPayment) return coPayment
  drawCells(cells, Math.min(units, total), programme, household, outlet, draft)
  if (units > total) drawAdvanced({ period, amount: units - total }, programme, household, outlet, draft)
  const left = firstLeft - Math.min(units, firstLeft)
  draft.set({ balances: [walletGroup(programme, left)], notice: dispenseNotice(programme, units, left) })
  if (coPayment !== undefined) draft.transfers.push(coPayment)
  if (offline !== undefined) countOffline(offline, programme, units, draft)
  stopOldCard(household, draft)
  return draft.approve(request.amountPiasters)
}

function checkDays(
  { days }: AuthorizationRequest,
  programme: WalletProgramme,
  members: number,
  date: CivilDate,
  draft: DecisionDraft,
): Decision | undefined {
  const ahead = programme.period === 'day' ? drawAheadDays(programme, members) : 1
  if (days > ahead) return draft.decline('count-limit', 'draw.days', days, members, ahead)
  if (days > 1 && monthOf(addDays(date, days - 1)) !== monthOf(date)) {
    return draft.decline('count-limit', 'draw.month-end')
  }
  return undefined
}

function cellsOf(
  programme: WalletProgramme,
  household: Household,
  date: CivilDate,
  days: number,
  draft: DecisionDraft,
): Cell[] {
  const cells: Cell[] = []
  for (let day = 0; day < days; day++) {
    const on = day === 0 ? date : addDays(date, day)
    cells.push({ period: periodOf(programme, on), left: leftOn(on, programme, household, draft) })
  }
  return cells
}

/** What is left on a day. Days from which the household is suspended give nothing, though they may be named before. */
function leftOn(date: CivilDate, programme: WalletProgramme, household: Household, draft: DecisionDraft): number {
  if (programme.period === 'day' && termOn(household, date).status === 'suspended') return 0
  return walletAvailable(programme, household, periodOf(programme, date), draft.context.programmes)
}

/**
 * What a terminal gave on its own beyond the day's share was given: it is recovered from the days that follow, to the
 * end of the month (product.md, "offline draws").
 */
function recoverAhead(
  cells: Cell[],
  units: number,
  programme: WalletProgramme,
  household: Household,
  date: CivilDate,
  draft: DecisionDraft,
): void {
  if (programme.period !== 'day') return
  let missing = units - cells.reduce((sum, { left }) => sum + left, 0)
  let day = addDays(date, cells.length)
  while (missing > 0 && monthOf(day) === monthOf(date)) {
    const left = leftOn(day, programme, household, draft)
    cells.push({ period: day, left })
    draft.note('offline.recovered', Math.min(missing, left), day)
    missing -= left
    day = addDays(day, 1)
  }
}

function drawCells(
  cells: readonly Cell[],
  units: number,
  programme: WalletProgramme,
  household: Household,
  outlet: Outlet,
  draft: DecisionDraft,
): void {
  let open = units
  for (const { period, left } of cells) {
    const amount = Math.min(open, left)
    if (amount === 0) continue
    drawPeriod(programme, household, outlet, { period, available: left, amount }, draft)
    open -= amount
  }
}

/** What no day of the month can give is advanced on the next month's first days. */
function drawAdvanced(
  missing: { readonly period: number; readonly amount: number },
  programme: WalletProgramme,
  household: Household,
  outlet: Outlet,
  draft: DecisionDraft,
): void {
  advanceUnits(programme, household, missing, draft)
  drawPeriod(programme, household, outlet, { ...missing, available: missing.amount }, draft)
}

/** The co-payment is paid in cash at the window (no transfer), or taken from the postal account in the same journal. */
function coPaymentOf(
  request: AuthorizationRequest,
  programme: WalletProgramme,
  household: Household,
  outlet: Outlet,
  draft: DecisionDraft,
): Transfer | Decision | undefined {
  const { amountPiasters, tender } = request
  if ((tender ?? programme.coPaymentTender) === 'cash') {
    draft.note('copay.cash', amountPiasters)
    return undefined
  }
  if (draft.context.card?.kind === 'ration') {
    return draft.decline('not-for-this-card', 'old-card.goods-only', 'the postal account')
  }
  const available = postalAvailable(household)
  if (amountPiasters > available && !(isStored(request) && isHonoured(request))) {
    return draft.decline('insufficient', 'copay.postal', amountPiasters, available)
  }
  draft.note('copay.postal', amountPiasters, available)
  advanceMoney(household, amountPiasters - available, draft)
  const postal = moneyAccount('postalAccount', household.id)
  return transfer('coPayment', postal, moneyAccount('outletPayable', outlet.id), amountPiasters)
}
