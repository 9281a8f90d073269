import { balanceOf, type Household } from '../card/household.ts'
import { assert } from '../errors.ts'
import { type AccountNumber, isHouseholdAccount, ownerOf } from '../ledger/accounts.ts'
import { applyToBalance, type Balance, type Hold } from '../ledger/transfer.ts'
import type { Decision } from './decision.ts'

/**
 * Applies a decision to the household in memory, so that the next decision of the same batch sees it. The writer makes
 * the same change durable, or drops the household from its cache when it cannot.
 */
export function applyDecision(decision: Decision, household: Household): void {
  for (const row of decision.transfers) {
    if (isHouseholdAccount(row.debit)) applyToBalance(openBalance(household, row.debit, row.period), -row.amount)
    if (isHouseholdAccount(row.credit)) applyToBalance(openBalance(household, row.credit, row.period), row.amount)
  }
  const { hold, holdEnding, cashUsage } = decision
  if (hold !== undefined) {
    applyToBalance(openBalance(household, hold.debit, 0), 0, hold.amount)
    household.holds.push(hold)
  }
  if (holdEnding !== undefined) endHold(household, holdEnding.hold)
  if (decision.stopOldRationCard) household.oldRationCard = 'stopped'
  if (cashUsage !== undefined) {
    const current = household.cashUsage?.day === cashUsage.day ? household.cashUsage : undefined
    if (current !== undefined) {
      current.withdrawnPiasters += cashUsage.amountPiasters
      current.withdrawals += cashUsage.count
    } else if (household.cashUsage === undefined || household.cashUsage.day < cashUsage.day) {
      household.cashUsage = {
        day: cashUsage.day,
        withdrawnPiasters: cashUsage.amountPiasters,
        withdrawals: cashUsage.count,
      }
    }
  }
}

/** Releases a hold whose time is over. */
export function applyHoldExpiry(household: Household, hold: Hold): void {
  endHold(household, hold)
}

function endHold(household: Household, hold: Hold): void {
  const index = household.holds.findIndex((open) => open.id === hold.id)
  assert(index >= 0, 'a hold that ends must be open')
  household.holds.splice(index, 1)
  applyToBalance(openBalance(household, hold.debit, 0), 0, -hold.amount)
}

function openBalance(household: Household, account: AccountNumber, period: number): Balance {
  assert(ownerOf(account) === household.id, 'a household account belongs to the household that is being served')
  const found = balanceOf(household, account, period)
  if (found !== undefined) return found
  const opened: Balance = { account, period, posted: 0, held: 0 }
  household.balances.push(opened)
  return opened
}
