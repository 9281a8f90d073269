import { type AccountNumber, moneyAccount } from '../../ledger/accounts.ts'
import type { TransferKind } from '../../ledger/posting-rules.ts'
import { returnedBetween } from '../../store/clearing/settlement-failure.ts'
import { breakTypes } from '../reconciliation/breaks.ts'
import { type BookedEntry, type EntryRule, fits, knownKind, meaningOfCode } from './entry-rules.ts'

/** What is known of one of our instructions when the bank books something for it. */
export interface KnownInstruction {
  readonly id: number
  readonly endToEndId: string
  readonly amountPiasters: bigint
  /** At the bank of the statement: -1 it leaves our account there, 1 it comes in. */
  readonly side: -1 | 1
  /** Whether it can come back: a payment, not a collection. */
  readonly returnable: boolean
  /** It came to nothing: nothing of it is in transit, and a run pays it again. */
  readonly dropped: 'rejected' | 'cancelled' | undefined
  /** What a return restores, by account: 7009 of outlets, 7002 to 7004 of institutions; their sum is the amount. */
  readonly restores: readonly AccountShare[]
}

interface AccountShare {
  readonly account: AccountNumber
  readonly piasters: bigint
}

/** What the bank booked for an instruction up to now, on its account: signed as the bank books. */
export interface BookedBefore {
  /** Without what came back. */
  readonly bookedPiasters: bigint
  readonly returnedPiasters: bigint
  /** The bank told that it comes back (pacs.004). */
  readonly returnAnnounced: boolean
}

/** A file of ours whose payments the bank books as one. */
export interface KnownBatch {
  readonly side: -1 | 1
  /** Of its payments that were not rejected, nor booked one by one. */
  readonly amountPiasters: bigint
  /** What the bank booked for the file as one up to now, signed as it books. */
  readonly bookedPiasters: bigint
}

/** What an entry is, and what is posted for it. */
export interface Classified {
  readonly state: 'matched' | 'known' | 'suspense'
  readonly rule: string | undefined
  readonly note: string | undefined
  /** Transfer kind and account besides 8007 of what does not go to suspense. */
  readonly kind: TransferKind | undefined
  readonly counterAccount: AccountNumber | undefined
  /** Signed like the entry. */
  readonly suspensePiasters: bigint
  readonly suspenseAccount: AccountNumber | undefined
  /** All postings of the entry; together they move 8007 by its amount. */
  readonly postings: readonly EntryPosting[]
}

export interface EntryPosting {
  readonly kind: TransferKind
  readonly debit: AccountNumber
  readonly credit: AccountNumber
  readonly piasters: bigint
}

/**
 * What a booking for an instruction is. The sum of what the bank booked counts: what of it is within the instruction's
 * amount goes through transit, what is beyond it or on the wrong side is held in suspense until the bank mends it. A
 * booking that mends an earlier one therefore takes out of suspense what that one put there.
 */
export function classifyForInstruction(
  bank: number,
  entry: BookedEntry,
  instruction: KnownInstruction,
  before: BookedBefore,
  rule: 'end-to-end' | 'our-reference',
): Classified {
  if (instruction.dropped !== undefined) return bookedAllTheSame(bank, entry.amountPiasters, instruction.dropped, rule)
  if (isReturn(entry, instruction, before)) return returned(bank, entry, instruction, before)
  return booked(bank, entry.amountPiasters, { ...instruction, ...before }, rule)
}

/** What a booking of a whole file of ours is: the same, of the sum of its payments. */
export function classifyBatch(bank: number, entry: BookedEntry, batch: KnownBatch): Classified {
  return booked(bank, entry.amountPiasters, batch, 'batch-booking')
}

