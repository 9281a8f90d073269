import type { CoverProgramme, PaymentProgramme, WalletProgramme } from '../benefit/programme.ts'
import type { Decision, DecisionDraft } from './decision.ts'
import { isHonoured } from './elsewhere.ts'
import type { AuthorizationRequest } from './request.ts'

/** Where a transaction's value comes from. */
export type Target =
  | {
      readonly kind: 'wallet'
      /** Those of its account code, in the order in which they are drawn: never empty. */
      readonly programmes: readonly WalletProgramme[]
      readonly programme: WalletProgramme
    }
  /** With the programme of a bill that is paid. */
  | { readonly kind: 'postal'; readonly payment: PaymentProgramme | undefined }
  | { readonly kind: 'health'; readonly programme: CoverProgramme }

/** Transaction types of DE3, first two digits (interfaces.md, "Processing code"). */
export const transactionTypes = {
  purchase: '00',
  cash: '01',
  cashback: '09',
  quasiCash: '11',
  refund: '20',
  deposit: '21',
  load: '28',
  inquiry: '30',
  inquiryOther: '31',
  eligibility: '39',
  transfer: '40',
  billPayment: '50',
} as const

const known = new Set<string>(Object.values(transactionTypes))
/** Types that would take value out as money, whoever asks. */
const moneyOut = new Set<string>(['01', '09', '11', '40'])
/** Types that would bring money in. */
const moneyIn = new Set<string>(['21', '28'])
/** Types that sell goods, and may hand out cash with them. */
const sales = new Set<string>([transactionTypes.purchase, transactionTypes.cashback])
const postalCodes = new Set(['10', '20'])

const withoutAmount = new Set<string>([
  transactionTypes.inquiry,
  transactionTypes.inquiryOther,
  transactionTypes.eligibility,
])

/** Whether messages of a type ask, and move nothing: they need no DE4. */
export function isWithoutAmount(transactionType: string): boolean {
  return withoutAmount.has(transactionType)
}

/** Whether Mizan carries the type at all. */
export function isKnownType(transactionType: string): boolean {
  return known.has(transactionType)
}

/**
 * Finds the account that a transaction draws on (M3) and refuses, first of all, whatever would turn a subsidy into
 * money (M4). With account code 00 the outlet's category decides; an unknown outlet is payments only.
 */
export function route(request: AuthorizationRequest, draft: DecisionDraft): Target | Decision {
  const target = targetOf(request, draft)
  if ('result' in target) return target
  const { transactionType } = request
  const isRationCard = draft.context.card?.kind === 'ration'
  if (target.kind === 'postal') {
    if (isCashUnclear(request)) return draft.decline('format-error', 'message.fault', '54')
    if (isRationCard) return draft.decline('not-for-this-card', 'old-card.goods-only', 'the postal account')
    draft.note('route.postal', request.fromAccount)
    if (target.payment !== undefined) draft.note('route.payment', target.payment.code, target.payment.version)
    return target
  }
  const { code } = target.programme
  const refundToMoney = transactionType === transactionTypes.refund && postalCodes.has(request.toAccount)
  const isCash = moneyOut.has(transactionType) || request.cashbackPiasters > 0
  if (isCash || moneyIn.has(transactionType) || refundToMoney) {
    return draft.decline('subsidy-not-cash', 'subsidy.cash', transactionType, code)
  }
  // Tariffs, baskets and caps of a subsidy are in pounds: what a network converted agrees with none of them.
  if (request.foreign !== undefined)
    return draft.decline('bad-amount', 'amount.foreign', request.foreign.currency, code)
  if (target.kind === 'wallet') {
    draft.note('route.wallet', code, request.fromAccount, target.programme.version)
    return target
  }
  if (isRationCard) return draft.decline('not-for-this-card', 'old-card.goods-only', code)
  draft.note('route.health', request.fromAccount, target.programme.version)
  return target
}

/**
 * A purchase with cashback that does not say how much of it is cash, and a cash part of what hands none out: either would
 * go around the day's limits on cash. What an advice tells of is out already.
 */
function isCashUnclear(request: AuthorizationRequest): boolean {
  const { transactionType: type, cashbackPiasters } = request
  if (isHonoured(request)) return false
  return cashbackPiasters > 0 ? !handsOutCash(type) : type === transactionTypes.cashback
}

/** Whether a type may have a cash part (DE54 type 40): a purchase with one is one with cashback, whatever it calls itself. */
export function handsOutCash(transactionType: string): boolean {
  return sales.has(transactionType) || transactionType === transactionTypes.cash
}

/**
 * The type by which a place is judged: where goods may be sold, cash may still not be handed out. An advice tells of what
 * was done.
 */
export function placeTypeOf(request: AuthorizationRequest): string {
  const { transactionType: type, cashbackPiasters } = request
  const isCashback = type === transactionTypes.purchase && cashbackPiasters > 0 && !isHonoured(request)
  return isCashback ? transactionTypes.cashback : type
}

/** Cash that is handed out with goods, and is posted beside them, piasters. */
export function cashbackOf({ transactionType, cashbackPiasters }: AuthorizationRequest): number {
  return sales.has(transactionType) ? cashbackPiasters : 0
}

function targetOf(request: AuthorizationRequest, draft: DecisionDraft): Target | Decision {
  const { programmes, outlet } = draft.context
  const code = accountCode(request)
  if (postalCodes.has(code)) return postal(request, draft)
  const programme = programmes.byAccountCode(code)
  if (programme !== undefined) return targetIn(programme, draft)
  if (code !== '00') return draft.decline('invalid-transaction', 'account.unknown', code)
  const meant = outlet === undefined ? undefined : programmes.defaultFor(outlet.category)
  return meant === undefined ? postal(request, draft) : targetIn(meant, draft)
}

/**
 * Bills are known by their type and the biller's category, which a message may name itself: it may be paid anywhere.
 */
function postal({ transactionType, mcc, schemeRail }: AuthorizationRequest, draft: DecisionDraft): Target {
  const { programmes, outlet } = draft.context
  const payment = schemeRail
    ? undefined
    : programmes.payments.find(
        (one) => one.transactionType === transactionType && one.mccs.includes(mcc === '' ? (outlet?.mcc ?? '') : mcc),
      )
  return { kind: 'postal', payment }
}

function targetIn(programme: WalletProgramme | CoverProgramme, draft: DecisionDraft): Target {
  if (programme.kind === 'cover') return { kind: 'health', programme }
  return {
    kind: 'wallet',
    programme,
    programmes: draft.context.programmes.walletsByAccountCode(programme.accountCode),
  }
}

/** What credits names its account in the fifth and sixth digits when the third and fourth leave it open. */
function accountCode(request: AuthorizationRequest): string {
  const credits = request.transactionType === transactionTypes.refund || moneyIn.has(request.transactionType)
  const creditSide = credits && request.fromAccount === '00'
  return creditSide ? request.toAccount : request.fromAccount
}
