import { basketValue, type JudgedLine, judgeBasket } from '../benefit/basket.ts'
import { firstDateOf, periodOf } from '../benefit/entitlement.ts'
import type { WalletProgramme } from '../benefit/programme.ts'
import { walletAvailable } from '../benefit/wallet.ts'
import { monthOf } from '../calendar.ts'
import { type Household, termOn, usageCounter, usedOf } from '../card/household.ts'
import { moneyAccount } from '../ledger/accounts.ts'
import { transfer } from '../ledger/transfer.ts'
import { checkHours, checkSubsidyPlace, checkVerification, takesPartial } from './checks.ts'
import type { BalanceGroup, DecidedLine, Decision, DecisionDraft } from './decision.ts'
import { checkOffline, countOffline, type OfflineDraw, offlineDrawOf } from './offline.ts'
import { postalAvailable, postalGroup } from './postal.ts'
import type { AuthorizationRequest, Outlet } from './request.ts'
import { drawUnits } from './units.ts'
import { dispenseNotice, drawPeriod, stopOldCard, walletGroup } from './wallets.ts'

/** A wallet that goods may be drawn from. */
interface Source {
  readonly programme: WalletProgramme
  readonly period: number
  readonly available: number
}

/** What a draw by value comes to, before anything is posted. */
interface Draw {
  readonly asked: number
  /** Paid from the wallets. */
  readonly granted: number
  readonly sources: readonly Source[]
  /** The programme by whose rules the goods were judged. */
  readonly programme: WalletProgramme
  readonly available: number
  readonly lines: readonly DecidedLine[]
}

/** A purchase that draws on a subsidy: goods by value, item by item or as a sum, or counted units. */
export function drawSubsidy(
  request: AuthorizationRequest,
  wanted: readonly WalletProgramme[],
  household: Household,
  draft: DecisionDraft,
): Decision {
  const place = checkSubsidyPlace(request, wanted, household, draft)
  if ('result' in place) return place
  const { outlet, programmes } = place
  const offline = offlineDrawOf(request, draft.context)
  for (const programme of programmes) {
    const refused =
      checkHours(programme, offline?.drawnAtMs ?? draft.context.nowMs, draft) ??
      checkVerification(programme, request, draft)
    if (refused !== undefined) return refused
  }
  const [first] = programmes
  return first !== undefined && first.unit !== 'EGP'
    ? drawUnits(request, first, household, outlet, offline, draft)
    : drawGoods(request, programmes, household, outlet, offline, draft)
}

/**
 * Goods by value. What the wallets do not pay comes from the postal account when the message asks for it (split
 * tender); else less is granted, where programme and requester take that; else nothing (product.md, M9).
 */
function drawGoods(
  request: AuthorizationRequest,
  programmes: readonly WalletProgramme[],
  household: Household,
  outlet: Outlet,
  offline: OfflineDraw | undefined,
  draft: DecisionDraft,
): Decision {
  const draw = judge(request, programmes, household, draft)
  if ('result' in draw) return draw
  const { asked, granted, programme, available, lines } = draw
  draft.set({ lines })
  const rest = asked - granted
  const isSplit = rest > 0 && request.tender === 'postal' && programme.splitTender
  const isPartial = rest > 0 && !isSplit && granted > 0 && programme.partialApproval && takesPartial(request, outlet)
  if (rest > 0 && !isSplit && !isPartial) {
    draft.set({ balances: [walletGroup(programme, available)] })
    const { period } = draw.sources[0] ?? { period: 0 }
    return lines.length > 0 && available >= asked
      ? draft.decline('insufficient', 'basket.reduced', asked, granted)
      : draft.decline('insufficient', 'wallet.balance', asked, available, period)
  }
  const refused =
    (isSplit ? checkSplit(rest, draw, household, draft) : undefined) ??
    (offline === undefined ? undefined : checkOffline(offline, programme, household, granted, draft))
  if (refused !== undefined) return refused
  post(draw, household, outlet, draft)
  if (offline !== undefined) countOffline(offline, programme, granted, draft)
  const left = walletGroup(programme, available - granted)
  const notice = granted > 0 ? dispenseNotice(programme, granted, available - granted) : undefined
  draft.set({ balances: [left], notice })
  if (isSplit) return postSplit(draw, left, household, outlet, draft)
  if (!isPartial) return draft.approve(granted)
  draft.note('wallet.partial', granted, asked)
  draft.set({ balances: [left, { ...left, amountType: '57', amount: asked }] })
  return draft.approve(granted, 'partially-approved')
}