function booked(bank: number, piasters: bigint, expected: KnownBatch, rule: string): Classified {
  const side = BigInt(expected.side)
  const whole = expected.amountPiasters
  const from = expected.bookedPiasters * side
  const to = (expected.bookedPiasters + piasters) * side
  const main = (within(to, whole) - within(from, whole)) * side
  const beyond = piasters - main
  const brokenTo = to - within(to, whole)
  const breakName = (brokenTo === 0n ? from : brokenTo) < 0n ? 'wrong-sign' : 'position-over'
  const over = from >= whole ? 'again' : 'over'
  const note = breakName === 'wrong-sign' ? breakName : over
  return compose(bank, {
    state: main === 0n ? 'suspense' : 'matched',
    rule,
    note: beyond !== 0n ? note : piasters === 0n ? 'zero' : undefined,
    main,
    beyond,
    suspense: moneyAccount('suspense', breakTypes[breakName].number),
  })
}

/**
 * What a bank books for an instruction that came to nothing: transit holds nothing for it any more, so all of it is held in
 * suspense, and what the bank gives back comes out again.
 */
function bookedAllTheSame(bank: number, piasters: bigint, note: string, rule: string): Classified {
  const suspense = moneyAccount('suspense', breakTypes['position-over'].number)
  return compose(bank, { state: 'suspense', rule, note, main: 0n, beyond: piasters, suspense })
}

/** What of an amount lies between nothing and the whole. */
function within(amount: bigint, whole: bigint): bigint {
  if (amount < 0n) return 0n
  return amount > whole ? whole : amount
}

/** What of an instruction was paid and has not come back. */
const outOf = (before: BookedBefore) => -before.bookedPiasters - before.returnedPiasters

/**
 * Whether a bank says that an entry is a payment that comes back, and it has not told of the payment yet: some tell of
 * all credits first. Such an entry is looked at behind the others of its statement.
 */
export function isEarlyReturn(entry: BookedEntry, instruction: KnownInstruction, before: BookedBefore): boolean {
  if (instruction.dropped !== undefined || !instruction.returnable) return false
  if (entry.amountPiasters <= 0n || entry.reversal || outOf(before) > 0n) return false
  return entry.returnReason !== undefined || before.returnAnnounced
}

function isReturn(entry: BookedEntry, instruction: KnownInstruction, before: BookedBefore): boolean {
  if (!instruction.returnable || entry.amountPiasters <= 0n || entry.reversal) return false
  const paid = outOf(before)
  if (paid <= 0n || before.returnedPiasters >= instruction.amountPiasters) return false
  return entry.returnReason !== undefined || before.returnAnnounced || paid >= instruction.amountPiasters
}

/** What came back goes where a run finds it again; more than was paid is nobody's. */
function returned(bank: number, entry: BookedEntry, instruction: KnownInstruction, before: BookedBefore): Classified {
  const back = least(entry.amountPiasters, outOf(before), instruction.amountPiasters - before.returnedPiasters)
  const beyond = entry.amountPiasters - back
  const ours = moneyAccount('settlementAccount', bank)
  const suspense = moneyAccount('suspense', breakTypes['position-over'].number)
  const from = before.returnedPiasters
  const postings = returnPostings(bank, returnedBetween(instruction.restores, from, from + back))
  if (beyond > 0n) postings.push({ kind: 'toSuspense', debit: ours, credit: suspense, piasters: beyond })
  return {
    state: 'matched',
    rule: 'returned',
    note: entry.returnReason === undefined ? 'no-reason' : undefined,
    kind: 'settlementReturned',
    counterAccount: postings[0]?.credit,
    suspensePiasters: beyond,
    suspenseAccount: beyond > 0n ? suspense : undefined,
    postings,
  }
}

function least(...values: readonly bigint[]): bigint {
  return values.reduce((low, value) => (value < low ? value : low))
}

/**
 * Puts an amount that came back to our account on the accounts that an instruction had cleared. One of them that had
 * been on the other side is debited again, through transit (kinds 44 and 46).
 */
