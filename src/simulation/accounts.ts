/**
 * The journal's numbers as the auditor reads them: account numbers from the left (class, unit, sub-kind, owner) and the
 * kinds of transfers, each with what it may move between. Written down here once more on purpose.
 */

const OWNER_SPAN = 100_000_000_000

export const WALLET = 1
const POSTAL = 6001
const DEBT = 8004
const ADVANCED = 9

export function classOfAccount(account: number): number {
  return Math.floor(account / (1_000 * OWNER_SPAN))
}

/** The four digits before the owner. */
function kindOfAccount(account: number): number {
  return Math.floor(account / OWNER_SPAN)
}

/** Unit and programme. */
export function tailOfAccount(account: number): number {
  return kindOfAccount(account) % 1_000
}

export function ownerOfAccount(account: number): number {
  return account % OWNER_SPAN
}

export function walletOf(tail: number, household: number): number {
  return (WALLET * 1_000 + tail) * OWNER_SPAN + household
}

/** What was advanced to a household in a programme. */
export function advancedOf(tail: number, household: number): number {
  return (ADVANCED * 1_000 + tail) * OWNER_SPAN + household
}

export function postalOf(household: number): number {
  return POSTAL * OWNER_SPAN + household
}

/** Whether an account is a household's, and so may never fall below zero. */
export function isOfHousehold(account: number): boolean {
  return classOfAccount(account) === WALLET || kindOfAccount(account) === POSTAL
}

/** Whether an account says what a household owes: never above zero. */
export function isDebt(account: number): boolean {
  return kindOfAccount(account) === DEBT || classOfAccount(account) === ADVANCED
}

/** The period under which a balance is kept: money and debts have none. */
export function periodOfBalance(account: number, period: number): number {
  return classOfAccount(account) === ADVANCED ? 0 : period
}

/** Unit and programme of the wallets. */
export const tails = { bread: 101, flour: 202, points: 3, ration: 4, grants: 5, ramadan: 6 } as const

export const kinds = {
  issue: 1,
  redemption: 2,
  restoration: 3,
  expiry: 4,
  conversion: 5,
  restorationReversal: 6,
  advance: 7,
  recovery: 8,
  moneyReversal: 17,
  refund: 16,
  refundReversal: 20,
  depositReversal: 19,
  feeReversal: 24,
} as const

const subsidySides: Readonly<Record<number, readonly [number, number]>> = {
  1: [3, 1],
  2: [1, 2],
  3: [2, 1],
  4: [1, 4],
  5: [1, 5],
  6: [1, 2],
  7: [9, 1],
  8: [1, 9],
}

const sellers = [7001, 7002, 7004]
const moneySides: Readonly<Record<number, readonly [readonly number[], readonly number[]]>> = {
  10: [[POSTAL], sellers],
  11: [[POSTAL], [7003]],
  12: [[POSTAL], sellers],
  13: [[POSTAL], [7001]],
  14: [[POSTAL], sellers],
  15: [[POSTAL], [7001, 7002]],
  16: [sellers, [POSTAL]],
  17: [[...sellers, 7003], [POSTAL]],
  18: [[7003, 8001], [POSTAL]],
  19: [[POSTAL], [7003]],
  20: [[POSTAL], sellers],
  21: [[POSTAL], [8002]],
  24: [[8002], [POSTAL]],
  25: [[DEBT], [POSTAL]],
  26: [[POSTAL], [DEBT]],
}

/** Why a transfer may not be, or undefined: subsidies stay subsidies, of one programme and one household. */
export function faultOfTransfer(kind: number, debit: number, credit: number): string | undefined {
  const subsidy = subsidySides[kind]
  if (subsidy !== undefined) {
    if (classOfAccount(debit) !== subsidy[0] || classOfAccount(credit) !== subsidy[1]) return 'the wrong classes'
    return tailOfAccount(debit) === tailOfAccount(credit) ? undefined : 'two programmes'
  }
  const money = moneySides[kind]
  if (money === undefined) return 'no kind that this traffic brings about'
  if (!money[0].includes(kindOfAccount(debit))) return `money from ${kindOfAccount(debit)}`
  return money[1].includes(kindOfAccount(credit)) ? undefined : `money to ${kindOfAccount(credit)}`
}

/** What a household of so many members has a right to in a period of a programme. */
export function rightTo(tail: number, members: number, period: number): number {
  if (tail === tails.bread) return 5 * members
  if (tail === tails.flour) return 10 * members
  if (tail === tails.ration) return 5_000 * Math.min(4, members) + 2_500 * Math.max(0, members - 4)
  if (tail === tails.ramadan) return period === 9_202_702 ? (members === 1 ? 12_500 : 25_000) : 0
  return 0
}
