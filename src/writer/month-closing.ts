import type { AuthorizationRequest } from '../authorization/request.ts'
import { transactionTypes } from '../authorization/routing.ts'
import { closeMonth } from '../benefit/closing.ts'
import { monthOfPeriod, periodKindOf } from '../benefit/entitlement.ts'
import type { ProgrammeBook } from '../benefit/programme-book.ts'
import { type CivilMonth, monthOf, nextMonth, previousMonth } from '../calendar.ts'
import { balanceOf, type Household } from '../card/household.ts'
import { accountClasses, classOf } from '../ledger/accounts.ts'
import type { Balance } from '../ledger/transfer.ts'
import type { BatchBuilder } from './batch-builder.ts'
import type { LaneRules } from './lane-rules.ts'

const inquiries: readonly string[] = [transactionTypes.inquiry, transactionTypes.inquiryOther]

/**
 * Whether a request depends on what past months left: it asks for balances, or draws on a wallet that conversions or
 * carried value go into. Everything else goes on while its household waits for the sweep.
 */
export function dependsOnClosing(request: AuthorizationRequest, rules: LaneRules, programmes: ProgrammeBook): boolean {
  const { transactionType, fromAccount, toAccount, acceptor } = request
  if (inquiries.includes(transactionType)) return true
  const targets = closingTargets(programmes)
  if (targets.has(fromAccount) || targets.has(toAccount)) return true
  if (fromAccount !== '00') return false
  const outlet = rules.outletByAcceptor(acceptor)
  const meant = outlet === undefined ? undefined : programmes.defaultFor(outlet.category)
  return meant !== undefined && targets.has(meant.accountCode)
}

const targetsOfBook = new WeakMap<ProgrammeBook, ReadonlySet<string>>()

/** Account codes of the wallets that a closing adds to. */
function closingTargets(programmes: ProgrammeBook): ReadonlySet<string> {
  let targets = targetsOfBook.get(programmes)
  if (targets === undefined) {
    const codes = programmes.wallets.flatMap((programme) => {
      const { atPeriodEnd: end } = programme
      if (end.action === 'expire') return []
      return end.action === 'carry' ? [programme.accountCode] : [programmes.wallet(end.to)?.accountCode ?? '']
    })
    targets = new Set(codes)
    targetsOfBook.set(programmes, targets)
  }
  return targets
}

/** The last month that is over on the batch's date. */
function lastClosableMonth({ head }: Pick<BatchBuilder, 'head'>): CivilMonth {
  return previousMonth(monthOf(head.entitlementDate))
}

/**
 * Closes the months of a household that are over, once: each with its transfers under a row of the command journal.
 * Memory holds the balances of the current month, so those of the past come in for it and go again.
 * @param past wallets of the months to be closed, by household; nothing is done for one that is not there
 */
export function closeMonths(
  household: Household | undefined,
  past: ReadonlyMap<number, readonly Balance[]>,
  builder: BatchBuilder,
  rules: LaneRules,
): void {
  const wallets = household === undefined ? undefined : past.get(household.id)
  const last = lastClosableMonth(builder)
  if (household === undefined || wallets === undefined || household.closedMonth >= last) return
  builder.touch(household)
  for (const wallet of wallets) {
    if (balanceOf(household, wallet.account, wallet.period) === undefined) household.balances.push({ ...wallet })
  }
  const closingRules = { programmesOn: rules.programmesOn, serviceLiveFrom: rules.policy.serviceLiveFrom }
  while (household.closedMonth < last) {
    const month = nextMonth(household.closedMonth)
    const { transfers, programmes } = closeMonth(household, month, closingRules)
    builder.addClosing(household, month, transfers, { month, programmes })
    household.closedMonth = month
  }
  const current = household.balances.filter(
    ({ account, period }) =>
      classOf(account) !== accountClasses.wallet || periodKindOf(period) === 'span' || monthOfPeriod(period) > last,
  )
  household.balances.splice(0, household.balances.length, ...current)
}
