import { balanceOf, type Household, termOn } from '../card/household.ts'
import { type AccountNumber, subsidyAccount } from '../ledger/accounts.ts'
import { availableOf, type Transfer, transfer } from '../ledger/transfer.ts'
import { entitlementOf, firstDateOf, isEntitled, monthOfPeriod } from './entitlement.ts'
import type { WalletProgramme } from './programme.ts'
import type { ProgrammeBook } from './programme-book.ts'

/** Where a programme that another one names is found. */
export type WalletsByCode = Pick<ProgrammeBook, 'wallet'>

/** Wallet account of a household in a programme. */
export function walletAccount(
  { unit, number }: Pick<WalletProgramme, 'unit' | 'number'>,
  { id }: Pick<Household, 'id'>,
): AccountNumber {
  return subsidyAccount('wallet', unit, number, id)
}

/** What the state issues to a household's wallet for a period. */
export function issue(programme: WalletProgramme, household: Household, amount: number, period: number): Transfer {
  const { unit, number, funding } = programme
  const from = subsidyAccount('funding', unit, number, funding.owner)
  return transfer('entitlementIssue', from, walletAccount(programme, household), amount, period)
}

/**
 * What a household is entitled to in one period, in the programme's unit. A day goes by the members of that day, a
 * month by those of its first day: so a change counts for bread from the next day and for the rest from the next month.
 */
export function entitledIn(programme: WalletProgramme, household: Household, period: number): number {
  if (!isEntitled(programme, household.classes)) return 0
  return entitlementOf(programme, termOn(household, firstDateOf(period)).members)
}

/** What is left in one period: the opened balance, or the whole entitlement of a period that nobody touched. */
export function walletAvailable(
  programme: WalletProgramme,
  household: Household,
  period: number,
  programmes: WalletsByCode,
): number {
  const balance = balanceOf(household, walletAccount(programme, household), period)
  return balance === undefined ? unopenedIn(programme, household, period, programmes) : availableOf(balance)
}

/** What a wallet opens with at its first touch in a period; 0 when it is open, or the household chose otherwise. */
export function unopenedIn(
  programme: WalletProgramme,
  household: Household,
  period: number,
  programmes: WalletsByCode,
): number {
  if (balanceOf(household, walletAccount(programme, household), period) !== undefined) return 0
  if (chosenInstead(programme, household, period, programmes) !== undefined) return 0
  return entitledIn(programme, household, period)
}

/**
 * The programme that the household chose instead of this one for the month: bread and flour exclude each other by the
 * month's first draw (subsidy-domain.md, 2.1). A draw that was given back whole does not count.
 */
export function chosenInstead(
  programme: WalletProgramme,
  household: Household,
  period: number,
  programmes: WalletsByCode,
): WalletProgramme | undefined {
  const other = programme.exclusiveWith === undefined ? undefined : programmes.wallet(programme.exclusiveWith)
  if (other === undefined) return undefined
  const month = monthOfPeriod(period)
  const account = walletAccount(other, household)
  const drawn = household.balances.some((balance) => {
    const ofMonth = monthOfPeriod(balance.period) === month
    return balance.account === account && ofMonth && balance.posted < entitledIn(other, household, balance.period)
  })
  return drawn ? other : undefined
}
