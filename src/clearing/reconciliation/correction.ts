import { type AccountNumber, kindOf, moneyAccount, moneyKinds, ownerOf } from '../../ledger/accounts.ts'
import { type BreakName, breakTypes } from './breaks.ts'

/** What corrects a break: a posting of the settlement kinds. */
export interface CorrectingPosting {
  readonly kind: 'toSuspense' | 'fromSuspense' | 'writeOff' | 'writeBack'
  readonly debit: AccountNumber
  readonly credit: AccountNumber
  readonly amountPiasters: number
}

/** Where the money of an exception stands. Above zero = a credit too much, below = a debit too much. */
export interface Difference {
  readonly break: BreakName
  /** The account whose balance is wrong for it; undefined when nothing of it is in the ledger. */
  readonly account: AccountNumber | undefined
  /** All that has to be settled, wherever it stands. */
  readonly openPiasters: number
  /** What of it is in the suspense of its break. */
  readonly suspendedPiasters: number
}

const { settlementTransit, settlementAccount, suspense } = moneyKinds
/**
 * Accounts from which a difference goes into suspense. What is due to institutions (7002 to 7004) is none of them:
 * settlement pays what stands there with all that was moved, so that moving it away would only pay another amount.
 */
const corrected: readonly number[] = [settlementTransit, settlementAccount]

/**
 * The suspense account that holds money of an exception: that of its break, or the one where the bank's statement put
 * it.
 */
export function suspenseOf({ break: name, account }: Pick<Difference, 'break' | 'account'>): AccountNumber {
  if (account !== undefined && kindOf(account) === suspense) return account
  return moneyAccount('suspense', breakTypes[name].number)
}

/** What of an exception stands in suspense. */
export function heldPiasters({ account, openPiasters, suspendedPiasters }: Difference): number {
  return account !== undefined && kindOf(account) === suspense ? openPiasters : suspendedPiasters
}

/** Whether money of an exception can be moved: else it is nobody's but the account's own, and words have to do. */
export function isMovable({ account }: Pick<Difference, 'account'>): boolean {
  return account !== undefined && (corrected.includes(kindOf(account)) || kindOf(account) === suspense)
}

/**
 * Takes what is left of a difference off its control account into the suspense of its break, so that the control
 * account says again what it should; or back, when the other side came meanwhile.
 * @returns nothing when no money stands wrongly on such an account, or it is in suspense already
 */
export function proposeCorrection(difference: Difference): CorrectingPosting[] {
  const { account, openPiasters } = difference
  const leftPiasters = openPiasters - heldPiasters(difference)
  if (account === undefined || leftPiasters === 0 || !isMovable(difference)) return []
  const held = suspenseOf(difference)
  const amountPiasters = Math.abs(leftPiasters)
  return leftPiasters > 0
    ? [{ kind: 'toSuspense', debit: account, credit: held, amountPiasters }]
    : [{ kind: 'fromSuspense', debit: held, credit: account, amountPiasters }]
}

/**
 * Writes a difference off: out of suspense, where it is brought first if it is not there, to the write-offs of its
 * break.
 * @returns nothing when there is no money to write off
 */
export function proposeWriteOff(difference: Difference): CorrectingPosting[] {
  const { account, openPiasters } = difference
  if (account === undefined || openPiasters === 0 || !isMovable(difference)) return []
  const held = suspenseOf(difference)
  // Both sides have one owner (kinds 56, 57): what one break holds is never written off as another's.
  const lost = moneyAccount('writeOffs', ownerOf(held))
  const amountPiasters = Math.abs(openPiasters)
  const first = proposeCorrection(difference)
  return openPiasters > 0
    ? [...first, { kind: 'writeBack', debit: held, credit: lost, amountPiasters }]
    : [...first, { kind: 'writeOff', debit: lost, credit: held, amountPiasters }]
}
