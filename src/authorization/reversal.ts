import { chosenInstead, walletAccount } from '../benefit/wallet.ts'
import { balanceOf } from '../card/household.ts'
import { isHouseholdAccount } from '../ledger/accounts.ts'
import { availableOf, inverseOf, type Transfer, transfer } from '../ledger/transfer.ts'
import type { Decision, DecisionDraft, StoredAuthorization } from './decision.ts'
import { giveBack, isCounted, outstandingOf, subsidyLegs, tellReturn, undoUsages } from './give-back.ts'
import { matchedOriginal } from './original.ts'
import { shareOf } from './refund.ts'
import type { AuthorizationRequest } from './request.ts'
import { isApproval } from './result.ts'
import { transactionTypes } from './routing.ts'

/**
 * A reversal: the original is found by DE90 or what stands in for it, belongs to the same card, and is given back once.
 * A reversal that comes first is remembered by its own row in the journal and answered 25.
 */
export function reverse(request: AuthorizationRequest, draft: DecisionDraft): Decision {
  const original = matchedOriginal(draft)
  if ('trace' in original) return original
  const named = request.amountPiasters
  const namesOriginal = named === 0 || named === original.amountPiasters || named === original.approvedPiasters
  if (original.reversedPiasters !== undefined) {
    const asked = original.approvedPiasters - (request.replacementPiasters ?? 0)
    if (namesOriginal && asked === original.reversedPiasters) {
      draft.note('original.repeated', original.id)
      return draft.approve(0)
    }
    return draft.decline('already-reversed', 'original.already', original.id, original.reversedPiasters)
  }
  if (!namesOriginal) return draft.decline('already-reversed', 'original.amount', original.amountPiasters, named)
  if (!isApproval(original.result)) {
    draft.note('original.declined', original.id)
    return draft.approve(0)
  }
  if (original.hold !== undefined) return reverseHold(request, original, draft)
  return reversePosted(request, original, draft)
}

function reverseHold(request: AuthorizationRequest, original: StoredAuthorization, draft: DecisionDraft): Decision {
  const { hold, holdEnding } = original
  if (hold === undefined) return draft.decline('internal-fault', 'original.missing')
  if (holdEnding !== undefined) return draft.decline('already-reversed', 'hold.ended', original.id, holdEnding)
  const replacement = request.replacementPiasters ?? 0
  if (replacement > hold.amount) return draft.decline('bad-amount', 'original.amount', hold.amount, replacement)
  if (replacement > 0) {
    // Nothing was taken yet, and a promise once made is not withdrawn in part: the capture releases what is too much.
    draft.note('hold.kept', original.id, hold.amount, replacement)
    return draft.approve(0)
  }
  draft.set({ holdEnding: { hold, ending: 'voided', capturedPiasters: 0 } })
  undoCashUsage(original, hold.kind === 'cashWithdrawal' ? hold.amount : 0, 1, draft)
  draft.note('reversal.hold', original.id)
  return draft.approve(original.approvedPiasters)
}

function reversePosted(request: AuthorizationRequest, original: StoredAuthorization, draft: DecisionDraft): Decision {
  const replacement = request.replacementPiasters ?? 0
  if (replacement > original.approvedPiasters) {
    return draft.decline('bad-amount', 'original.amount', original.approvedPiasters, replacement)
  }
  if (original.refundedPiasters > 0) {
    return draft.decline('already-reversed', 'original.already', original.id, original.refundedPiasters)
  }
  const reversible = original.transfers.filter((row) => inverseOf(row) !== undefined)
  if (replacement > 0) return reversePart(original, reversible, replacement, draft)
  const refused = shortOf(reversible, draft) ?? excludedByNow(reversible, draft) ?? undoUsages(original.usages, draft)
  if (refused !== undefined) return refused
  giveBack(reversible, draft)
  if (original.approvedPiasters > 0 && reversible.length === 0) {
    draft.note('copay.cash-returned', original.approvedPiasters)
  }
  tellReturn(draft)
  undoCashUsage(original, cashOf(reversible), 1, draft)
  draft.note('reversal.full', original.id)
  return draft.approve(original.approvedPiasters)
}

/** Taking a refund or a deposit back needs what it gave to be there still: no household account goes below zero. */
function shortOf(reversible: readonly Transfer[], draft: DecisionDraft): Decision | undefined {
  const { household } = draft.context
  for (const row of reversible) {
    if (!isHouseholdAccount(row.credit)) continue
    const balance = household === undefined ? undefined : balanceOf(household, row.credit, row.period)
    const available = balance === undefined ? 0 : availableOf(balance)
    if (row.amount > available) return draft.decline('insufficient', 'postal.balance', row.amount, available)
  }
  return undefined
}

