import type { WalletProgramme } from '../benefit/programme.ts'
import { entitledIn, issue, walletAccount } from '../benefit/wallet.ts'
import { balanceOf, type Household } from '../card/household.ts'
import { subsidyAccount } from '../ledger/accounts.ts'
import { transfer } from '../ledger/transfer.ts'
import { COUNTED_UNITS, EGP } from '../money.ts'
import type { BalanceGroup, DecisionDraft, Notice } from './decision.ts'
import type { Outlet } from './request.ts'

/** DE54 group with a wallet's available balance. */
export function walletGroup(programme: WalletProgramme, available: number): BalanceGroup {
  const currency = programme.unit === 'EGP' ? EGP : COUNTED_UNITS
  return { accountCode: programme.accountCode, amountType: '02', currency, amount: available }
}

/** Opens a period at first touch, in the same group as the draw (architecture.md, "Lazy entitlement"). */
function openPeriod(programme: WalletProgramme, household: Household, period: number, draft: DecisionDraft): void {
  const account = walletAccount(programme, household)
  if (balanceOf(household, account, period) !== undefined) return
  const entitled = entitledIn(programme, household, period)
  if (entitled === 0) return
  draft.transfers.push(issue(programme, household, entitled, period))
  draft.note('wallet.open', period, entitled)
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
