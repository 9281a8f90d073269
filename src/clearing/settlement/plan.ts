import { type AccountNumber, moneyAccount } from '../../ledger/accounts.ts'
import { failureLines } from '../../store/clearing/settlement-failure.ts'
import { institutionPlans } from './plan-institutions.ts'
import { outletPlans } from './plan-outlets.ts'
import type { Account, Plan, PlanInput } from './plan-parts.ts'

/**
 * Decides what a run instructs. Nothing is lost and nothing is made: for each account what was open, came in, was
 * restored and released is what is held back, instructed and left over.
 */
export function planSettlement(input: PlanInput): Plan {
  const accounts = accountsOf(input)
  const outlets = outletPlans(input, accounts)
  const institutions = institutionPlans(input, accounts)
  return {
    dues: [...outlets.dues, ...institutions.dues].sort((a, b) => a.account - b.account),
    holdbacks: outlets.holdbacks,
    instructions: [...outlets.instructions, ...institutions.instructions],
  }
}

function accountsOf({ openings, added, released, failed }: PlanInput): Map<number, Account> {
  const accounts = new Map<number, Account>()
  const at = (account: number) => {
    let found = accounts.get(account)
    if (found === undefined) {
      found = { account: account as AccountNumber, opening: 0n, added: 0n, restored: 0n, released: 0n, freedBefore: 0n }
      accounts.set(account, found)
    }
    return found
  }
  for (const [account, { piasters, freed }] of openings) {
    at(account).opening += piasters
    at(account).freedBefore += freed
  }
  for (const [account, piasters] of added) at(account).added += piasters
  for (const [outlet, piasters] of released) at(moneyAccount('subsidyPayable', outlet)).released += piasters
  // What was to clear the accounts of an institution is due there again; an outlet's stands on an account of its own.
  for (const { purpose, lines } of failed) {
    if (purpose !== 'net') continue
    for (const { account, piasters } of failureLines({ purpose, lines })) at(account).restored += piasters
  }
  return accounts
}
