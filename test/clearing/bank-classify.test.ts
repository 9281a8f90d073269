import fc from 'fast-check'
import t from 'tap'
import {
  type BookedBefore,
  type Classified,
  classifyBatch,
  classifyCharges,
  classifyForInstruction,
  classifyOther,
  isEarlyReturn,
  type KnownInstruction,
} from '../../src/clearing/bank/classify.ts'
import { type BookedEntry, type EntryRule, entryFields, entryMeanings } from '../../src/clearing/bank/entry-rules.ts'
import { kindOf, moneyAccount, moneyKinds } from '../../src/ledger/accounts.ts'
import { isPostingAllowed } from '../../src/ledger/posting-rules.ts'

const BANK = 7
const OURS = moneyAccount('settlementAccount', BANK)
const TRANSIT = moneyAccount('settlementTransit', BANK)
const NOTHING: BookedBefore = { bookedPiasters: 0n, returnedPiasters: 0n, returnAnnounced: false }

const amounts = fc.bigInt({ min: 1n, max: 10_000n })
const signedAmounts = fc.bigInt({ min: -12_000n, max: 12_000n })
const shares = fc.array(amounts, { minLength: 1, maxLength: 4 })

function payment(parts: readonly bigint[]): KnownInstruction {
  const restores = parts.map((piasters, at) => ({ account: moneyAccount('unappliedPayouts', at + 1), piasters }))
  const amountPiasters = parts.reduce((sum, part) => sum + part, 0n)
  return { id: 1, endToEndId: 'E', amountPiasters, side: -1, returnable: true, dropped: undefined, restores }
}

const collection = (amountPiasters: bigint): KnownInstruction => ({
  id: 2,
  endToEndId: 'C',
  amountPiasters,
  side: 1,
  returnable: false,
  dropped: undefined,
  restores: [],
})

/** What postings do to accounts: above zero the account is debited. */
function movedBy(entries: readonly Classified[]): Map<number, bigint> {
  const moved = new Map<number, bigint>()
  const add = (account: number, piasters: bigint) => moved.set(account, (moved.get(account) ?? 0n) + piasters)
  for (const { debit, credit, piasters } of entries.flatMap(({ postings }) => postings)) {
    add(debit, piasters)
    add(credit, -piasters)
  }
  return moved
}

/** Whatever an entry is, the ledger takes its postings, and our account at the bank moves by its amount. */
function holds(entry: BookedEntry, classified: Classified): void {
  for (const { kind, debit, credit, piasters } of classified.postings) {
    if (piasters <= 0n) throw new Error(`${kind} of ${piasters}`)
    if (!isPostingAllowed(kind, debit, credit)) throw new Error(`${kind} from ${debit} to ${credit}`)
  }
  const moved = movedBy([classified])
  if ((moved.get(OURS) ?? 0n) !== entry.amountPiasters) throw new Error(`8007 moves by ${moved.get(OURS)}`)
  let suspended = 0n
  for (const [account, piasters] of moved) if (kindOf(account as never) === moneyKinds.suspense) suspended -= piasters
  if (suspended !== classified.suspensePiasters) throw new Error(`${suspended} in suspense`)
  if ((classified.suspensePiasters !== 0n) !== (classified.suspenseAccount !== undefined))
    throw new Error('no suspense')
  if ((classified.kind === undefined) !== (classified.counterAccount === undefined)) throw new Error('no account')
}

