import type { CoverProgramme, WalletProgramme } from '../benefit/programme.ts'
import type { Decision, DecisionDraft } from './decision.ts'
import type { AuthorizationRequest } from './request.ts'

/** Where a transaction's value comes from. */
export type Target =
  | { readonly kind: 'wallet'; readonly programme: WalletProgramme }
  | { readonly kind: 'postal' }
  | { readonly kind: 'health' }

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
const postalCodes = new Set(['10', '20'])

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
  if (target.kind === 'postal') {
    draft.note('route.postal', request.fromAccount)
    return target
  }
  const name = target.kind === 'wallet' ? target.programme.code : 'health cover'
  const refundToMoney = transactionType === transactionTypes.refund && postalCodes.has(request.toAccount)
  if (moneyOut.has(transactionType) || moneyIn.has(transactionType) || refundToMoney) {
    return draft.decline('subsidy-not-cash', 'subsidy.cash', transactionType, name)
  }
  if (target.kind === 'wallet') draft.note('route.wallet', target.programme.code, request.fromAccount)
  else draft.note('route.health', request.fromAccount)
  return target
}

function targetOf(request: AuthorizationRequest, draft: DecisionDraft): Target | Decision {
  const { programmes, outlet } = draft.context
  const code = accountCode(request)
  if (postalCodes.has(code)) return { kind: 'postal' }
  const programme = programmes.byAccountCode(code)
  if (programme !== undefined) return targetIn(programme)
  if (code !== '00') return draft.decline('invalid-transaction', 'account.unknown', code)
  const meant = outlet === undefined ? undefined : programmes.defaultFor(outlet.category)
  return meant === undefined ? { kind: 'postal' } : targetIn(meant)
}

function targetIn(programme: WalletProgramme | CoverProgramme): Target {
  return programme.kind === 'cover' ? { kind: 'health' } : { kind: 'wallet', programme }
}

/** A refund names the account it credits in the fifth and sixth digits when the third and fourth leave it open. */
function accountCode(request: AuthorizationRequest): string {
  const creditSide = request.transactionType === transactionTypes.refund && request.fromAccount === '00'
  return creditSide ? request.toAccount : request.fromAccount
}
