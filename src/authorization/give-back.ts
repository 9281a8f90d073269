import { capOf } from '../benefit/basket.ts'
import { coPaymentRule, yearOf } from '../benefit/cover.ts'
import { firstDateOf, isPeriodOpen, lastOpenDate, periodKindOf, periodOf } from '../benefit/entitlement.ts'
import type { WalletProgramme } from '../benefit/programme.ts'
import { walletAccount, walletAvailable } from '../benefit/wallet.ts'
import { type CivilDate, monthOf } from '../calendar.ts'
import {
  type Household,
  numberOfCounter,
  OFFLINE_COUNTER,
  programmeOfCounter,
  termOn,
  usedOf,
} from '../card/household.ts'
import {
  type AccountNumber,
  accountClasses,
  classOf,
  moneyAccount,
  subsidyAccount,
  tailOf,
} from '../ledger/accounts.ts'
import { inverseOf, type Transfer, transfer } from '../ledger/transfer.ts'
import type { Unit } from '../money.ts'
import type { BalanceGroup, Decision, DecisionDraft, StoredAuthorization, UsageChange } from './decision.ts'
import { owedOn } from './overdraft.ts'
import { postalAvailable, postalGroup } from './postal.ts'
import { walletGroup } from './wallets.ts'

const units: readonly Unit[] = ['EGP', 'LOAF', 'KG']

/** Whether an account counts pieces or kilograms, and not piasters. */
export function isCounted(account: AccountNumber): boolean {
  return Math.floor(tailOf(account) / 100) !== 0
}

function expiredAccount(wallet: AccountNumber): AccountNumber {
  const tail = tailOf(wallet)
  return subsidyAccount('expired', units[Math.floor(tail / 100)] ?? 'EGP', tail % 100, 0)
}

/** Whether a wallet can still be drawn in a period: its month is not over, nor the span of its programme. */
function isWalletOpen(wallet: AccountNumber, period: number, { context }: DecisionDraft): boolean {
  const { entitlementDate, programmes } = context
  if (periodKindOf(period) !== 'span') return isPeriodOpen(period, entitlementDate)
  const programme = programmes.byNumber(tailOf(wallet) % 100)
  return programme?.kind === 'wallet' && lastOpenDate(programme, period) >= entitlementDate
}

/**
 * Posts the inverse of transfers. What goes back to a wallet whose period is closed lapses to the state in the same
 * group (product.md: a refund restores the same cell or wallet if its period is open, else expires; never money).
 */
export function giveBack(transfers: readonly Transfer[], draft: DecisionDraft): void {
  for (const original of transfers) {
    const inverse = inverseOf(original)
    if (inverse === undefined) continue
    draft.transfers.push(inverse)
    const { credit, amount, period } = inverse
    if (classOf(credit) !== accountClasses.wallet) continue
    const left = amount - payAdvance(credit, amount, period, draft)
    if (left === 0 || isWalletOpen(credit, period, draft)) continue
    draft.transfers.push(transfer('entitlementExpiry', credit, expiredAccount(credit), left, period))
    draft.note('period.closed', period, left)
  }
}

/** What comes back to a wallet pays first for what was advanced to it. @returns how much */
function payAdvance(wallet: AccountNumber, amount: number, period: number, draft: DecisionDraft): number {
  const { household } = draft.context
  if (household === undefined) return 0
  const tail = tailOf(wallet)
  const advanced = subsidyAccount('advanced', units[Math.floor(tail / 100)] ?? 'EGP', tail % 100, household.id)
  const recovered = Math.min(amount, owedOn(advanced, household, draft.transfers))
  if (recovered === 0) return 0
  draft.transfers.push(transfer('advanceRecovery', wallet, advanced, recovered, period))
  draft.note('advance.recovered', recovered, period, owedOn(advanced, household, draft.transfers))
  return recovered
}

/** What of an authorization by value has not come back yet: the household's money, and each wallet's part. */
export interface Outstanding {
  /** The leg that took money; undefined when none did. */
  readonly bought: Transfer | undefined
  readonly money: number
  /** Redemptions with what is left of each: the wallet that was drawn last comes first. */
  readonly wallets: readonly Transfer[]
  readonly subsidy: number
}

/** Finds what of an authorization by value is still to be given back, after the refunds that stand. */
export function outstandingOf({ transfers, refunds }: StoredAuthorization): Outstanding {
  const bought = transfers.find((row) => row.kind === 'purchase' || row.kind === 'coPayment')
  const paidBack = refunds.reduce((sum, row) => sum + (row.kind === 'refund' ? row.amount : 0), 0)
  const wallets: Transfer[] = []
  for (const row of transfers) {
    if (row.kind !== 'subsidyRedemption') continue
    const back = refunds.filter((one) => one.kind === 'subsidyRestoration' && one.credit === row.debit)
    const restored = back.reduce((sum, one) => sum + (one.period === row.period ? one.amount : 0), 0)
    if (row.amount > restored) wallets.unshift({ ...row, amount: row.amount - restored })
  }
  const subsidy = wallets.reduce((sum, row) => sum + row.amount, 0)
  return { bought, money: bought === undefined ? 0 : bought.amount - paidBack, wallets, subsidy }
}

