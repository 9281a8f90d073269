import { daysOfMonth, monthOf } from '../calendar.ts'
import { balanceOf, type Household, termOn } from '../card/household.ts'
import { type AccountNumber, subsidyAccount } from '../ledger/accounts.ts'
import { availableOf, type Transfer, transfer } from '../ledger/transfer.ts'
import { entitlementOf, firstDateOf, isEntitled, lastOpenDate, monthOfPeriod } from './entitlement.ts'
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

/**
 * Whether what was left of a period has lapsed or was converted. A clock that goes back over a month's end comes to
 * closed periods again: what was given is not given once more.
 */
export function isClosed(
  programme: Pick<WalletProgramme, 'span'>,
  { closedMonth }: Pick<Household, 'closedMonth'>,
  period: number,
): boolean {
  return monthOf(lastOpenDate(programme, period)) <= closedMonth
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

/** Account of what was advanced to a household in a programme. */
export function advancedAccount(
  { unit, number }: Pick<WalletProgramme, 'unit' | 'number'>,
  { id }: Pick<Household, 'id'>,
): AccountNumber {
  return subsidyAccount('advanced', unit, number, id)
}

/** What a household owes of what a programme advanced to it, in the programme's unit. */
export function advancedTo(programme: Pick<WalletProgramme, 'unit' | 'number'>, household: Household): number {
  const balance = balanceOf(household, advancedAccount(programme, household), 0)
  return balance === undefined ? 0 : -balance.posted
}

/** A period that is opened to recover what was advanced. */
export interface Recovery {
  readonly period: number
  readonly entitled: number
  readonly recovered: number
}

/**
 * What was advanced is recovered from periods that nobody touched, before anything is drawn of them: from the first
 * days of the month on, or from the one period. The same for whoever looks, whichever day of the month it is.
 * @param period any of the month
 */
export function recoveriesIn(programme: WalletProgramme, household: Household, period: number): Recovery[] {
  let owed = advancedTo(programme, household)
  if (owed === 0 || isClosed(programme, household, period)) return []
  const account = walletAccount(programme, household)
  const recoveries: Recovery[] = []
  for (const one of programme.period === 'day' ? daysOfMonth(monthOfPeriod(period)) : [period]) {
    if (balanceOf(household, account, one) !== undefined) continue
    const entitled = entitledIn(programme, household, one)
    const recovered = Math.min(owed, entitled)
    if (recovered === 0) break
    recoveries.push({ period: one, entitled, recovered })
    owed -= recovered
  }
  return recoveries
}

/** The transfer that recovers so much of what a programme advanced. */
export function recover(programme: WalletProgramme, household: Household, amount: number, period: number): Transfer {
  const advanced = advancedAccount(programme, household)
  return transfer('advanceRecovery', walletAccount(programme, household), advanced, amount, period)
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

/**
 * What a wallet can give at its first touch in a period, after what it owes; 0 when it is open or closed, or the
 * household chose otherwise.
 */
function unopenedIn(
  programme: WalletProgramme,
  household: Household,
  period: number,
  programmes: WalletsByCode,
): number {
  if (balanceOf(household, walletAccount(programme, household), period) !== undefined) return 0
  if (isClosed(programme, household, period)) return 0
  if (chosenInstead(programme, household, period, programmes) !== undefined) return 0
  const recovery = recoveriesIn(programme, household, period).find((one) => one.period === period)
  return entitledIn(programme, household, period) - (recovery?.recovered ?? 0)
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
