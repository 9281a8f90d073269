import { assert } from '../errors.ts'
import { type AccountNumber, isDebtAccount, isHouseholdAccount } from './accounts.ts'
import { inverseKinds, isPostingAllowed, type TransferKind } from './posting-rules.ts'

/**
 * The journal's row: one debit account, one credit account, one positive amount. Both accounts count the same unit.
 * `period` names the entitlement period of the wallet side (yyyymmdd day cell, yyyymm month; 0 where no wallet stands):
 * a wallet is one balance per period.
 */
export interface Transfer {
  readonly kind: TransferKind
  readonly debit: AccountNumber
  readonly credit: AccountNumber
  /** Piasters, loaves or kilograms by the accounts' unit. */
  readonly amount: number
  readonly period: number
}

/** Builds a transfer after checking it against the posting rules; a breach is a defect of the caller. */
export function transfer(
  kind: TransferKind,
  debit: AccountNumber,
  credit: AccountNumber,
  amount: number,
  period = 0,
): Transfer {
  assert(Number.isSafeInteger(amount) && amount > 0, 'a transfer moves a positive whole amount')
  assert(isPostingAllowed(kind, debit, credit), `a ${kind} may not debit and credit these kinds of account`)
  return { kind, debit, credit, amount, period }
}

/**
 * The transfer that undoes `original`, fully or for `amount` of it.
 * @returns undefined for kinds that stand (issue, expiry, conversion)
 */
export function inverseOf(original: Transfer, amount = original.amount): Transfer | undefined {
  const kind = inverseKinds[original.kind]
  return kind === undefined ? undefined : transfer(kind, original.credit, original.debit, amount, original.period)
}

/** Balance of one account in one period: credits minus debits, and how much of it open holds reserve. */
export interface Balance {
  readonly account: AccountNumber
  readonly period: number
  posted: number
  held: number
  /** Opened by a batch that is not durable yet: the database does not have it. */
  readonly isNew?: true
}

/** What may still be spent: holds count at once. */
export function availableOf(balance: Balance): number {
  return balance.posted - balance.held
}

/** A pending transfer of an approved 0100: it reserves at once and ends exactly once. */
export interface Hold {
  /** The authorization that made it. */
  readonly id: number
  readonly kind: TransferKind
  readonly debit: AccountNumber
  readonly credit: AccountNumber
  /** What was held at first, piasters. */
  readonly amount: number
  /** The part of it that the outlet handed out in cash with the goods. */
  readonly cashback: number
  /** Milliseconds since 1970 UTC, from Mizan's own clock. */
  readonly expiresAtMs: number
}

/** A hold that has not ended, with what it still reserves: always above zero. */
export interface OpenHold extends Hold {
  readonly openAmount: number
  readonly openCashback: number
}

export type HoldEnding = 'captured' | 'voided' | 'expired'

/**
 * What happens to an open hold: a part is captured, a part is given free. It ends with the event that leaves nothing
 * open, and only then.
 */
export interface HoldEvent {
  readonly hold: OpenHold
  readonly captured: number
  /** Of what is captured, the cash. */
  readonly cashback: number
  readonly released: number
  readonly ending: HoldEnding | undefined
}

/** What is left of a hold after an event; undefined when that ended it. */
export function holdAfter({ hold, captured, cashback, released, ending }: HoldEvent): OpenHold | undefined {
  const openAmount = hold.openAmount - captured - released
  assert(openAmount >= 0 && captured >= 0 && released >= 0, 'no more of a hold is taken or given free than is open')
  assert((openAmount === 0) === (ending !== undefined), 'a hold ends when nothing of it is open')
  if (openAmount === 0) return undefined
  return { ...hold, openAmount, openCashback: Math.min(hold.openCashback - cashback, openAmount) }
}

/** Applies one side of a transfer to a balance; what a household has stays above zero, and what it owes below. */
export function applyToBalance(balance: Balance, delta: number, heldDelta = 0): void {
  balance.posted += delta
  balance.held += heldDelta
  assert(Number.isSafeInteger(balance.posted), 'a balance must stay a safe integer')
  assert(balance.held >= 0, 'holds cannot be negative')
  if (isDebtAccount(balance.account)) {
    assert(balance.posted <= 0, 'no more is recovered of a household than it owes')
  } else if (isHouseholdAccount(balance.account)) {
    assert(balance.posted - balance.held >= 0, 'a household account may not fall below zero')
  }
}
