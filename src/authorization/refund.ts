import { basketValue, lineValue } from '../benefit/basket.ts'
import { transfer } from '../ledger/transfer.ts'
import type { DecidedLine, Decision, DecisionDraft, StoredAuthorization, StoredLine } from './decision.ts'
import {
  balancesAfter,
  giveBack,
  isCounted,
  type Outstanding,
  outstandingOf,
  subsidyLegs,
  tellReturn,
  undoUsages,
} from './give-back.ts'
import { matchedOriginal } from './original.ts'
import type { AuthorizationRequest } from './request.ts'
import { isApproval } from './result.ts'
import { transactionTypes } from './routing.ts'

const purchases: readonly string[] = [transactionTypes.purchase, transactionTypes.cashback]

/** A purchase return. To a wallet only of a purchase that drew on it, and never more than is left of that purchase. */
export function refundPurchase(request: AuthorizationRequest, toWallet: boolean, draft: DecisionDraft): Decision {
  const { amountPiasters: amount, basket } = request
  if (amount <= 0) return draft.decline('bad-amount', 'amount.zero')
  const original = matchedOriginal(draft)
  if ('trace' in original) return original
  if (!isApproval(original.result) || !purchases.includes(original.transactionType) || original.hold !== undefined) {
    return draft.decline('original-not-found', 'original.final', original.id)
  }
  if (original.acceptor !== request.acceptor) return draft.decline('original-not-found', 'original.missing')
  const isReversed = original.reversedPiasters !== undefined || original.capture?.reversedWithHold !== undefined
  if (isReversed) {
    // A reversal that named the hold took this capture back with it: the money is with the household already.
    const reversed = original.reversedPiasters ?? original.approvedPiasters
    return draft.decline('already-reversed', 'original.already', original.id, reversed)
  }
  const drewSubsidy = original.transfers.some((row) => row.kind === 'subsidyRedemption')
  if (drewSubsidy && !toWallet) return draft.decline('subsidy-not-cash', 'subsidy.cash', '20', 'the original')
  if (!drewSubsidy && toWallet && !isGoodsForMoney(original)) {
    return draft.decline('original-not-found', 'original.final', original.id)
  }
  const value = basket === undefined ? amount : basketValue(basket)
  if (value !== amount) return draft.decline('bad-amount', 'amount.basket', value, amount)
  const left = original.approvedPiasters - original.refundedPiasters
  if (amount > left) return draft.decline('amount-limit', 'refund.over', amount, left, original.id)
  draft.note('refund.linked', original.id)
  const refused = takeBack(request, original, draft)
  if (refused !== undefined) return refused
  draft.set({ balances: balancesAfter(draft) })
  tellReturn(draft)
  return draft.approve(amount)
}

/** A basket of which the postal account paid everything, because the wallet was empty. */
function isGoodsForMoney({ lines, transfers }: StoredAuthorization): boolean {
  return lines.length > 0 && transfers.length === 1
}

function takeBack(
  request: AuthorizationRequest,
  original: StoredAuthorization,
  draft: DecisionDraft,
): Decision | undefined {
  const { transfers, lines } = original
  if (transfers.some((row) => row.kind === 'subsidyRedemption' && isCounted(row.debit))) {
    return refundUnits(original, request.amountPiasters, draft)
  }
  const outstanding = outstandingOf(original)
  if (transfers.length === 0) return refundDesk(original, request.amountPiasters, draft)
  return request.basket !== undefined && lines.length > 0
    ? refundLines(request.basket, original, outstanding, draft)
    : refundValue(original, outstanding, request.amountPiasters, draft)
}

/** Counted units go back whole, with their co-payment. */
function refundUnits(original: StoredAuthorization, amount: number, draft: DecisionDraft): Decision | undefined {
  if (amount !== original.approvedPiasters) {
    return draft.decline('bad-amount', 'original.amount', original.approvedPiasters, amount)
  }
  giveBack(
    original.transfers.filter((row) => row.kind === 'subsidyRedemption'),
    draft,
  )
  // A refund and not a reversal of the co-payment, so that a reversal of this refund can take it again.
  for (const { kind, debit, credit, amount: paid } of original.transfers) {
    if (kind === 'coPayment') draft.transfers.push(transfer('refund', credit, debit, paid))
  }
  return undoUsages(original.usages, draft)
}

/** A co-payment that was paid in cash at the desk is paid back there: only the year's cap has it back. */
function refundDesk(original: StoredAuthorization, amount: number, draft: DecisionDraft): Decision | undefined {
  draft.note('copay.cash-returned', amount)
  return undoUsages(shareOf(original, amount), draft)
}

/** What a return of so much of a co-payment gives back of the year's cap. */
export function shareOf({ usages }: StoredAuthorization, amount: number): StoredAuthorization['usages'] {
  return usages.map((usage) => ({ ...usage, change: Math.min(usage.change, amount) }))
}

/**
 * A refund by value: the household's own money first, then the wallets, the last one drawn first. Of a basket the caps
 * come back only with all that is left of it: a sum does not say which goods it stands for.
 */
function refundValue(
  original: StoredAuthorization,
  outstanding: Outstanding,
  amount: number,
  draft: DecisionDraft,
): Decision | undefined {
  const { bought, money, subsidy } = outstanding
  const ofMoney = Math.min(amount, money)
  if (amount > money + subsidy) {
    return draft.decline('amount-limit', 'refund.over', amount, money + subsidy, original.id)
  }
  postReturn(outstanding, ofMoney, amount - ofMoney, draft)
  if (bought?.kind === 'coPayment') return undoUsages(shareOf(original, amount), draft)
  return amount < money + subsidy ? undefined : undoUsages(remainingUsages(original), draft)
}