const entries = fc.array(
  fc.record({
    amountPiasters: signedAmounts,
    reversal: fc.boolean(),
    returnReason: fc.option(fc.constant('AC04'), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 8 },
)

/** Books entries of an instruction, one after the other. */
function book(instruction: KnownInstruction, list: readonly BookedEntry[], announced = false) {
  let before: BookedBefore = { ...NOTHING, returnAnnounced: announced }
  const found = list.map((entry) => {
    const classified = classifyForInstruction(BANK, entry, instruction, before, 'end-to-end')
    holds(entry, classified)
    const isReturn = classified.rule === 'returned'
    before = {
      ...before,
      bookedPiasters: before.bookedPiasters + (isReturn ? 0n : entry.amountPiasters),
      returnedPiasters: before.returnedPiasters + (isReturn ? entry.amountPiasters : 0n),
    }
    return classified
  })
  return { found, before }
}

t.test('what a bank books for an instruction that came to nothing is all held in suspense', async (t) => {
  fc.assert(
    fc.property(
      shares,
      entries,
      fc.boolean(),
      fc.constantFrom('rejected', 'cancelled'),
      (parts, list, pays, dropped) => {
        const open = pays ? payment(parts) : collection(payment(parts).amountPiasters)
        const { found } = book({ ...open, dropped }, list, true)
        for (const [at, { suspensePiasters, note }] of found.entries()) {
          if (note !== dropped) throw new Error(`the note is ${note}`)
          if (suspensePiasters !== list[at]?.amountPiasters) throw new Error(`${suspensePiasters} in suspense`)
        }
      },
    ),
    { numRuns: 500 },
  )
  t.same(isEarlyReturn({ amountPiasters: 1n, reversal: false, returnReason: 'AC04' }, payment([1n]), NOTHING), true)
  const rejected = { ...payment([1n]), dropped: 'rejected' as const }
  t.same(isEarlyReturn({ amountPiasters: 1n, reversal: false, returnReason: 'AC04' }, rejected, NOTHING), false)
})

t.test('whatever a bank books for an instruction, transit never gives more than was instructed', async (_t) => {
  fc.assert(
    fc.property(shares, entries, fc.boolean(), fc.boolean(), (parts, list, pays, announced) => {
      const whole = payment(parts).amountPiasters
      const instruction = pays ? payment(parts) : collection(whole)
      const { found, before } = book(instruction, list, announced)
      const moved = movedBy(found)
      const through = (moved.get(TRANSIT) ?? 0n) * (pays ? 1n : -1n)
      if (through < 0n || through > whole) throw new Error(`${through} of ${whole} through transit`)
      // Nothing is held when the bank's bookings come to the amount, or to nothing, and none came back.
      const settled = before.bookedPiasters * BigInt(instruction.side)
      const suspended = found.reduce((sum, one) => sum + one.suspensePiasters, 0n)
      if (before.returnedPiasters === 0n && settled >= 0n && settled <= whole && suspended !== 0n) {
        throw new Error(`${suspended} stays in suspense`)
      }
      const restored = instruction.restores.reduce((sum, { account }) => sum - (moved.get(account) ?? 0n), 0n)
      if (restored < 0n || restored > whole) throw new Error(`${restored} of ${whole} came back`)
      for (const { account, piasters } of instruction.restores) {
        const got = -(moved.get(account) ?? 0n)
        if (got < 0n || got > piasters) throw new Error(`${account} gets ${got} of ${piasters}`)
      }
    }),
    { numRuns: 2_000 },
  )
})

t.test('what comes back in parts fills each account once', async (t) => {
  fc.assert(
    fc.property(shares, fc.array(amounts, { maxLength: 6 }), (parts, returns) => {
      const instruction = payment(parts)
      const whole = instruction.amountPiasters
      const paid = { amountPiasters: -whole, reversal: false }
      const back = returns.map((amountPiasters) => ({ amountPiasters, reversal: false, returnReason: 'AC04' }))
      const moved = movedBy(book(instruction, [paid, ...back]).found)
      const sum = returns.reduce((total, one) => total + one, 0n)
      const restored = instruction.restores.reduce((total, { account }) => total - (moved.get(account) ?? 0n), 0n)
      if (restored !== (sum < whole ? sum : whole)) throw new Error(`${restored} of ${sum}`)
    }),
    { numRuns: 1_000 },
  )
  const { found } = book(payment([60n, 40n]), [
    { amountPiasters: -100n, reversal: false },
    { amountPiasters: 50n, reversal: false, returnReason: 'AC04' },
    { amountPiasters: 50n, reversal: false, returnReason: 'AC04' },
  ])
  const moved = movedBy(found)
  t.same(
    [moved.get(moneyAccount('unappliedPayouts', 1)), moved.get(moneyAccount('unappliedPayouts', 2))],
    [-60n, -40n],
    'the second half goes on where the first one ended',
  )
})

t.test('a file that is booked as one may come in parts, be taken back, and not be booked twice', async (_t) => {
  fc.assert(
    fc.property(amounts, fc.array(signedAmounts, { minLength: 1, maxLength: 6 }), fc.boolean(), (whole, list, pays) => {
      const batch = { side: pays ? (-1 as const) : (1 as const), amountPiasters: whole }
      let bookedPiasters = 0n
      const found = list.map((amountPiasters) => {
        const entry = { amountPiasters, reversal: false }
        const classified = classifyBatch(BANK, entry, { ...batch, bookedPiasters })
        holds(entry, classified)
        bookedPiasters += amountPiasters
        return classified
      })
      const through = (movedBy(found).get(TRANSIT) ?? 0n) * (pays ? 1n : -1n)
      if (through < 0n || through > whole) throw new Error(`${through} of ${whole} through transit`)
      const suspended = found.reduce((sum, one) => sum + one.suspensePiasters, 0n)
      const settled = bookedPiasters * BigInt(batch.side)
      if (settled >= 0n && settled <= whole && suspended !== 0n) throw new Error(`${suspended} stays in suspense`)
    }),
    { numRuns: 1_000 },
  )
})

t.test('an entry without an instruction is what a rule or its code says, and else held', async (t) => {
  const words = fc.constantFrom('', 'FEE OF MAY', 'fee of may', 'MOSS-1', 'PMNT/MDOP/CHRG', 'ACMT/MCOP/INTR', 'EG38')
  const rules = fc.array(
    fc.record({
      id: fc.integer({ min: 1, max: 9 }),
      field: fc.constantFrom(...entryFields),
      pattern: fc.constantFrom('FEE', 'MOSS', 'PMNT', 'EG38'),
      direction: fc.constantFrom('credit' as const, 'debit' as const),
      meaning: fc.constantFrom(...entryMeanings),
      programme: fc.integer({ min: 1, max: 99 }),
    }),
    { maxLength: 4 },
  )
  fc.assert(
    fc.property(signedAmounts, words, words, words, rules, (amountPiasters, text, code, reference, known) => {
      const entry = { amountPiasters, text, code, reference, counterpartyAccount: reference, reversal: false }
      const classified = classifyOther(BANK, entry, known satisfies readonly EntryRule[])
      holds(entry, classified)
      if (classified.state === 'matched') throw new Error('matched without an instruction')
    }),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(signedAmounts, (piasters) =>
      holds({ amountPiasters: piasters, reversal: false }, classifyCharges(BANK, piasters)),
    ),
  )
  t.pass()
})
