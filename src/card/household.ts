import type { CivilDate, CivilMonth } from '../calendar.ts'
import { assert } from '../errors.ts'
import type { AccountNumber } from '../ledger/accounts.ts'
import type { Balance, OpenHold } from '../ledger/transfer.ts'
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

/** Where a postal account is held: in this ledger, or at the Post's account host, which is asked for each debit. */
export const accountPlaces = ['local', 'host'] as const
export type AccountPlace = (typeof accountPlaces)[number]

/** The household's own card, a token that stands for it in a telephone (M23), or the paper-era ration card (M17). */
export const cardKinds = ['family', 'device', 'ration'] as const
export type CardKind = (typeof cardKinds)[number]

/** A card as decisions see it; the PAN itself stays outside. */
export interface Card {
  readonly id: number
  readonly kind: CardKind
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

/** The one-time code that the head of household was sent last. The code itself is nowhere: it is made of its factor. */
export interface OneTimeCode {
  /** Number of the authorization or command that had it sent. */
  readonly factor: number
  /** 0 once it was used, or tried too often. */
  readonly expiresAtMs: number
  readonly triesLeft: number
  /** Civil day on which it was sent, and how many were on that day. */
  readonly day: CivilDate
  readonly sent: number
}

/** Leave to draw without the verification that a programme asks for, given by two people for a time. */
export interface VerificationException {
  readonly id: number
  /** Number of the programme; 0 = all. */
  readonly programme: number
  readonly from: CivilDate
  /** Last day. */
  readonly until: CivilDate
}

/** Money withdrawn in cash on one civil day, for the daily limits. */
export interface CashUsage {
  day: CivilDate
  withdrawnPiasters: number
  withdrawals: number
}

/** What holds of a household from a date on. Members and status count for entitlements only from their date (M18). */
export interface HouseholdTerm {
  readonly from: CivilDate
  readonly members: number
  readonly status: HouseholdStatus
}

/**
 * What was used of something that is capped: goods of one kind in a month, co-payments for one service in a year, draws
 * made offline on a day.
 */
export interface Usage {
  /** See {@link usageCounter}. */
  readonly counter: number
  /** yyyymm, yyyy or yyyymmdd, as the cap goes. */
  readonly period: number
  used: number
}

const COUNTERS_OF_PROGRAMME = 10_000
/** Number of the counter for what a programme's cards drew offline. */
export const OFFLINE_COUNTER = 9_999

/**
 * Number of the counter of something that a programme caps.
 * @param programmeNumber 1 to 99
 * @param number of the product or service within the programme, 1 to 9,998, or {@link OFFLINE_COUNTER}
 */
export function usageCounter(programmeNumber: number, number: number): number {
  assert(number >= 1 && number < COUNTERS_OF_PROGRAMME, 'a counter within a programme is 1 to 9,999')
  return programmeNumber * COUNTERS_OF_PROGRAMME + number
}

/** Number of the programme that a counter belongs to. */
export function programmeOfCounter(counter: number): number {
  return Math.floor(counter / COUNTERS_OF_PROGRAMME)
}

/** Number of the product or service that a counter is for, within its programme. */
export function numberOfCounter(counter: number): number {
  return counter % COUNTERS_OF_PROGRAMME
}

/**
 * A household's state, as the one writer of its lane holds it in memory: family card, wallets by period, postal
 * account, open holds. Only decisions that were made durable change it.
 */
export interface Household {
  readonly id: number
  /** Whose outlets serve it: where it lives. */
  governorate: string
  /** Oldest first, never empty, one for a date; only those that can still matter are in memory. */
  terms: readonly HouseholdTerm[]
  /** Codes of the classes that it belongs to, sorted: some entitlements and exemptions are theirs. */
  classes: readonly string[]
  /** Stopped in the commit of the first subsidised dispense with the new card (M17). */
  oldRationCard: OldRationCard
  accountAt: AccountPlace
  /** Last month whose wallets are closed: what was left of them lapsed or was converted. */
  closedMonth: CivilMonth
  readonly cards: Card[]
  readonly balances: Balance[]
  readonly holds: OpenHold[]
  cashUsage: CashUsage | undefined
  /** Those that could still come again. */
  usedAssertions: readonly UsedAssertion[]
  oneTimeCode: OneTimeCode | undefined
  /** Those that are not over. */
  exceptions: readonly VerificationException[]
  /** Of the current periods. */
  readonly usages: Usage[]
}

/** What holds of a household on a date; before its first term, what that one will bring. */
export function termOn({ terms }: Pick<Household, 'terms'>, date: CivilDate): HouseholdTerm {
  let found = terms[0]
  for (const term of terms) if (term.from <= date) found = term
  assert(found !== undefined, 'a household has a term')
  return found
}

/** How much of something capped was used in a period. */
export function usedOf({ usages }: Pick<Household, 'usages'>, counter: number, period: number): number {
  for (const usage of usages) if (usage.counter === counter && usage.period === period) return usage.used
  return 0
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
