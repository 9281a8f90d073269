import { assert } from '../errors.ts'
import { type AccountNumber, accountClasses, classOf, kindOf, moneyKinds, ownerOf, tailOf, unitOf } from './accounts.ts'

/**
 * Which kinds of transfer exist and what may stand on which side (M4, M5). The same rules stand in the database
 * (`posting_allowed` in schemas/sql); a test compares the two for every pair of account kinds. Subsidy kinds stay
 * inside one programme and unit; money kinds never touch a subsidy class. No rule joins the two worlds, so no transfer
 * can take subsidy value to money, to cash, or (only one side is ever a wallet) to another household.
 */
export const transferKinds = {
  entitlementIssue: 1,
  subsidyRedemption: 2,
  subsidyRestoration: 3,
  entitlementExpiry: 4,
  entitlementConversion: 5,
  restorationReversal: 6,
  entitlementAdvance: 7,
  advanceRecovery: 8,
  purchase: 10,
  cashWithdrawal: 11,
  cashback: 12,
  coPayment: 13,
  quasiCash: 14,
  billPayment: 15,
  refund: 16,
  moneyReversal: 17,
  deposit: 18,
  depositReversal: 19,
  refundReversal: 20,
  fee: 21,
  feeInCash: 22,
  benefitCredit: 23,
  feeReversal: 24,
  overdraftAdvance: 25,
  overdraftRecovery: 26,
  /** A remote account gets from its host exactly what a transaction takes, and gives back what comes back. */
  hostFunding: 30,
  hostReturn: 31,
  /** Settlement: what outlets, acquirers, the scheme, banks and the state are owed and paid (docs/ledger.md). */
  subsidyPayable: 40,
  subsidyPayableReversal: 41,
  holdback: 42,
  holdbackRelease: 43,
  settlementInstructed: 44,
  collectionInstructed: 45,
  settlementPaid: 46,
  settlementReceived: 47,
  settlementReturned: 48,
  settlementRejected: 49,
  chargeback: 50,
  representment: 51,
  disputeCredit: 52,
  disputeCreditReversal: 53,
  toSuspense: 54,
  fromSuspense: 55,
  writeOff: 56,
  writeBack: 57,
  bankFee: 58,
  bankInterest: 59,
  stateFunding: 60,
  poolTransfer: 61,
  poolReturn: 62,
  networkFee: 63,
  networkIncome: 64,
} as const
export type TransferKind = keyof typeof transferKinds

/** Kinds by code, for reading the journal. */
export const transferKindNames = Object.fromEntries(
  Object.entries(transferKinds).map(([name, code]) => [code, name]),
) as Record<number, TransferKind>

/** Kind of a transfer that was read from the journal. */
export function transferKindOf(code: number): TransferKind {
  const kind = transferKindNames[code]
  assert(kind !== undefined, 'a transfer kind of the journal is known')
  return kind
}

/** Whether a kind is one of settlement: what clearing, banks and reconciliation post. */
export function isSettlementKind(kind: TransferKind): boolean {
  return transferKinds[kind] >= transferKinds.subsidyPayable
}

interface SubsidyRule {
  readonly debitClass: number
  readonly creditClass: number
  /** Both sides belong to one household. */
  readonly sameOwner?: true
}

interface MoneyRule {
  readonly debit: readonly number[]
  readonly credit: readonly number[]
  readonly sameOwner?: true
}

const { wallet, redeemed, funding, expired, converted, advanced } = accountClasses
const {
  postalAccount,
  outletPayable,
  acquirerClearing,
  cashClearing,
  schemeClearing,
  postalPool,
  serviceFees,
  stateFunds,
  householdDebt,
  accountHostDue,
  subsidyPayable,
  holdback,
  settlementTransit,
  disputes,
  unappliedPayouts,
  suspense,
  subsidyFunds,
  settlementAccount,
  writeOffs,
  networkAndBankFees,
} = moneyKinds
/** Whom settlement pays or collects from, besides outlets. */
const institutions = [acquirerClearing, cashClearing, schemeClearing]
/** Where what cannot be explained comes from and goes back to: never an outlet's own accounts, nor a household's. */
const unexplained = [...institutions, settlementTransit, settlementAccount]
const sellers = [outletPayable, acquirerClearing, schemeClearing]

const subsidyRules: Partial<Record<TransferKind, SubsidyRule>> = {
  entitlementIssue: { debitClass: funding, creditClass: wallet },
  subsidyRedemption: { debitClass: wallet, creditClass: redeemed },
  subsidyRestoration: { debitClass: redeemed, creditClass: wallet },
  entitlementExpiry: { debitClass: wallet, creditClass: expired },
  entitlementConversion: { debitClass: wallet, creditClass: converted },
  restorationReversal: { debitClass: wallet, creditClass: redeemed },
  entitlementAdvance: { debitClass: advanced, creditClass: wallet, sameOwner: true },
  advanceRecovery: { debitClass: wallet, creditClass: advanced, sameOwner: true },
}