function postReturn(outstanding: Outstanding, money: number, subsidy: number, draft: DecisionDraft): void {
  const { bought } = outstanding
  giveBack(subsidyLegs(outstanding, subsidy), draft)
  if (money > 0 && bought !== undefined) {
    draft.transfers.push(transfer('refund', bought.credit, bought.debit, money))
  }
  if (money > 0 && subsidy > 0) draft.note('refund.parts', money, subsidy)
}

/** What a basket counts still, after the lines that came back. */
function remainingUsages({ usages, lines }: StoredAuthorization): StoredAuthorization['usages'] {
  const back = new Map<number, number>()
  for (const { counter, returned } of lines) {
    if (counter !== undefined) back.set(counter, (back.get(counter) ?? 0) + returned.granted)
  }
  return usages.map((usage) => {
    const before = Math.min(usage.change, back.get(usage.counter) ?? 0)
    back.set(usage.counter, (back.get(usage.counter) ?? 0) - before)
    return { ...usage, change: usage.change - before }
  })
}

/**
 * A refund by lines: goods of the original that did not come back before. Of each line the part that money paid goes
 * back first, and to the postal account; what the subsidy paid goes back to the wallet, and its cap with it.
 */
function refundLines(
  basket: NonNullable<AuthorizationRequest['basket']>,
  original: StoredAuthorization,
  outstanding: Outstanding,
  draft: DecisionDraft,
): Decision | undefined {
  const isSplit = outstanding.bought !== undefined
  const open = original.lines.map((line) => openLine(line, isSplit))
  const lines: DecidedLine[] = []
  let money = 0
  let subsidy = 0
  for (const { product, quantity, unitPricePiasters } of basket) {
    let wanted = quantity
    for (const line of open) {
      if (line.product !== product || line.unitPricePiasters !== unitPricePiasters || wanted === 0) continue
      const part = takeLine(line, Math.min(wanted, line.quantity))
      if (part.quantity === 0) continue
      wanted -= part.quantity
      money += part.money
      subsidy += part.grantedPiasters
      const { line: number, counter, granted, grantedPiasters } = part
      const taken = { product, quantity: part.quantity, unitPricePiasters, granted, grantedPiasters }
      lines.push({ line: number, counter, reason: 'OK', ...taken })
    }
    if (wanted > 0) return draft.decline('amount-limit', 'refund.line', product, wanted, original.id)
  }
  const asked = basketValue(basket)
  if (money > outstanding.money || subsidy > outstanding.subsidy || money + subsidy !== asked) {
    return draft.decline('amount-limit', 'refund.over', asked, outstanding.money + outstanding.subsidy, original.id)
  }
  postReturn(outstanding, money, subsidy, draft)
  draft.set({ returnedLines: mergedLines(lines) })
  return undoUsages(usagesOf(lines, original), draft)
}

/** What of a line can still come back. */
interface OpenLine extends Pick<StoredLine, 'line' | 'product' | 'counter' | 'unitPricePiasters'> {
  quantity: number
  /** Of that, what money paid. */
  paidQuantity: number
  money: number
  grantedPiasters: number
}

/** Without money in it, only what was granted was bought. */
function openLine(line: StoredLine, isSplit: boolean): OpenLine {
  const { quantity, granted, grantedPiasters, unitPricePiasters, returned } = line
  const bought = isSplit ? quantity : granted
  const money = isSplit ? lineValue(quantity, unitPricePiasters) - grantedPiasters : 0
  return {
    line: line.line,
    product: line.product,
    counter: line.counter,
    unitPricePiasters,
    quantity: bought - returned.quantity,
    paidQuantity: bought - granted - (returned.quantity - returned.granted),
    money: money - (returned.piasters - returned.grantedPiasters),
    grantedPiasters: grantedPiasters - returned.grantedPiasters,
  }
}

function takeLine(line: OpenLine, quantity: number): OpenLine & { readonly granted: number } {
  const whole = quantity === line.quantity
  const value = whole ? line.money + line.grantedPiasters : lineValue(quantity, line.unitPricePiasters)
  const money = Math.min(line.money, value)
  const grantedPiasters = Math.min(line.grantedPiasters, value - money)
  const paidQuantity = Math.min(Math.max(0, line.paidQuantity), quantity)
  line.quantity -= quantity
  line.paidQuantity -= paidQuantity
  line.money -= money
  line.grantedPiasters -= grantedPiasters
  return { ...line, quantity, paidQuantity, money, grantedPiasters, granted: quantity - paidQuantity }
}

/** One row for a line, though a message may name its goods twice. */
function mergedLines(lines: readonly DecidedLine[]): DecidedLine[] {
  const byLine = new Map<number, DecidedLine>()
  for (const line of lines) {
    const before = byLine.get(line.line)
    const merged = before && {
      quantity: before.quantity + line.quantity,
      granted: before.granted + line.granted,
      grantedPiasters: before.grantedPiasters + line.grantedPiasters,
    }
    byLine.set(line.line, { ...line, ...merged })
  }
  return [...byLine.values()]
}

/** What returned goods give back of their caps: only of what the original counted. */
function usagesOf(lines: readonly DecidedLine[], original: StoredAuthorization): StoredAuthorization['usages'] {
  return lines.flatMap(({ counter, granted }) => {
    const counted = original.usages.find((usage) => usage.counter === counter)
    return counted === undefined || granted === 0 ? [] : [{ ...counted, change: granted }]
  })
}
