import { assert } from '../errors.ts'
import { type Unit, unitCodes } from '../money.ts'

/**
 * An account number reads from the left: class (1 digit), unit (1), sub-kind (2), owner (11); as a number it is
 * `kind × 10^11 + owner`, below 2^53. The number alone says what may be posted to the account, so the database can
 * enforce the posting rules without a look-up. Example: `1101 00000001234` is the bread wallet (class 1, unit loaf,
 * programme 01) of household 1234.
 */
export type AccountNumber = number & { readonly __brand: 'account' }

/** The first digit of an account number. Household accounts (wallet, postal) carry a floor of zero. */
export const accountClasses = {
  /** A household's right to a subsidy for one period; owner = household. */
  wallet: 1,
  /** Subsidy dispensed by an outlet; owner = outlet. */
  redeemed: 2,
  /** The state's side of entitlements; owner 0. */
  funding: 3,
  /** Entitlements that lapsed to the state; owner 0. */
  expired: 4,
  /** Entitlements turned into another programme's; owner 0. */
  converted: 5,
  /** Money of a household; owner = household. */
  postal: 6,
  /** Money owed to or by outlets, acquirers and networks; owner = outlet or acquirer. */
  counterparty: 7,
  /** The institution's own money accounts. */
  own: 8,
  /** Units that a household drew before they were its own; owner = household. */
  advanced: 9,
} as const
export type AccountClass = keyof typeof accountClasses

/** Sub-kinds of the money classes; the subsidy classes use the programme's number instead. */
export const moneyKinds = {
  /** The linked Egypt Post account of a household. */
  postalAccount: 6001,
  /** Purchases payable to an outlet known to Mizan. */
  outletPayable: 7001,
  /** Purchases at outlets known only to their acquirer. */
  acquirerClearing: 7002,
  /** Cash paid out or taken in by an ATM network or post office. */
  cashClearing: 7003,
  /** Purchases that clear through the card scheme's nightly files. */
  schemeClearing: 7004,
  /** Subsidies payable to an outlet for what it dispensed; owner = outlet. */
  subsidyPayable: 7005,
  /** What is held back of an outlet's payables for a while; owner = outlet. */
  holdback: 7006,
  /** Instructed to a settlement bank and not seen there yet; owner = number of the bank. */
  settlementTransit: 7007,
  /** Presentments that are disputed with the card scheme; owner 0. */
  disputes: 7008,
  /** Payouts to an outlet that came back; owner = outlet. */
  unappliedPayouts: 7009,
  /** What reconciliation cannot explain yet; owner = number of the kind of break. */
  suspense: 7010,
  /** The funds that Egypt Post holds behind all postal accounts. */
  postalPool: 8001,
  /** Fees for services: a replaced card, a bill paid. */
  serviceFees: 8002,
  /** The state's money behind benefits that are paid into postal accounts; owner = programme number. */
  stateFunds: 8003,
  /** Money that was paid for a household beyond what it had; owner = household. */
  householdDebt: 8004,
  /** What the Post's account host owes for what accounts it holds have paid, less what it was given back; owner 0. */
  accountHostDue: 8005,
  /** The state's money behind subsidies: a debit balance is due from it; owner = programme number. */
  subsidyFunds: 8006,
  /** Our account at a settlement bank: a debit balance is what the bank owes us; owner = number of the bank. */
  settlementAccount: 8007,
  /** Differences that two people gave up; owner = number of the kind of break. */
  writeOffs: 8008,
  /** Fees and interest of the card scheme and the banks; owner 0. */
  networkAndBankFees: 8009,
} as const

export const OWNER_SPAN = 100_000_000_000
const OWNER_MAX = OWNER_SPAN - 1

/**
 * Builds the number of a subsidy account.
 * @param programmeNumber 1 to 99
 * @param owner household for wallets and what was advanced, outlet for redeemed, else 0
 */
export function subsidyAccount(
  accountClass: 'wallet' | 'redeemed' | 'funding' | 'expired' | 'converted' | 'advanced',
  unit: Unit,
  programmeNumber: number,
  owner: number,
): AccountNumber {
  assert(programmeNumber >= 1 && programmeNumber <= 99, 'a programme number is 1 to 99')
  const kind = accountClasses[accountClass] * 1_000 + unitCodes[unit] * 100 + programmeNumber
  return accountOf(kind, owner)
}

/** Builds the number of a money account. */
export function moneyAccount(kind: keyof typeof moneyKinds, owner: number): AccountNumber {
  return accountOf(moneyKinds[kind], owner)
}

function accountOf(kind: number, owner: number): AccountNumber {
  assert(Number.isSafeInteger(owner) && owner >= 0 && owner <= OWNER_MAX, 'an account owner has at most 11 digits')
  return (kind * OWNER_SPAN + owner) as AccountNumber
}

/** The four-digit kind: class, unit and sub-kind. */
export function kindOf(account: AccountNumber): number {
  return Math.floor(account / OWNER_SPAN)
}

/** The class digit. */
export function classOf(account: AccountNumber): number {
  return Math.floor(account / (1_000 * OWNER_SPAN))
}

/** Unit and programme together: what must be equal on both sides of a subsidy transfer. */
export function tailOf(account: AccountNumber): number {
  return kindOf(account) % 1_000
}

/** The unit digit. */
export function unitOf(account: AccountNumber): number {
  return Math.floor(tailOf(account) / 100)
}

/** The eleven owner digits. */
export function ownerOf(account: AccountNumber): number {
  return account % OWNER_SPAN
}

/** Whether an account says what a household owes: it is never above zero. */
export function isDebtAccount(account: AccountNumber): boolean {
  return classOf(account) === accountClasses.advanced || kindOf(account) === moneyKinds.householdDebt
}

/** True for accounts that are kept with their household: what it has, which is never below zero, and what it owes. */
export function isHouseholdAccount(account: AccountNumber): boolean {
  const accountClass = classOf(account)
  return accountClass === accountClasses.wallet || accountClass === accountClasses.postal || isDebtAccount(account)
}

/**
 * The period of the balance that a transfer of a period moves on an account: a wallet has one for each, all else one.
 */
export function balancePeriodOf(account: AccountNumber, period: number): number {
  return classOf(account) === accountClasses.wallet ? period : 0
}