/** Finds what the wallets pay: of a basket line by line, of a sum as much as there is. */
function judge(
  request: AuthorizationRequest,
  programmes: readonly WalletProgramme[],
  household: Household,
  draft: DecisionDraft,
): Draw | Decision {
  const { amountPiasters: asked, basket } = request
  if (asked <= 0) return draft.decline('bad-amount', 'amount.zero')
  const value = basket === undefined ? asked : basketValue(basket)
  if (value !== asked) return draft.decline('bad-amount', 'amount.basket', value, asked)
  const { entitlementDate, programmes: book } = draft.context
  const all = programmes.map((programme): Source => {
    const period = periodOf(programme, entitlementDate)
    return { programme, period, available: walletAvailable(programme, household, period, book) }
  })
  const main = all.find(({ available }) => available > 0) ?? all[0]
  if (main === undefined) return draft.decline('invalid-transaction', 'account.unknown', request.fromAccount)
  const { programme } = main
  const hasLines = basket !== undefined && programme.basket.lines !== 'none'
  if (!hasLines && programme.basket.lines === 'required') {
    return draft.decline('format-error', 'basket.required', programme.code)
  }
  // Another grant takes part when it pays for these goods too: for a sum unless it wants lines, for lines without a
  // list.
  const sources = all.filter(({ programme: { basket: rule } }) =>
    rule === programme.basket ? true : hasLines ? rule.products === undefined : rule.lines !== 'required',
  )
  const available = sources.reduce((sum, source) => sum + source.available, 0)
  if (!hasLines) {
    return { asked, granted: Math.min(asked, available), sources, programme, available, lines: [] }
  }
  const isSplit = request.tender === 'postal' && programme.splitTender
  const lines = judgeLines(request, programme, household, available, isSplit, draft)
  const granted = lines.reduce((sum, line) => sum + line.grantedPiasters, 0)
  return { asked, granted, sources, programme, available, lines }
}

function judgeLines(
  { basket = [] }: AuthorizationRequest,
  programme: WalletProgramme,
  household: Household,
  available: number,
  isSplit: boolean,
  draft: DecisionDraft,
): DecidedLine[] {
  const month = monthOf(draft.context.entitlementDate)
  const judged = judgeBasket(basket, {
    programme,
    members: termOn(household, firstDateOf(month)).members,
    usedOf: ({ no }) => usedOf(household, usageCounter(programme.number, no), month),
    available,
    isSplit,
  })
  return judged.map((line, index) => decidedLine(line, index + 1, programme, draft))
}

function decidedLine(judged: JudgedLine, line: number, { number }: WalletProgramme, draft: DecisionDraft): DecidedLine {
  const { product, quantity, unitPricePiasters, granted, grantedPiasters, reason, listed } = judged
  if (reason !== 'OK') draft.note(`basket.${reason}`, product, quantity, granted)
  const counter = listed === undefined ? undefined : usageCounter(number, listed.no)
  return { line, product, counter, quantity, unitPricePiasters, granted, grantedPiasters, reason }
}

/** The rest is a purchase like any other: there must be money for it, and it has the limit of a purchase. */
function checkSplit(rest: number, draw: Draw, household: Household, draft: DecisionDraft): Decision | undefined {
  if (draft.context.card?.kind === 'ration') {
    return draft.decline('not-for-this-card', 'old-card.goods-only', 'the postal account')
  }
  const { purchaseSinglePiasters: limit } = draft.context.policy
  if (rest > limit) return draft.decline('amount-limit', 'limit.purchase', rest, limit)
  const available = postalAvailable(household)
  if (rest <= available) return undefined
  draft.set({ balances: [walletGroup(draw.programme, draw.available), postalGroup(available)] })
  return draft.decline('insufficient', 'split.postal', rest, available)
}

function post({ granted, sources, lines }: Draw, household: Household, outlet: Outlet, draft: DecisionDraft): void {
  let open = granted
  for (const { programme, period, available } of sources) {
    const amount = Math.min(open, available)
    if (amount === 0) continue
    drawPeriod(programme, household, outlet, { period, available, amount }, draft)
    open -= amount
  }
  if (granted === 0) return
  countLines(lines, draft)
  stopOldCard(household, draft)
}

/** Counts goods against the month. */
function countLines(lines: readonly DecidedLine[], draft: DecisionDraft): void {
  const month = monthOf(draft.context.entitlementDate)
  for (const { counter, granted } of lines) if (counter !== undefined) draft.use(counter, month, granted)
}

/** Posts the rest as a purchase in the same group. */
function postSplit(
  { asked, granted }: Draw,
  left: BalanceGroup,
  household: Household,
  outlet: Outlet,
  draft: DecisionDraft,
): Decision {
  const rest = asked - granted
  const available = postalAvailable(household)
  const postal = moneyAccount('postalAccount', household.id)
  draft.transfers.push(transfer('purchase', postal, moneyAccount('outletPayable', outlet.id), rest))
  draft.note('split.posted', rest, available)
  draft.set({ balances: [left, postalGroup(available - rest)] })
  return draft.approve(asked)
}
