import type { WalletProgramme } from '../benefit/programme.ts'
import {
  advancedAccount,
  advancedTo,
  entitledIn,
  isClosed,
  issue,
  recover,
  recoveriesIn,
  walletAccount,
} from '../benefit/wallet.ts'
import { balanceOf, type Household } from '../card/household.ts'
import { subsidyAccount } from '../ledger/accounts.ts'
import { type Transfer, transfer } from '../ledger/transfer.ts'
import { COUNTED_UNITS, EGP } from '../money.ts'
import type { BalanceGroup, DecisionDraft, Notice } from './decision.ts'
import { owedOn } from './overdraft.ts'
import type { Outlet } from './request.ts'

/** DE54 group with a wallet's available balance. */
export function walletGroup(programme: WalletProgramme, available: number): BalanceGroup {
  const currency = programme.unit === 'EGP' ? EGP : COUNTED_UNITS
  return { accountCode: programme.accountCode, amountType: '02', currency, amount: available }
}

/** Opens a period at first touch, in the same group as the draw (architecture.md, "Lazy entitlement"). */
function openPeriod(programme: WalletProgramme, household: Household, period: number, draft: DecisionDraft): void {
  const account = walletAccount(programme, household)
  if (balanceOf(household, account, period) !== undefined || isClosed(programme, household, period)) return
  const isOpened = (row: Transfer) => row.kind === 'entitlementIssue' && row.credit === account && row.period === period
  recoverFirst(programme, household, period, draft)
  if (draft.transfers.some(isOpened)) return
  const entitled = entitledIn(programme, household, period)
  if (entitled === 0) return
  draft.transfers.push(issue(programme, household, entitled, period))
  draft.note('wallet.open', period, entitled)
}

/** Pays what was advanced to the household, once in a group, by opening the first periods that nobody touched. */
function recoverFirst(programme: WalletProgramme, household: Household, period: number, draft: DecisionDraft): void {
  const owed = advancedTo(programme, household)
  const account = walletAccount(programme, household)
  if (owed === 0 || draft.transfers.some(({ kind, debit }) => kind === 'advanceRecovery' && debit === account)) return
  let left = owed
  for (const { period: first, entitled, recovered } of recoveriesIn(programme, household, period)) {
    draft.transfers.push(issue(programme, household, entitled, first), recover(programme, household, recovered, first))
    left -= recovered
    draft.note('wallet.open', first, entitled)
    draft.note('advance.recovered', recovered, first, left)
  }
}

/**
 * Advances units of later periods to one that is open or opened here: for what a terminal gave on its own and no day of
 * the month can give back.
 */
export function advanceUnits(
  programme: WalletProgramme,
  household: Household,
  { period, amount }: { readonly period: number; readonly amount: number },
  draft: DecisionDraft,
): void {
  openPeriod(programme, household, period, draft)
  const [advanced, wallet] = [advancedAccount(programme, household), walletAccount(programme, household)]
  draft.transfers.push(transfer('entitlementAdvance', advanced, wallet, amount, period))
  draft.note('advance.made', amount, period, owedOn(advanced, household, draft.transfers))
}

/** Takes an amount above zero from what is available of a period, and opens the period before if need be. */
export function drawPeriod(
  programme: WalletProgramme,
  household: Household,
  outlet: Outlet,
  { period, available, amount }: { period: number; available: number; amount: number },
  draft: DecisionDraft,
): void {
  openPeriod(programme, household, period, draft)
  const redeemed = subsidyAccount('redeemed', programme.unit, programme.number, outlet.id)
  draft.transfers.push(transfer('subsidyRedemption', walletAccount(programme, household), redeemed, amount, period))
  draft.note('wallet.drawn', amount, period, available - amount)
}

/**
 * The first subsidised dispense with the new card, or with a telephone that stands for it, stops the old ration card in
 * the same commit (M17). The old card itself stops nothing.
 */
export function stopOldCard(household: Household, draft: DecisionDraft): void {
  if (household.oldRationCard !== 'active' || draft.context.card?.kind === 'ration') return
  draft.set({ stopOldRationCard: true })
  draft.note('old-card.stopped')
}

/** What the household is told of a draw, where the programme says so: the unit is the programme's. */
export function dispenseNotice(programme: WalletProgramme, amount: number, left: number): Notice | undefined {
  if (!programme.notify.dispense) return undefined
  const { unit, name, period } = programme
  const rest = { amount: left, unit }
  const remaining = period === 'day' ? { leftToday: rest } : period === 'month' ? { leftMonth: rest } : {}
  return { template: 'dispense', detail: { amount: { amount, unit }, programme: name, ...remaining } }
}
