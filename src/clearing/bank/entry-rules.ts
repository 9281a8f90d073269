import { type AccountNumber, moneyAccount } from '../../ledger/accounts.ts'
import type { TransferKind } from '../../ledger/posting-rules.ts'

/** A booking, as far as it matters for what it is. */
export interface BookedEntry {
  readonly amountPiasters: bigint
  readonly endToEndId?: string | undefined
  readonly code?: string | undefined
  readonly returnReason?: string | undefined
  readonly reversal: boolean
  readonly counterpartyAccount?: string | undefined
  readonly reference?: string | undefined
  readonly text?: string | undefined
}

export const entryMeanings = [
  'bank-fee',
  'bank-interest',
  'subsidy-funds',
  'state-funds',
  'postal-pool',
  'none',
] as const
export type EntryMeaning = (typeof entryMeanings)[number]
export const entryFields = ['code', 'counterparty', 'reference', 'text'] as const
export type EntryField = (typeof entryFields)[number]

/** What entries without an instruction are, by how a field begins. */
export interface EntryRule {
  readonly id: number
  readonly field: EntryField
  readonly pattern: string
  readonly direction: 'credit' | 'debit'
  readonly meaning: EntryMeaning
  /** Of funds. */
  readonly programme: number
}

/** Families and sub-families of ISO's transaction codes for fees and interest. */
const FEES = new Set(['CHRG', 'FEES', 'COMM', 'COME', 'COMI', 'COMT', 'CAJT'])
const INTEREST = new Set(['INTR', 'INTE', 'INTP'])

/** Whether a rule is of an entry. */
export function fits({ field, pattern, direction }: EntryRule, entry: BookedEntry): boolean {
  if (entry.amountPiasters >= 0n !== (direction === 'credit')) return false
  if (field === 'text') return entry.text?.toUpperCase().startsWith(pattern.toUpperCase()) === true
  if (field === 'code') return entry.code?.startsWith(pattern) === true
  if (field === 'counterparty') return entry.counterpartyAccount?.startsWith(pattern) === true
  return entry.endToEndId?.startsWith(pattern) === true || entry.reference?.startsWith(pattern) === true
}

/** What an entry is by ISO's transaction code. */
export function meaningOfCode(code: string | undefined): EntryMeaning | undefined {
  const [, family, subFamily] = code?.split('/') ?? []
  if (FEES.has(subFamily ?? '') || FEES.has(family ?? '')) return 'bank-fee'
  return INTEREST.has(subFamily ?? '') || INTEREST.has(family ?? '') ? 'bank-interest' : undefined
}

/** Kind and account of a meaning; undefined when money of that meaning cannot go that way. */
export function knownKind(
  meaning: EntryMeaning,
  piasters: bigint,
  programme: number,
): { readonly kind: TransferKind; readonly account: AccountNumber } | undefined {
  const isCredit = piasters > 0n
  switch (meaning) {
    case 'bank-fee':
    case 'bank-interest':
      return { kind: isCredit ? 'bankInterest' : 'bankFee', account: moneyAccount('networkAndBankFees', 0) }
    case 'postal-pool':
      return { kind: isCredit ? 'poolTransfer' : 'poolReturn', account: moneyAccount('postalPool', 0) }
    case 'subsidy-funds':
      return isCredit ? { kind: 'stateFunding', account: moneyAccount('subsidyFunds', programme) } : undefined
    case 'state-funds':
      return isCredit ? { kind: 'stateFunding', account: moneyAccount('stateFunds', programme) } : undefined
    default:
      return undefined
  }
}
