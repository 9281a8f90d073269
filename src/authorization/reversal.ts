import { isPeriodOpen, periodOf } from '../benefit/entitlement.ts'
import { chosenInstead, walletAccount, walletAvailable } from '../benefit/wallet.ts'
import { balanceOf } from '../card/household.ts'
import {
  type AccountNumber,
  accountClasses,
  classOf,
  isHouseholdAccount,
  moneyAccount,
  subsidyAccount,
  tailOf,
} from '../ledger/accounts.ts'
import { availableOf, inverseOf, type Transfer, transfer } from '../ledger/transfer.ts'
import type { Unit } from '../money.ts'
import type { BalanceGroup, Decision, DecisionDraft, StoredAuthorization } from './decision.ts'
import { postalAvailable, postalGroup } from './postal.ts'
import type { AuthorizationRequest } from './request.ts'
import { isApproval } from './result.ts'
import { transactionTypes } from './routing.ts'
import { walletGroup } from './wallets.ts'

/**
 * Posts the inverse of transfers. What goes back to a wallet whose period is closed lapses to the state in the same
 * group (product.md: a refund restores the same cell or wallet if its period is open, else expires; never money).
 */
export function giveBack(transfers: readonly Transfer[], draft: DecisionDraft): number {
  let posted = 0
  for (const original of transfers) {
    const inverse = inverseOf(original)
    if (inverse === undefined) continue
    draft.transfers.push(inverse)
    posted++
    const intoWallet = classOf(inverse.credit) === accountClasses.wallet
    if (intoWallet && !isPeriodOpen(inverse.period, draft.context.entitlementDate)) {
      draft.transfers.push(
        transfer('entitlementExpiry', inverse.credit, expiredAccount(inverse.credit), inverse.amount, inverse.period),
      )
      draft.note('period.closed', inverse.period, inverse.amount)
    }
  }
  return posted
}

const units: readonly Unit[] = ['EGP', 'LOAF', 'KG']

function expiredAccount(wallet: AccountNumber): AccountNumber {
  const tail = tailOf(wallet)
  return subsidyAccount('expired', units[Math.floor(tail / 100)] ?? 'EGP', tail % 100, 0)
}

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