/** Parts of redemptions that come to so much subsidy value; at most what is outstanding. */
export function subsidyLegs({ wallets }: Outstanding, amount: number): Transfer[] {
  const legs: Transfer[] = []
  let open = amount
  for (const row of wallets) {
    const part = Math.min(open, row.amount)
    if (part > 0) legs.push({ ...row, amount: part })
    open -= part
  }
  return legs
}

/** Whether memory holds what was used in a period: what was counted in one that is over counts no more. */
function isCurrent(period: number, date: CivilDate): boolean {
  const month = monthOf(date)
  return period === month || period === yearOf(date) || Math.floor(period / 100) === month
}

/**
 * Undoes what an authorization counted against caps. Undoing a refund counts again, and is refused where the household
 * has used the cap otherwise since.
 */
export function undoUsages(usages: readonly UsageChange[], draft: DecisionDraft): Decision | undefined {
  const { household, entitlementDate } = draft.context
  if (household === undefined) return undefined
  const undone = usages.filter(({ period }) => isCurrent(period, entitlementDate))
  for (const { counter, period, change } of undone) {
    if (change >= 0) continue
    const cap = capOfCounter(counter, household, draft)
    const used = usedOf(household, counter, period)
    if (cap !== undefined && used - change > cap) return draft.decline('insufficient', 'cap.used', counter, used, cap)
  }
  for (const { counter, period, change } of undone) draft.use(counter, period, -change)
  return undefined
}

/** The most that a counter may come to; undefined without a cap. */
function capOfCounter(counter: number, household: Household, { context }: DecisionDraft): number | undefined {
  const { programmes, entitlementDate } = context
  const programme = programmes.byNumber(programmeOfCounter(counter))
  const no = numberOfCounter(counter)
  if (programme?.kind === 'wallet') {
    if (no === OFFLINE_COUNTER) return programme.offline?.perDay
    const product = programme.basket.products?.find((one) => one.no === no)
    if (product === undefined) return undefined
    return capOf(product, termOn(household, firstDateOf(monthOf(entitlementDate))).members)
  }
  const service = programme?.kind === 'cover' ? programme.services.find((one) => one.no === no) : undefined
  if (programme?.kind !== 'cover' || service === undefined) return undefined
  const capLeft = coPaymentRule(programme, service, household, entitlementDate)?.capLeft
  return capLeft === undefined ? undefined : capLeft + usedOf(household, counter, yearOf(entitlementDate))
}

/** DE54 of a return: what the accounts that took value back have now; of a wallet, in the period of today. */
export function balancesAfter(draft: DecisionDraft): BalanceGroup[] {
  const { household } = draft.context
  if (household === undefined) return []
  const groups = restored(household, draft).map(({ programme, left }) => walletGroup(programme, left))
  const postal = moneyAccount('postalAccount', household.id)
  const paid = changeOf(postal, 0, draft)
  if (paid !== 0) groups.push(postalGroup(postalAvailable(household) + paid))
  return groups
}

/** Tells the household of value that is back in a wallet and can be drawn again. */
export function tellReturn(draft: DecisionDraft): void {
  const { household } = draft.context
  if (household === undefined) return
  const told = restored(household, draft).find(({ programme, back }) => programme.notify.dispense && back > 0)
  if (told === undefined) return
  const { programme, back, left } = told
  const { unit, name, period } = programme
  const rest = { amount: left, unit }
  const remaining = period === 'day' ? { leftToday: rest } : period === 'month' ? { leftMonth: rest } : {}
  const detail = { amount: { amount: back, unit }, programme: name, ...remaining }
  draft.set({ notice: { template: 'dispense-returned', detail } })
}

interface Restored {
  readonly programme: WalletProgramme
  /** Units that came back and did not lapse. */
  readonly back: number
  readonly left: number
}

function restored(household: Household, draft: DecisionDraft): Restored[] {
  const { programmes, entitlementDate } = draft.context
  const found: Restored[] = []
  for (const programme of programmes.wallets) {
    const account = walletAccount(programme, household)
    if (!draft.transfers.some((row) => row.credit === account)) continue
    const period = periodOf(programme, entitlementDate)
    const left = walletAvailable(programme, household, period, programmes) + changeOf(account, period, draft)
    found.push({ programme, back: changeOf(account, undefined, draft), left })
  }
  return found
}

/** What the collected transfers change of an account in a period, or in all. */
function changeOf(account: AccountNumber, period: number | undefined, { transfers }: DecisionDraft): number {
  let change = 0
  for (const row of transfers) {
    if (period !== undefined && row.period !== period) continue
    if (row.credit === account) change += row.amount
    if (row.debit === account) change -= row.amount
  }
  return change
}
