import { periodOf } from '../benefit/entitlement.ts'
import { walletAvailable } from '../benefit/wallet.ts'
import type { Household } from '../card/household.ts'
import { moneyAccount } from '../ledger/accounts.ts'
import { transfer } from '../ledger/transfer.ts'
import { checkAuthentication } from './authentication.ts'
import {
  checkCard,
  checkMoneyPlace,
  checkStanding,
  checkSubsidyPlace,
  isInquiry,
  isSuspended,
  sellsSubsidies,
} from './checks.ts'
import {
  type BalanceGroup,
  type Decision,
  type DecisionContext,
  DecisionDraft,
  type StoredAuthorization,
} from './decision.ts'
import { flag, isHonoured, isRefusedElsewhere } from './elsewhere.ts'
import { drawSubsidy } from './goods.ts'
import { decideCover } from './health.ts'
import { completeHold } from './hold-capture.ts'
import { isStored } from './offline.ts'
import { sendCode } from './one-time-code.ts'
import { counterpartyOf, debitPostal, depositPostal, postalAvailable, postalGroup, refuseOverfull } from './postal.ts'
import { checkPresentment } from './presentment.ts'
import { refundPurchase } from './refund.ts'
import { decideAtHost } from './remote.ts'
import type { AuthorizationRequest } from './request.ts'
import { reverse } from './reversal.ts'
import { isKnownType, route, type Target, transactionTypes } from './routing.ts'
import { walletGroup } from './wallets.ts'

/**
 * Decides one request: pure, synchronous, no clock, no exceptions for declines. The same function runs in production,
 * in tests and in a replay. Of a remote account it may say what the account host has to be asked first (`askHost`).
 */
export function decide(request: AuthorizationRequest, context: DecisionContext): Decision {
  return context.household?.accountAt === 'host'
    ? decideAtHost(request, context, decideHere)
    : decideHere(request, context)
}

function decideHere(request: AuthorizationRequest, context: DecisionContext): Decision {
  const draft = new DecisionDraft(context)
  const { previous } = context
  if (previous !== undefined) {
    if (previous.contentHash !== request.contentHash) {
      return draft.decline('duplicate-other-content', 'duplicate.other', previous.id)
    }
    draft.note('duplicate.same', previous.id)
    draft.set({ replay: previous })
    return draft.approve(0, previous.result)
  }
  const withheld = request.presentment && checkPresentment(request.presentment, draft)
  if (withheld !== undefined) return withheld
  if (request.fault !== undefined) return draft.decline(request.fault.result, 'message.fault', request.fault.field)
  if (request.messageClass === 'reversal' || request.messageClass === 'reversal-advice') return reverse(request, draft)
  if (context.reversedEarly) return draft.decline('duplicate-other-content', 'reversal.early')
  if (isRefusedElsewhere(request)) {
    draft.note('advice.declined', request.adviceCode ?? '')
    return draft.approve(0)
  }
  if (!isKnownType(request.transactionType)) {
    return draft.decline('invalid-transaction', 'type.unknown', request.transactionType)
  }
  return decideTransaction(request, draft)
}

function decideTransaction(request: AuthorizationRequest, draft: DecisionDraft): Decision {
  const { original } = draft.context
  const completes = request.messageClass === 'financial' || request.messageClass === 'financial-advice'
  // Before the card is looked at: a hold is a promise, which stands when the card is lost or stopped later.
  if (completes && original?.mti.startsWith('01') === true) {
    if (isCompletedBy(original, request)) return completeHold(request, original, draft) ?? postAfresh(request, draft)
    // What names a hold and is no completion of it is a mistake, and no debit beside it.
    if (request.original !== undefined) return draft.decline('original-not-found', 'original.final', original.id)
  }
  const holder = checkCard(request, draft)
  if ('result' in holder) return holder
  const { card, household, doubt } = holder
  const doubtful = checkAuthentication(request, card, household, draft)
  if (doubtful !== undefined && (!isHonoured(request) || doubtful.result === 'security-violation')) return doubtful
  if (request.wantsCode) return doubt === undefined ? (doubtful ?? sendCode(household, draft)) : draft.decline(...doubt)
  if (isInquiry(request.transactionType)) {
    if (doubt !== undefined) return draft.decline(...doubt)
    return doubtful ?? checkStanding(draft, 'not-at-this-outlet') ?? inquire(request, household, draft)
  }
  const target = route(request, draft)
  if ('result' in target) return target
  if (target.kind === 'wallet') {
    if (doubtful !== undefined) return doubtful
    // Only a terminal that draws on its own, within the programme's caps, may have done so before the card was stopped; one
    // that was never activated was not in the holder's hands before.
    if (doubt !== undefined && (!isStored(request) || doubt[0] === 'inactive-card')) return draft.decline(...doubt)
  }
  if (doubt !== undefined) flag(draft, doubt[0], doubt[1])
  if (doubtful !== undefined) flag(draft, doubtful.result, 'card.doubtful')
  if (target.kind === 'wallet') return decideWallet(request, target, household, draft)
  const refused = checkMoneyPlace(request, target, draft)
  if (refused !== undefined) return refused
  return target.kind === 'health'
    ? decideCover(request, target.programme, household, draft)
    : decidePostal(request, target, household, draft)
}