function returnPostings(bank: number, shares: readonly AccountShare[]): EntryPosting[] {
  const ours = moneyAccount('settlementAccount', bank)
  const transit = moneyAccount('settlementTransit', bank)
  return shares.flatMap(({ account, piasters }): EntryPosting[] => {
    if (piasters > 0n) return [{ kind: 'settlementReturned', debit: ours, credit: account, piasters }]
    return [
      { kind: 'settlementInstructed', debit: account, credit: transit, piasters: -piasters },
      { kind: 'settlementPaid', debit: transit, credit: ours, piasters: -piasters },
    ]
  })
}

interface Composition {
  readonly state: Classified['state']
  readonly rule: string
  readonly note: string | undefined
  readonly main: bigint
  readonly beyond: bigint
  readonly suspense: AccountNumber
}

function compose(bank: number, { state, rule, note, main, beyond, suspense }: Composition): Classified {
  const transit = moneyAccount('settlementTransit', bank)
  const kind = main < 0n ? 'settlementPaid' : 'settlementReceived'
  const postings = [...posting(bank, kind, transit, main), ...suspensePosting(bank, suspense, beyond)]
  return {
    state,
    rule,
    note,
    kind: main === 0n ? undefined : kind,
    counterAccount: main === 0n ? undefined : transit,
    suspensePiasters: beyond,
    suspenseAccount: beyond === 0n ? undefined : suspense,
    postings,
  }
}

/** 8007 takes a credit of the bank as a debit, and the other way round. */
function posting(bank: number, kind: TransferKind, other: AccountNumber, piasters: bigint): EntryPosting[] {
  const ours = moneyAccount('settlementAccount', bank)
  if (piasters === 0n) return []
  return piasters > 0n
    ? [{ kind, debit: ours, credit: other, piasters }]
    : [{ kind, debit: other, credit: ours, piasters: -piasters }]
}

function suspensePosting(bank: number, suspense: AccountNumber, piasters: bigint): EntryPosting[] {
  return posting(bank, piasters > 0n ? 'toSuspense' : 'fromSuspense', suspense, piasters)
}

/** Charges that a bank took with a payment, or gave back. */
export function classifyCharges(bank: number, piasters: bigint): Classified {
  const known = knownKind('bank-fee', piasters, 0)
  const how = { ...other('known', 'charges', undefined), kind: known?.kind, counterAccount: known?.account }
  return known === undefined ? how : { ...how, postings: posting(bank, known.kind, known.account, piasters) }
}

/** What a booking without an instruction is: by the rules that people made, then by ISO's codes; else nobody knows. */
export function classifyOther(bank: number, entry: BookedEntry, rules: readonly EntryRule[]): Classified {
  const rule = rules.find((one) => fits(one, entry))
  const meaning = rule !== undefined ? rule.meaning : meaningOfCode(entry.code)
  const how = rule !== undefined && rule.meaning !== 'none' ? `rule ${rule.id}` : 'code'
  const known =
    meaning === undefined || meaning === 'none'
      ? undefined
      : knownKind(meaning, entry.amountPiasters, rule?.programme ?? 0)
  if (entry.amountPiasters === 0n) return other('known', undefined, 'zero')
  if (known !== undefined) {
    const postings = posting(bank, known.kind, known.account, entry.amountPiasters)
    return { ...other('known', how, undefined), kind: known.kind, counterAccount: known.account, postings }
  }
  const suspense = moneyAccount('suspense', breakTypes['unknown-bank-entry'].number)
  return {
    ...other('suspense', undefined, 'unknown'),
    suspensePiasters: entry.amountPiasters,
    suspenseAccount: suspense,
    postings: suspensePosting(bank, suspense, entry.amountPiasters),
  }
}

function other(state: Classified['state'], rule: string | undefined, note: string | undefined): Classified {
  return {
    state,
    rule,
    note,
    kind: undefined,
    counterAccount: undefined,
    suspensePiasters: 0n,
    suspenseAccount: undefined,
    postings: [],
  }
}
