import { type AccountNumber, kindOf, moneyAccount, moneyKinds } from '../../ledger/accounts.ts'
import { type BreakName, breakTypes } from './breaks.ts'

/** What corrects a break: a posting of the settlement kinds. */
export interface CorrectingPosting {
  readonly kind: 'toSuspense' | 'fromSuspense' | 'writeOff' | 'writeBack'
  readonly debit: AccountNumber
  readonly credit: AccountNumber
  readonly amountPiasters: number
}

/** Where the difference of an exception stands. */
export interface Difference {
  readonly break: BreakName
  /** The account that holds it; undefined when nothing of it is in the ledger. */
  readonly account: AccountNumber | undefined
  /** What of its balance has to go: above zero = a credit too much, below = a debit too much. */
  readonly differencePiasters: number
}

const { acquirerClearing, cashClearing, schemeClearing, settlementTransit, settlementAccount, suspense } = moneyKinds
/** Accounts that suspense may take from and give to (kinds 54, 55). */
const cleared: readonly number[] = [
  acquirerClearing,
  cashClearing,
  schemeClearing,
  settlementTransit,
  settlementAccount,
]

/**
 * Takes a difference off its control account into the suspense of its break, so that the control account says again
 * what it should.
 * @returns nothing when no money stands wrongly on such an account, or it is in suspense already
 */
export function proposeCorrection({ break: name, account, differencePiasters }: Difference): CorrectingPosting[] {
  if (account === undefined || differencePiasters === 0 || !cleared.includes(kindOf(account))) return []
  const held = moneyAccount('suspense', breakTypes[name].number)
  const amountPiasters = Math.abs(differencePiasters)
  return differencePiasters > 0
    ? [{ kind: 'toSuspense', debit: account, credit: held, amountPiasters }]
    : [{ kind: 'fromSuspense', debit: held, credit: account, amountPiasters }]
}

/**
 * Writes a difference off: out of suspense, where it is brought first if it is not there, to the write-offs of its break.
 * @returns nothing when there is no money to write off
 */
export function proposeWriteOff(difference: Difference): CorrectingPosting[] {
  const { break: name, account, differencePiasters } = difference
  if (account === undefined || differencePiasters === 0) return []
  const { number } = breakTypes[name]
  const isHeld = kindOf(account) === suspense
  const first = isHeld ? [] : proposeCorrection(difference)
  if (!isHeld && first.length === 0) return []
  const held = isHeld ? account : moneyAccount('suspense', number)
  // Both sides have one owner (kinds 56, 57): what one break holds is never written off as another's.
  const lost = moneyAccount('writeOffs', Number(held % 100_000_000_000))
  const amountPiasters = Math.abs(differencePiasters)
  return differencePiasters > 0
    ? [...first, { kind: 'writeBack', debit: held, credit: lost, amountPiasters }]
    : [...first, { kind: 'writeOff', debit: lost, credit: held, amountPiasters }]
}