/** Finds the original and checks that it is this card's. */
function matchedOriginal(draft: DecisionDraft): StoredAuthorization | Decision {
  const { original, card } = draft.context
  if (original === undefined) return draft.decline('original-not-found', 'original.missing')
  if (original.cardId !== card?.id) return draft.decline('original-not-found', 'original.other-card')
  if (original.mti.startsWith('04')) return draft.decline('invalid-transaction', 'original.final', original.id)
  draft.set({ originalId: original.id })
  return original
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
  const refused = shortOf(reversible, draft) ?? excludedByNow(reversible, draft)
  if (refused !== undefined) return refused
  giveBack(reversible, draft)
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

/** DE95: the transaction really came to `replacement`; one transfer of money or value gives the difference back. */
function reversePart(
  original: StoredAuthorization,
  reversible: readonly Transfer[],
  replacement: number,
  draft: DecisionDraft,
): Decision {
  const [only] = reversible
  const counted = only !== undefined && Math.floor(tailOf(only.debit) / 100) !== 0
  const isRefund = original.transactionType === transactionTypes.refund
  if (reversible.length !== 1 || only === undefined || counted || isRefund) {
    return draft.decline('invalid-transaction', 'original.final', original.id)
  }
  const back = original.approvedPiasters - replacement
  if (back === 0) return draft.decline('bad-amount', 'original.amount', original.approvedPiasters, replacement)
  const short = shortOf([{ ...only, amount: back }], draft)
  if (short !== undefined) return short
  giveBack([{ ...only, amount: back }], draft)
  undoCashUsage(original, only.kind === 'cashWithdrawal' ? back : 0, 0, draft)
  draft.note('reversal.partial', original.id, replacement, back)
  return draft.approve(back)
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

/** A purchase return. To a wallet only of a purchase that drew on it, and never more than is left of that purchase. */
export function refundPurchase(request: AuthorizationRequest, toWallet: boolean, draft: DecisionDraft): Decision {
  const amount = request.amountPiasters
  if (amount <= 0) return draft.decline('bad-amount', 'amount.zero')
  const original = matchedOriginal(draft)
  if ('trace' in original) return original
  const purchases: string[] = [transactionTypes.purchase, transactionTypes.cashback]
  if (!isApproval(original.result) || !purchases.includes(original.transactionType) || original.hold !== undefined) {
    return draft.decline('original-not-found', 'original.final', original.id)
  }
  if (original.acceptor !== request.acceptor) return draft.decline('original-not-found', 'original.missing')
  if (original.reversedPiasters !== undefined) {
    return draft.decline('already-reversed', 'original.already', original.id, original.reversedPiasters)
  }
  const isWalletLeg = (row: Transfer) => row.kind === 'subsidyRedemption'
  const drewSubsidy = original.transfers.some(isWalletLeg)
  if (drewSubsidy && !toWallet) return draft.decline('subsidy-not-cash', 'subsidy.cash', '20', 'the original')
  if (!drewSubsidy && toWallet) return draft.decline('original-not-found', 'original.final', original.id)
  const left = original.approvedPiasters - original.refundedPiasters
  if (amount > left) return draft.decline('amount-limit', 'refund.over', amount, left, original.id)
  draft.note('refund.linked', original.id)
  const refused = drewSubsidy ? refundSubsidy(original, amount, draft) : refundMoney(original, amount, draft)
  if (refused !== undefined) return refused
  draft.set({ balances: balancesAfter(draft) })
  return draft.approve(amount)
}

/** DE54 of a refund: what the accounts that took value back have now; of a wallet, in the period of today. */
function balancesAfter(draft: DecisionDraft): BalanceGroup[] {
  const { household, programmes, entitlementDate } = draft.context
  if (household === undefined) return []
  const change = (account: AccountNumber, period: number) =>
    draft.transfers.reduce((sum, row) => {
      if (row.period !== period) return sum
      return sum + (row.credit === account ? row.amount : 0) - (row.debit === account ? row.amount : 0)
    }, 0)
  const groups: BalanceGroup[] = []
  for (const programme of programmes.wallets) {
    const account = walletAccount(programme, household)
    if (!draft.transfers.some((row) => row.credit === account)) continue
    const period = periodOf(programme, entitlementDate)
    const before = walletAvailable(programme, household, period, programmes)
    groups.push(walletGroup(programme, before + change(account, period)))
  }
  const postal = moneyAccount('postalAccount', household.id)
  const paid = change(postal, 0)
  if (paid !== 0) groups.push(postalGroup(postalAvailable(household) + paid))
  return groups
}

/** Counted units go back whole; value may go back in part. */
function refundSubsidy(original: StoredAuthorization, amount: number, draft: DecisionDraft): Decision | undefined {
  const rows = original.transfers.filter((row) => row.kind === 'subsidyRedemption' || row.kind === 'coPayment')
  const [first] = rows
  const byValue = first !== undefined && rows.length === 1 && Math.floor(tailOf(first.debit) / 100) === 0
  if (!byValue && amount !== original.approvedPiasters) {
    return draft.decline('bad-amount', 'original.amount', original.approvedPiasters, amount)
  }
  const drawn = rows.filter((row) => row.kind === 'subsidyRedemption')
  giveBack(byValue && first !== undefined ? [{ ...first, amount }] : drawn, draft)
  // A refund and not a reversal of the co-payment, so that a reversal of this refund can take it again.
  for (const { kind, debit, credit, amount: paid } of rows) {
    if (kind === 'coPayment') draft.transfers.push(transfer('refund', credit, debit, paid))
  }
  return undefined
}

function refundMoney(original: StoredAuthorization, amount: number, draft: DecisionDraft): Decision | undefined {
  // Goods and services come back, the cash part of a purchase does not.
  const bought = original.transfers.find((row) => row.kind === 'purchase' || row.kind === 'coPayment')
  const left = (bought?.amount ?? 0) - original.refundedPiasters
  if (bought === undefined || amount > left) {
    return draft.decline('amount-limit', 'refund.over', amount, Math.max(0, left), original.id)
  }
  draft.transfers.push(transfer('refund', bought.credit, bought.debit, amount))
  return undefined
}
