import { balanceOf, type Household } from '../card/household.ts'
import { type AccountNumber, moneyAccount } from '../ledger/accounts.ts'
import { type Transfer, transfer } from '../ledger/transfer.ts'
import type { DecisionDraft } from './decision.ts'

/** What a household owes on a debt account, after transfers that are not applied to it yet; never below zero. */
export function owedOn(
  account: AccountNumber,
  household: Pick<Household, 'balances'>,
  transfers: readonly Transfer[] = [],
): number {
  let owed = 0
  for (const balance of household.balances) if (balance.account === account) owed = -balance.posted
  for (const row of transfers) {
    if (row.debit === account) owed += row.amount
    if (row.credit === account) owed -= row.amount
  }
  return owed
}

/**
 * Advances what the postal account lacks for money that is gone already, so that the account itself never falls below
 * zero: in the same group, before what takes it.
 * @param shortPiasters what is lacking; nothing happens for zero or less
 */
export function advanceMoney(household: Household, shortPiasters: number, draft: DecisionDraft): void {
  if (shortPiasters <= 0) return
  const { id } = household
  const debt = moneyAccount('householdDebt', id)
  draft.transfers.push(transfer('overdraftAdvance', debt, moneyAccount('postalAccount', id), shortPiasters))
  draft.note('overdraft.advanced', shortPiasters, owedOn(debt, household, draft.transfers))
}

/**
 * The transfer that recovers what a household owes from what its postal account has after a group: whoever owes has
 * nothing available, so what comes in pays the debt first.
 * @param transfers of the group, not applied to the household yet
 * @param freedPiasters what holds reserve less after it; below zero for what they reserve more
 * @returns undefined where nothing is owed or nothing is there
 */
export function debtRecovery(
  household: Household,
  transfers: readonly Transfer[],
  freedPiasters: number,
): Transfer | undefined {
  const debt = moneyAccount('householdDebt', household.id)
  const before = balanceOf(household, debt, 0)
  // Of a remote account the host has the money: here it holds nothing that could be taken.
  if (before === undefined || before.posted === 0 || household.accountAt === 'host') return undefined
  const postal = moneyAccount('postalAccount', household.id)
  const balance = balanceOf(household, postal, 0)
  let available = freedPiasters + (balance === undefined ? 0 : balance.posted - balance.held)
  for (const row of transfers) {
    if (row.credit === postal) available += row.amount
    if (row.debit === postal) available -= row.amount
  }
  const amount = Math.min(available, owedOn(debt, household, transfers))
  return amount > 0 ? transfer('overdraftRecovery', postal, debt, amount) : undefined
}