/** Whether a message is of the type that was authorized; the cash part of a purchase may come, or stay away, at the end. */
function isCompletedBy(
  { transactionType: held }: StoredAuthorization,
  { transactionType }: AuthorizationRequest,
): boolean {
  const purchases: readonly string[] = [transactionTypes.purchase, transactionTypes.cashback]
  return held === transactionType || (purchases.includes(held) && purchases.includes(transactionType))
}

/** A capture that comes after its hold was over: a debit like any other of what was given already. */
function postAfresh(request: AuthorizationRequest, draft: DecisionDraft): Decision {
  const { household } = draft.context
  return household === undefined
    ? draft.decline('unknown-card', 'card.unknown')
    : debitPostal(request, household, draft)
}

function decideWallet(
  request: AuthorizationRequest,
  target: Target & { kind: 'wallet' },
  household: Household,
  draft: DecisionDraft,
): Decision {
  if (request.transactionType === transactionTypes.purchase) {
    return drawSubsidy(request, target.programmes, household, draft)
  }
  if (request.transactionType === transactionTypes.refund) {
    const place = checkSubsidyPlace(request, target.programmes, household, draft)
    return 'result' in place ? place : refundPurchase(request, true, draft)
  }
  return draft.decline('invalid-transaction', 'type.unknown', request.transactionType)
}

function decidePostal(
  request: AuthorizationRequest,
  { payment }: Target & { kind: 'postal' },
  household: Household,
  draft: DecisionDraft,
): Decision {
  switch (request.transactionType) {
    case transactionTypes.purchase:
    case transactionTypes.cash:
    case transactionTypes.cashback:
    case transactionTypes.quasiCash:
    case transactionTypes.billPayment:
      return debitPostal(request, household, draft, payment)
    case transactionTypes.refund:
      return refundToPostal(request, household, draft)
    case transactionTypes.deposit:
      return depositPostal(request, household, draft)
    default:
      return draft.decline('invalid-transaction', 'type.unknown', request.transactionType)
  }
}

/**
 * A return of a payment to the postal account. Where subsidies are sold it must name its original, or goods drawn on a
 * subsidy could come back as money (M4); elsewhere an unlinked return is the custom of the card networks, of as much as
 * one purchase may be.
 */
function refundToPostal(request: AuthorizationRequest, household: Household, draft: DecisionDraft): Decision {
  const refused = refuseOverfull(request, household, draft)
  if (refused !== undefined) return refused
  const { original } = draft.context
  const isElsewhere = original !== undefined && original.acceptor !== request.acceptor
  if (isElsewhere && original.transfers.some((row) => row.kind === 'subsidyRedemption')) {
    return draft.decline('subsidy-not-cash', 'subsidy.cash', request.transactionType, 'the original')
  }
  // A reference that two outlets happen to use says nothing, unless the message names its original.
  const isNamed = request.original !== undefined || (original !== undefined && request.presentment !== undefined)
  if (isNamed || (original !== undefined && !isElsewhere) || sellsSubsidies(request, draft)) {
    return refundPurchase(request, false, draft)
  }
  const amount = request.amountPiasters
  if (amount <= 0) return draft.decline('bad-amount', 'amount.zero')
  const { purchaseSinglePiasters: limit } = draft.context.policy
  if (amount > limit && !isHonoured(request)) return draft.decline('amount-limit', 'limit.refund', amount, limit)
  if (amount > limit) flag(draft, 'amount-limit', 'limit.refund')
  const postal = moneyAccount('postalAccount', household.id)
  draft.transfers.push(transfer('refund', counterpartyOf(request, draft), postal, amount))
  draft.set({ balances: [postalGroup(postalAvailable(household) + amount)] })
  return draft.approve(amount)
}

/** DE54 has room for six groups (interfaces.md, "DE54 in answers"). */
const BALANCE_GROUPS_MAX = 6

/**
 * One DE54 group per account code of the wallets, whose grants are summed, and one for the postal account; nothing is
 * opened or posted. Where there are too many, the account that the message names comes first, and empty wallets are
 * left out: so each can be asked for.
 */
function inquire({ fromAccount }: AuthorizationRequest, household: Household, draft: DecisionDraft): Decision {
  const { programmes, entitlementDate } = draft.context
  const suspended = isSuspended(household, draft)
  const byCode = new Map<string, BalanceGroup>()
  for (const programme of programmes.wallets) {
    const period = periodOf(programme, entitlementDate)
    const available = suspended ? 0 : walletAvailable(programme, household, period, programmes)
    const group = walletGroup(programme, available + (byCode.get(programme.accountCode)?.amount ?? 0))
    byCode.set(programme.accountCode, group)
  }
  let groups = [...byCode.values()]
  if (groups.length >= BALANCE_GROUPS_MAX) {
    const isNamed = ({ accountCode }: BalanceGroup) => accountCode === fromAccount
    groups = [...groups.filter(isNamed), ...groups.filter((group) => group.amount > 0 && !isNamed(group))]
  }
  groups = groups.slice(0, BALANCE_GROUPS_MAX - 1)
  // The old ration card has nothing to do with the postal account.
  if (draft.context.card?.kind !== 'ration') groups.push(postalGroup(postalAvailable(household)))
  draft.note('inquiry.balances', groups.length)
  draft.set({ balances: groups })
  return draft.approve(0)
}
