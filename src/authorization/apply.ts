import { balanceOf, type Card, type Household, type UsedAssertion } from '../card/household.ts'
import { assert } from '../errors.ts'
import { type AccountNumber, balancePeriodOf, isHouseholdAccount, ownerOf } from '../ledger/accounts.ts'
import {
  applyToBalance,
  type Balance,
  type HoldEvent,
  holdAfter,
  type OpenHold,
  type Transfer,
} from '../ledger/transfer.ts'
import { ASSERTION_VALID_MS } from './authentication.ts'
import type { Decision, UsageChange } from './decision.ts'

/**
 * Applies a decision to the household in memory, so that the next decision of the same batch sees it. The writer makes
 * the same change durable, or forgets this copy when it cannot.
 */
export function applyDecision(decision: Decision, household: Household, card: Card | undefined): void {
  const { transfers, hold, holdEvent, cashUsage, usedAssertion, usages } = decision
  // First, because what a completion captures was reserved by the very hold that it draws on.
  if (holdEvent !== undefined) changeHold(household, holdEvent)
  applyTransfers(transfers, household)
  if (hold !== undefined) {
    applyToBalance(openBalance(household, hold.debit, 0), 0, hold.amount)
    household.holds.push(hold)
  }
  if (decision.stopOldRationCard) household.oldRationCard = 'stopped'
  if (cashUsage !== undefined) countCash(household, cashUsage)
  if (usedAssertion !== undefined) useAssertion(household, usedAssertion)
  for (const usage of usages) countUsage(household, usage)
  if (decision.oneTimeCode !== undefined) household.oneTimeCode = decision.oneTimeCode
  if (card === undefined) return
  if (decision.counters !== undefined) card.counters = decision.counters
  if (decision.script !== undefined) card.scriptPending = undefined
}

/** Applies transfers to the household's balances in memory. */
export function applyTransfers(transfers: readonly Transfer[], household: Household): void {
  const passing = passingWallets(transfers, household)
  for (const { debit, credit, amount, period } of transfers) {
    if (isHouseholdAccount(debit) && !isPassing(debit, period, passing)) {
      applyToBalance(openBalance(household, debit, balancePeriodOf(debit, period)), -amount)
    }
    if (isHouseholdAccount(credit) && !isPassing(credit, period, passing)) {
      applyToBalance(openBalance(household, credit, balancePeriodOf(credit, period)), amount)
    }
  }
}

/** Counts against a cap. What is given back was counted before, so figures stay above zero. */
function countUsage({ usages }: Household, { counter, period, change }: UsageChange): void {
  const usage = usages.find((one) => one.counter === counter && one.period === period)
  if (usage !== undefined) usage.used = Math.max(0, usage.used + change)
  else if (change > 0) usages.push({ counter, period, used: change })
}

/** Adds a nonce, and lets go of those whose assertions are out of time by now. */
function useAssertion(household: Household, used: UsedAssertion): void {
  const since = used.usedAtMs - 2 * ASSERTION_VALID_MS
  household.usedAssertions = [...household.usedAssertions.filter((one) => one.usedAtMs > since), used]
}

/**
 * Wallets of past periods that value only passes through: given back or issued to lapse, to be converted or to pay what
 * was advanced, in the same group. Memory holds the balances of the current month, so such a wallet must not be opened
 * here as if nothing had ever been posted to it: its balance stays.
 */
function passingWallets(transfers: readonly Transfer[], household: Household): readonly Transfer[] {
  return transfers.filter(({ kind, debit, credit, period }) => {
    // What was drawn of an open period is in memory: a return that finds no balance is of one that is over.
    const wallet = kind === 'subsidyRestoration' ? credit : passingKinds.has(kind) ? debit : undefined
    return wallet !== undefined && balanceOf(household, wallet, period) === undefined
  })
}

const passingKinds: ReadonlySet<Transfer['kind']> = new Set(['entitlementExpiry', 'entitlementConversion'])

function isPassing(account: AccountNumber, period: number, passing: readonly Transfer[]): boolean {
  return passing.some((row) => (row.debit === account || row.credit === account) && row.period === period)
}

/**
 * Counts cash against its day. What is given back may belong to a day that memory no longer holds, or may have been
 * counted on an earlier day than it was posted: figures never fall below zero and no day is opened by a return.
 */
function countCash(household: Household, change: NonNullable<Decision['cashUsage']>): void {
  const { day, amountPiasters, count } = change
  const current = household.cashUsage
  if (current?.day === day) {
    current.withdrawnPiasters = Math.max(0, current.withdrawnPiasters + amountPiasters)
    current.withdrawals = Math.max(0, current.withdrawals + count)
  } else if (amountPiasters > 0 && (current === undefined || current.day < day)) {
    household.cashUsage = { day, withdrawnPiasters: amountPiasters, withdrawals: count }
  }
}

/** Releases what is left of a hold whose time is over. @returns the event that ends it */
export function applyHoldExpiry(household: Household, hold: OpenHold): HoldEvent {
  const expiry = { hold, captured: 0, cashback: 0, released: hold.openAmount, ending: 'expired' } as const
  changeHold(household, expiry)
  return expiry
}

function changeHold(household: Household, event: HoldEvent): void {
  const { holds } = household
  const index = holds.findIndex((open) => open.id === event.hold.id)
  assert(index >= 0, 'a hold that is drawn on must be open')
  assert(holds[index]?.openAmount === event.hold.openAmount, 'a hold is as its event found it')
  const left = holdAfter(event)
  if (left === undefined) holds.splice(index, 1)
  else holds[index] = left
  applyToBalance(openBalance(household, event.hold.debit, 0), 0, -event.captured - event.released)
}

function openBalance(household: Household, account: AccountNumber, period: number): Balance {
  assert(ownerOf(account) === household.id, 'a household account belongs to the household that is being served')
  const found = balanceOf(household, account, period)
  if (found !== undefined) return found
  const opened: Balance = { account, period, posted: 0, held: 0, isNew: true }
  household.balances.push(opened)
  return opened
}
