import { type OpenHold, transfer } from '../ledger/transfer.ts'
import type { Decision, DecisionDraft, StoredAuthorization } from './decision.ts'
import { flag, isHonoured } from './elsewhere.ts'
import { advanceMoney } from './overdraft.ts'
import { postalAvailable } from './postal.ts'
import type { AuthorizationRequest } from './request.ts'
import { isApproval } from './result.ts'

/** What is open of a hold, as its household knows; undefined once it has ended. */
export function openHoldOf({ context }: DecisionDraft, id: number): OpenHold | undefined {
  return context.household?.holds.find((hold) => hold.id === id)
}

/**
 * A completion (0220, or 0200 that names its 0100): captures of the hold. The last one, which is every one that does
 * not say otherwise (DE48 MC, DE62.11 and 12), releases what is left. An advice tells of what the outlet has given:
 * what it says beyond the hold is posted too, and so is what comes after the hold's time.
 * @returns undefined for an advice whose hold is over by time: it is to be posted as if there had been none
 */
export function completeHold(
  request: AuthorizationRequest,
  original: StoredAuthorization,
  draft: DecisionDraft,
): Decision | undefined {
  const { card } = draft.context
  if (original.cardId !== card?.id) return draft.decline('original-not-found', 'original.other-card')
  if (original.hold === undefined) return completePosted(request, original, draft)
  draft.set({ originalId: original.id })
  const open = openHoldOf(draft, original.id)
  const amount = request.amountPiasters
  if (amount <= 0) return draft.decline('bad-amount', 'amount.zero')
  if (open === undefined) {
    // What memory ended and the journal does not know yet, a sweep has ended.
    const ending = original.holdEnding ?? 'expired'
    const isPromised = ending === 'expired' && original.reversedPiasters === undefined && !isTold(request, original)
    if (isPromised && isHonoured(request)) {
      draft.note('hold.late', original.id)
      return undefined
    }
    return draft.decline('already-reversed', 'hold.ended', original.id, ending)
  }
  if (amount > open.openAmount && !isHonoured(request)) {
    return draft.decline('amount-limit', 'hold.over', amount, original.id, open.openAmount)
  }
  if (request.cashbackPiasters > open.openCashback && !isHonoured(request)) {
    return draft.decline('amount-limit', 'hold.cash-over', request.cashbackPiasters, original.id, open.openCashback)
  }
  capture(request, open, draft)
  return draft.approve(amount)
}

/**
 * A completion of what was posted with its authorization, as draws on a subsidy, returns and deposits are: there is nothing
 * to capture, and nothing is posted twice.
 */
function completePosted(
  { amountPiasters }: AuthorizationRequest,
  { id, result, approvedPiasters, reversedPiasters, refundedPiasters, transfers }: StoredAuthorization,
  draft: DecisionDraft,
): Decision {
  if (!isApproval(result) || transfers.length === 0) return draft.decline('original-not-found', 'original.final', id)
  if (reversedPiasters !== undefined || refundedPiasters > 0 || amountPiasters !== approvedPiasters) {
    return draft.decline('already-reversed', 'original.amount', approvedPiasters, amountPiasters)
  }
  draft.set({ originalId: id })
  draft.note('original.posted', id)
  return draft.approve(0)
}

/**
 * Whether what a completion says was posted before: after its time a hold bounds nothing any more, and the same goods told of by
 * a message and by a clearing file would be paid twice. One of several captures says which it is, and is believed.
 */
function isTold(request: AuthorizationRequest, { hold, captures }: StoredAuthorization): boolean {
  if (hold === undefined || request.capture !== undefined) return false
  const taken = captures.flatMap(({ transfers }) => transfers).filter(({ debit }) => debit === hold.debit)
  const piasters = taken.reduce((sum, { amount }) => sum + amount, 0)
  return piasters > 0 && piasters + request.amountPiasters > hold.amount
}

function capture(request: AuthorizationRequest, hold: OpenHold, draft: DecisionDraft): void {
  const { amountPiasters: amount, capture: part } = request
  const captured = Math.min(amount, hold.openAmount)
  const isLast = part === undefined || part.sequence >= part.count
  const released = isLast ? hold.openAmount - captured : 0
  const ending = captured + released === hold.openAmount ? 'captured' : undefined
  const cash = cashPartOf(request, hold)
  const excess = amount - captured
  const { household } = draft.context
  if (excess > 0 && household !== undefined) {
    flag(draft, 'amount-limit', 'hold.over')
    advanceMoney(household, excess - postalAvailable(household), draft)
  }
  const { kind, debit, credit } = hold
  if (amount > cash) draft.transfers.push(transfer(kind, debit, credit, amount - cash))
  if (cash > 0) draft.transfers.push(transfer('cashback', debit, credit, cash))
  draft.set({ holdEvent: { hold, captured, cashback: Math.min(cash, hold.openCashback), released, ending } })
  draft.note('hold.captured', captured, hold.amount, hold.id)
  if (part !== undefined) draft.note('hold.part', part.sequence, part.count, hold.openAmount - captured - released)
}

/** The cash part of a capture: as the message says, else what is open of the hold's; the goods are the rest. */
function cashPartOf(request: AuthorizationRequest, { openCashback }: OpenHold): number {
  const { amountPiasters: amount, cashbackPiasters: said } = request
  const most = isHonoured(request) ? amount : Math.min(amount, openCashback)
  return said > 0 ? Math.min(said, most) : Math.min(amount, openCashback)
}
