import type { CivilDate } from '../calendar.ts'
import type { AccountNumber } from '../ledger/accounts.ts'
import type { Balance, Hold } from '../ledger/transfer.ts'
import type { CardCounters } from './card-counters.ts'

export const cardStatuses = ['issued', 'active', 'restricted', 'lost', 'stolen', 'closed'] as const
export type CardStatus = (typeof cardStatuses)[number]

/** What an issuer script can have a card do: see `Card.scriptPending`. */
export const cardScripts = ['pin-unblock'] as const
export type CardScript = (typeof cardScripts)[number]

export const householdStatuses = ['active', 'suspended'] as const
export type HouseholdStatus = (typeof householdStatuses)[number]

/** What became of the paper-era ration card. */
export const oldRationCardStates = ['active', 'stopped', 'none'] as const
export type OldRationCard = (typeof oldRationCardStates)[number]

/** A card as decisions see it; the PAN itself stays outside. */
export interface Card {
  readonly id: number
  /** Keyed hash of the PAN, 16 bytes as latin1. */
  readonly panIndex: string
  /** YYMM; the card works to the end of that month. */
  readonly expiry: string
  /** Changed by commands alone. */
  status: CardStatus
  /** Card sequence number (PSN), two digits. */
  readonly sequenceNumber: string
  /** Of the stripe, three digits. */
  readonly serviceCode: string
  /** What is kept of the PIN: the Visa PIN verification value and the index of its key; undefined without a PIN. */
  readonly pinReference: { readonly keyIndex: number; readonly pvv: string } | undefined
  counters: CardCounters
  /** Goes to the chip with the card's next approval online, once. */
  scriptPending: CardScript | undefined
}

/** A biometric assertion that was used, and is not good again. */
export interface UsedAssertion {
  /** 8 bytes as 16 hex digits. */
  readonly nonce: string
  readonly usedAtMs: number
}

/** Money withdrawn in cash on one civil day, for the daily limits. */
export interface CashUsage {
  day: CivilDate
  withdrawnPiasters: number
  withdrawals: number
}

/**
 * A household's state, as the one writer of its lane holds it in memory: family card, wallets by period, postal
 * account, open holds. Only decisions that were made durable change it.
 */
export interface Household {
  readonly id: number
  /** Issuing governorate. */
  readonly governorate: string
  readonly members: number
  readonly status: HouseholdStatus
  /** Stopped in the commit of the first subsidised dispense with the new card (M17). */
  oldRationCard: OldRationCard
  readonly cards: readonly Card[]
  readonly balances: Balance[]
  readonly holds: Hold[]
  cashUsage: CashUsage | undefined
  /** Those that could still come again. */
  usedAssertions: readonly UsedAssertion[]
}

/** Balance of an account and period, if anything was ever posted there. */
export function balanceOf(household: Household, account: AccountNumber, period: number): Balance | undefined {
  for (const balance of household.balances) {
    if (balance.account === account && balance.period === period) return balance
  }
  return undefined
}

/** Whether a card's YYMM expiry lies before the month of a date. An expiry that is not YYMM counts as expired. */
export function isExpired(expiry: string, date: CivilDate): boolean {
  if (!/^\d{4}$/.test(expiry)) return true
  return 200_000 + Number(expiry) < Math.floor(date / 100)
}
