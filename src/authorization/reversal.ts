import { chosenInstead, walletAccount } from '../benefit/wallet.ts'
import { balanceOf } from '../card/household.ts'
import { isHouseholdAccount } from '../ledger/accounts.ts'
import { availableOf, inverseOf, type Transfer } from '../ledger/transfer.ts'
import { withReplacement } from './amounts.ts'
import type { Decision, DecisionDraft, StoredAuthorization } from './decision.ts'
import { giveBack, isCounted, outstandingOf, subsidyLegs, tellReturn, undoUsages } from './give-back.ts'
import { lastOf, reverseHold } from './hold-reversal.ts'
import { matchedOriginal } from './original.ts'
import { advanceMoney } from './overdraft.ts'
import { postalAvailable } from './postal.ts'
import { shareOf } from './refund.ts'
import type { AuthorizationRequest } from './request.ts'
import { isApproval } from './result.ts'
import { transactionTypes } from './routing.ts'

/**
 * A reversal: the original is found by DE90 or what stands in for it, belongs to the same card, and is given back once.
 * A reversal that comes first is remembered by its own row in the journal and answered 25.
 */
export function reverse(asked: AuthorizationRequest, draft: DecisionDraft): Decision {
  const original = matchedOriginal(draft)
  if ('trace' in original) return original
  const request = withReplacement(asked, original)
  const named = request.amountPiasters
  const namesOriginal = named === 0 || named === original.amountPiasters || named === original.approvedPiasters
  noteReason(request, original, draft)
  const { hold } = original
  if (hold !== undefined && namesOriginal) return reverseHold(request, original, hold, draft)
  if (original.reversedPiasters !== undefined) {
    const back = original.approvedPiasters - (request.replacementPiasters ?? 0)
    if (namesOriginal && back === original.reversedPiasters) {
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
  return reverseCapture(request, original, draft) ?? reversePosted(request, original, draft)
}

/** Message reasons (visa-base1.md, section 8). */
const reasons: Readonly<Record<string, string>> = {
  2501: 'void by the customer or the outlet',
  2502: 'transaction not completed',
  2503: 'no confirmation from the terminal',
  2504: 'partial dispense or partial reversal',
}

/**
 * Why it was sent: as the message says, or as what it is. At home an outlet that names its own transaction voids it.
 */
function noteReason(request: AuthorizationRequest, original: StoredAuthorization, draft: DecisionDraft): void {
  const { reason, replacementPiasters, messageClass, schemeRail, acceptor } = request
  const isVoid = !schemeRail && messageClass === 'reversal' && request.original !== undefined
  const meant = replacementPiasters !== undefined ? '2504' : isVoid && original.acceptor === acceptor ? '2501' : ''
  const code = reason === '' ? meant : reason
  if (code !== '') draft.note('reversal.reason', code, reasons[code] ?? 'not known here')
}

/** What of a capture came back already with the reversal of its hold; undefined leaves it to be reversed. */
function reverseCapture(
  { replacementPiasters }: AuthorizationRequest,
  { id, capture, approvedPiasters }: StoredAuthorization,
  draft: DecisionDraft,
): Decision | undefined {
  const reversed = capture?.reversedWithHold
  if (reversed === undefined) return undefined
  if (reversed === 'part' || replacementPiasters !== undefined) {
    return draft.decline('already-reversed', 'original.already', id, approvedPiasters)
  }
  draft.note('original.repeated', id)
  return draft.approve(0)
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
  if (replacement > 0) return reversePart(request, original, reversible, replacement, draft)
  const refused =
    shortOf(request, reversible, draft) ?? excludedByNow(reversible, draft) ?? undoUsages(original.usages, draft)
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

/**
 * Taking a refund or a deposit back needs what it gave to be there still: no household account goes below zero. A
 * reversal advice tells of what is so: money that was spent since is advanced.
 */
function shortOf(
  request: AuthorizationRequest,
  reversible: readonly Transfer[],
  draft: DecisionDraft,
): Decision | undefined {
  const { household } = draft.context
  for (const row of reversible) {
    if (!isHouseholdAccount(row.credit)) continue
    if (household !== undefined && request.messageClass === 'reversal-advice' && row.period === 0) {
      advanceMoney(household, row.amount - postalAvailable(household), draft)
      continue
    }
    const balance = household === undefined ? undefined : balanceOf(household, row.credit, row.period)
    const available = balance === undefined ? 0 : availableOf(balance)
    if (row.amount > available) return draft.decline('insufficient', 'postal.balance', row.amount, available)
  }
  return undefined
}

/**
 * The value of a returned draw can be taken again only while the household has not chosen the other programme since.
 */
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
  request: AuthorizationRequest,
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
  if (first === undefined || (parts.length > 1 && !isBasket && !counted) || isRefund) {
    return draft.decline('invalid-transaction', 'original.final', original.id)
  }
  const back = original.approvedPiasters - replacement
  const units = counted ? unitsOf(parts, back, original.approvedPiasters) : 0
  if (back === 0 || units === undefined) {
    return draft.decline('bad-amount', 'original.amount', original.approvedPiasters, replacement)
  }
  const legs = counted
    ? unitLegs(parts, units, back)
    : isBasket
      ? basketLegs(original, back)
      : [{ ...first, amount: back }]
  const share = counted ? units : first.kind === 'coPayment' ? back : undefined
  const refused =
    shortOf(request, legs, draft) ?? (share === undefined ? undefined : undoUsages(shareOf(original, share), draft))
  if (refused !== undefined) return refused
  giveBack(legs, draft)
  tellReturn(draft)
  undoCashUsage(original, first.kind === 'cashWithdrawal' ? back : 0, 0, draft)
  draft.note('reversal.partial', original.id, replacement, back)
  return draft.approve(back)
}

/** How many units of a draw a part of its price stands for; undefined where they are not whole: a loaf is not divided. */
function unitsOf(parts: readonly Transfer[], piasters: number, price: number): number | undefined {
  const drawn = parts.reduce((sum, row) => sum + (isCounted(row.debit) ? row.amount : 0), 0)
  const units = (drawn * piasters) / price
  return Number.isInteger(units) ? units : undefined
}

/** Units back to their cells, the last one drawn first, and what was paid for them from the postal account. */
function unitLegs(parts: readonly Transfer[], units: number, piasters: number): Transfer[] {
  const paid = parts.filter((row) => row.kind === 'coPayment').map((row) => ({ ...row, amount: piasters }))
  const drawn = parts.filter((row) => isCounted(row.debit))
  return [...lastOf(drawn, units), ...paid]
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
  const day = original.capture?.heldOn ?? original.entitlementDate
  draft.set({ cashUsage: { day, amountPiasters: -cashPiasters, count: -withdrawals } })
}