/** The value of a returned draw can be taken again only while the household has not chosen the other programme since. */
function excludedByNow(reversible: readonly Transfer[], draft: DecisionDraft): Decision | undefined {
  const { household, programmes } = draft.context
  for (const row of reversible) {
    if (household === undefined || row.kind !== 'subsidyRestoration') continue
    const programme = programmes.wallets.find((one) => walletAccount(one, household) === row.credit)
    const instead = programme === undefined ? undefined : chosenInstead(programme, household, row.period, programmes)
    if (instead !== undefined) return draft.decline('insufficient', 'exclusive.chosen', instead.code)
  }
  return undefined
}

/**
 * DE95: the transaction really came to `replacement`. The difference goes back: of goods that wallets and money paid,
 * the money first, then the wallets, the last one drawn first; caps come back only with a whole basket. A fee stays.
 */
function reversePart(
  original: StoredAuthorization,
  reversible: readonly Transfer[],
  replacement: number,
  draft: DecisionDraft,
): Decision {
  const isRefund = original.transactionType === transactionTypes.refund
  const parts = reversible.filter((row) => row.kind !== 'fee')
  const [first] = parts
  const isBasket = parts.every((row) => row.kind === 'subsidyRedemption' || row.kind === 'purchase')
  const counted = parts.some((row) => isCounted(row.debit))
  if (first === undefined || (parts.length > 1 && !isBasket) || counted || isRefund) {
    return draft.decline('invalid-transaction', 'original.final', original.id)
  }
  const back = original.approvedPiasters - replacement
  if (back === 0) return draft.decline('bad-amount', 'original.amount', original.approvedPiasters, replacement)
  const legs = isBasket ? basketLegs(original, back) : [{ ...first, amount: back }]
  const refused =
    shortOf(legs, draft) ?? (first.kind === 'coPayment' ? undoUsages(shareOf(original, back), draft) : undefined)
  if (refused !== undefined) return refused
  giveBack(legs, draft)
  tellReturn(draft)
  undoCashUsage(original, first.kind === 'cashWithdrawal' ? back : 0, 0, draft)
  draft.note('reversal.partial', original.id, replacement, back)
  return draft.approve(back)
}

function basketLegs(original: StoredAuthorization, back: number): Transfer[] {
  const outstanding = outstandingOf(original)
  const { bought, money } = outstanding
  const ofMoney = Math.min(back, money)
  const legs = subsidyLegs(outstanding, back - ofMoney)
  return bought === undefined || ofMoney === 0 ? legs : [{ ...bought, amount: ofMoney }, ...legs]
}

function cashOf(transfers: readonly Transfer[]): number {
  return transfers
    .filter((row) => row.kind === 'cashWithdrawal' || row.kind === 'cashback')
    .reduce((sum, row) => sum + row.amount, 0)
}

/**
 * A withdrawal given back on its own day does not count against the day's limits. One that was paid out in part is a
 * withdrawal still: only its amount shrinks.
 */
function undoCashUsage(
  original: StoredAuthorization,
  cashPiasters: number,
  withdrawals: number,
  draft: DecisionDraft,
): void {
  if (cashPiasters === 0) return
  draft.set({ cashUsage: { day: original.entitlementDate, amountPiasters: -cashPiasters, count: -withdrawals } })
}

/**
 * A completion (0220, or 0200 that names its 0100): captures the hold, at most for what was held, and releases the
 * rest. A hold ends exactly once.
 */
export function completeHold(
  request: AuthorizationRequest,
  original: StoredAuthorization,
  draft: DecisionDraft,
): Decision {
  const { hold, holdEnding } = original
  if (original.cardId !== draft.context.card?.id) return draft.decline('original-not-found', 'original.other-card')
  if (hold === undefined) return draft.decline('original-not-found', 'original.final', original.id)
  draft.set({ originalId: original.id })
  if (holdEnding !== undefined) return draft.decline('already-reversed', 'hold.ended', original.id, holdEnding)
  const amount = request.amountPiasters
  if (amount <= 0) return draft.decline('bad-amount', 'amount.zero')
  if (amount > hold.amount) return draft.decline('amount-limit', 'hold.over', amount, original.id, hold.amount)
  draft.transfers.push(transfer(hold.kind, hold.debit, hold.credit, amount))
  draft.set({ holdEnding: { hold, ending: 'captured', capturedPiasters: amount } })
  draft.note('hold.captured', amount, hold.amount, original.id)
  return draft.approve(amount)
}