const moneyRules: Partial<Record<TransferKind, MoneyRule>> = {
  purchase: { debit: [postalAccount], credit: sellers },
  cashWithdrawal: { debit: [postalAccount], credit: [cashClearing] },
  cashback: { debit: [postalAccount], credit: sellers },
  coPayment: { debit: [postalAccount], credit: [outletPayable] },
  quasiCash: { debit: [postalAccount], credit: sellers },
  billPayment: { debit: [postalAccount], credit: [outletPayable, acquirerClearing] },
  refund: { debit: sellers, credit: [postalAccount] },
  moneyReversal: { debit: [...sellers, cashClearing], credit: [postalAccount] },
  deposit: { debit: [cashClearing, postalPool], credit: [postalAccount] },
  depositReversal: { debit: [postalAccount], credit: [cashClearing] },
  refundReversal: { debit: [postalAccount], credit: sellers },
  fee: { debit: [postalAccount], credit: [serviceFees] },
  feeInCash: { debit: [cashClearing], credit: [serviceFees] },
  benefitCredit: { debit: [stateFunds], credit: [postalAccount] },
  feeReversal: { debit: [serviceFees], credit: [postalAccount] },
  overdraftAdvance: { debit: [householdDebt], credit: [postalAccount], sameOwner: true },
  overdraftRecovery: { debit: [postalAccount], credit: [householdDebt], sameOwner: true },
  hostFunding: { debit: [accountHostDue], credit: [postalAccount] },
  hostReturn: { debit: [postalAccount], credit: [accountHostDue] },
  subsidyPayable: { debit: [subsidyFunds], credit: [subsidyPayable] },
  subsidyPayableReversal: { debit: [subsidyPayable], credit: [subsidyFunds] },
  holdback: { debit: [outletPayable, subsidyPayable], credit: [holdback], sameOwner: true },
  holdbackRelease: { debit: [holdback], credit: [subsidyPayable], sameOwner: true },
  settlementInstructed: {
    debit: [outletPayable, ...institutions, subsidyPayable, unappliedPayouts],
    credit: [settlementTransit],
  },
  collectionInstructed: { debit: [settlementTransit], credit: [outletPayable, subsidyPayable, ...institutions] },
  settlementPaid: { debit: [settlementTransit], credit: [settlementAccount] },
  settlementReceived: { debit: [settlementAccount], credit: [settlementTransit] },
  settlementReturned: { debit: [settlementAccount], credit: [unappliedPayouts, ...institutions] },
  settlementRejected: { debit: [settlementTransit], credit: [unappliedPayouts, ...institutions] },
  chargeback: { debit: [schemeClearing], credit: [disputes] },
  representment: { debit: [disputes], credit: [schemeClearing] },
  disputeCredit: { debit: [disputes], credit: [postalAccount] },
  disputeCreditReversal: { debit: [postalAccount], credit: [disputes] },
  toSuspense: { debit: unexplained, credit: [suspense] },
  fromSuspense: { debit: [suspense], credit: unexplained },
  writeOff: { debit: [writeOffs], credit: [suspense], sameOwner: true },
  writeBack: { debit: [suspense], credit: [writeOffs], sameOwner: true },
  bankFee: { debit: [networkAndBankFees], credit: [settlementAccount] },
  bankInterest: { debit: [settlementAccount], credit: [networkAndBankFees] },
  stateFunding: { debit: [settlementAccount], credit: [subsidyFunds, stateFunds] },
  poolTransfer: { debit: [settlementAccount], credit: [postalPool] },
  poolReturn: { debit: [postalPool], credit: [settlementAccount] },
  networkFee: { debit: [networkAndBankFees], credit: [schemeClearing] },
  networkIncome: { debit: [schemeClearing], credit: [networkAndBankFees] },
}

/** Whether a transfer of this kind may debit and credit these accounts. */
export function isPostingAllowed(kind: TransferKind, debit: AccountNumber, credit: AccountNumber): boolean {
  const subsidy = subsidyRules[kind]
  const money = moneyRules[kind]
  if ((subsidy ?? money)?.sameOwner === true && ownerOf(debit) !== ownerOf(credit)) return false
  if (subsidy !== undefined) {
    return (
      classOf(debit) === subsidy.debitClass &&
      classOf(credit) === subsidy.creditClass &&
      tailOf(debit) === tailOf(credit) &&
      unitOf(debit) <= 2 &&
      tailOf(debit) % 100 > 0
    )
  }
  if (money === undefined) return false
  return money.debit.includes(kindOf(debit)) && money.credit.includes(kindOf(credit))
}

/**
 * The kind that undoes another; kinds that are never undone (issue, expiry, conversion) have none. Nor has an advance:
 * it is recovered, as much of it as is still owed.
 */
export const inverseKinds: Partial<Record<TransferKind, TransferKind>> = {
  subsidyRedemption: 'subsidyRestoration',
  subsidyRestoration: 'restorationReversal',
  purchase: 'moneyReversal',
  cashWithdrawal: 'moneyReversal',
  cashback: 'moneyReversal',
  coPayment: 'moneyReversal',
  quasiCash: 'moneyReversal',
  billPayment: 'moneyReversal',
  refund: 'refundReversal',
  deposit: 'depositReversal',
  fee: 'feeReversal',
}
