import type { AccountNumber } from '../ledger/accounts.ts'
import type { Hold, HoldEvent, OpenHold, Transfer } from '../ledger/transfer.ts'
import type { Decision, DecisionDraft, StoredAuthorization } from './decision.ts'
import { giveBack } from './give-back.ts'
import { openHoldOf } from './hold-capture.ts'
import type { AuthorizationRequest } from './request.ts'

/**
 * A reversal that names a hold: what is open of it is given free, and what was captured goes back, each capture once. A
 * partial one (DE95) says what the transaction really came to: the hold shrinks to that, and only what was captured
 * beyond it goes back, the last capture first.
 */
export function reverseHold(
  request: AuthorizationRequest,
  original: StoredAuthorization,
  hold: Hold,
  draft: DecisionDraft,
): Decision {
  const kept = request.replacementPiasters ?? 0
  if (kept > hold.amount) return draft.decline('bad-amount', 'original.amount', hold.amount, kept)
  const open = openHoldOf(draft, hold.id)
  const taken = outstandingOf(original)
  const captured = sumOf(taken)
  const back = captured + (open?.openAmount ?? 0) - kept
  if (original.reversedPiasters !== undefined && open === undefined) {
    if (back !== 0) return draft.decline('already-reversed', 'original.already', original.id, original.reversedPiasters)
    draft.note('original.repeated', original.id)
    return draft.approve(0)
  }
  // It came to less once: more of it was given free, and may be gone.
  if (back < 0 && original.reversedPiasters !== undefined) {
    return draft.decline('already-reversed', 'original.already', original.id, original.reversedPiasters)
  }
  if (back <= 0) {
    draft.note('hold.kept', original.id, captured + (open?.openAmount ?? 0), kept)
    return draft.approve(0)
  }
  const released = Math.min(open?.openAmount ?? 0, back)
  const legs = lastOf(taken, back - released)
  if (open !== undefined && released > 0) draft.set({ holdEvent: releaseOf(open, released, kept) })
  giveBack(legs, draft)
  undoCash(original, open, { legs, back, kept }, draft)
  if (kept === 0) draft.note(legs.length > 0 ? 'reversal.full' : 'reversal.hold', original.id)
  else draft.note('reversal.partial', original.id, kept, back)
  return draft.approve(back)
}

function releaseOf(hold: OpenHold, released: number, kept: number): HoldEvent {
  const ending = released < hold.openAmount ? undefined : kept > 0 ? 'captured' : 'voided'
  return { hold, captured: 0, cashback: 0, released, ending }
}

/** What was taken for a hold and did not come back yet, oldest first. */
function outstandingOf({ captures, returned }: StoredAuthorization): Transfer[] {
  const left = captures.flatMap((one) => without(one.transfers.filter(isTaken), one.returned))
  return without(left, returned)
}

function isTaken({ kind }: Transfer): boolean {
  return (
    kind === 'purchase' ||
    kind === 'cashback' ||
    kind === 'cashWithdrawal' ||
    kind === 'quasiCash' ||
    kind === 'billPayment'
  )
}

/** Takes what came back off what was taken between the same accounts, the last one first. */
function without(taken: readonly Transfer[], returned: readonly Transfer[]): Transfer[] {
  const back = new Map<AccountNumber, number>()
  for (const { debit, amount } of returned) back.set(debit, (back.get(debit) ?? 0) + amount)
  const left: Transfer[] = []
  for (const row of taken.toReversed()) {
    const gone = Math.min(row.amount, back.get(row.credit) ?? 0)
    back.set(row.credit, (back.get(row.credit) ?? 0) - gone)
    if (row.amount > gone) left.unshift({ ...row, amount: row.amount - gone })
  }
  return left
}

/** Parts of transfers that come to an amount, at most all of them: the last one first. */
export function lastOf(taken: readonly Transfer[], amount: number): Transfer[] {
  const legs: Transfer[] = []
  let open = amount
  for (const row of taken.toReversed()) {
    const part = Math.min(open, row.amount)
    if (part > 0) legs.push({ ...row, amount: part })
    open -= part
  }
  return legs
}

function sumOf(transfers: readonly Transfer[]): number {
  return transfers.reduce((sum, { amount }) => sum + amount, 0)
}

/**
 * Cash that comes back on its own day does not count against the day's limits. A withdrawal that was paid out in part
 * is one still: only its amount shrinks.
 */
function undoCash(
  { hold, entitlementDate: day }: StoredAuthorization,
  open: OpenHold | undefined,
  { legs, back, kept }: { readonly legs: readonly Transfer[]; readonly back: number; readonly kept: number },
  draft: DecisionDraft,
): void {
  const ofCashback =
    sumOf(legs.filter(({ kind }) => kind === 'cashback')) + (kept === 0 ? (open?.openCashback ?? 0) : 0)
  const cash = hold?.kind === 'cashWithdrawal' ? back : ofCashback
  if (cash > 0) draft.set({ cashUsage: { day, amountPiasters: -cash, count: kept === 0 ? -1 : 0 } })
}
