import { assert } from '../../errors.ts'
import { type AccountNumber, moneyAccount, ownerOf } from '../../ledger/accounts.ts'
import type { Posting } from './postings.ts'

/** An account that an instruction clears; above zero we pay what stands on it. */
export interface InstructionLine {
  readonly account: AccountNumber
  readonly piasters: bigint
}

/** What an instruction was to clear. */
export interface InstructionShape {
  readonly purpose: 'payout' | 'repayment' | 'offset' | 'net'
  readonly lines: readonly InstructionLine[]
}

/**
 * Where money stands again that was not paid, or came back: of outlets on their account of unapplied payouts (7009), of
 * an institution on the account that made up most of its net position. Above zero we owe it again.
 */
export function failureLines({ purpose, lines }: InstructionShape): InstructionLine[] {
  if (purpose === 'net') {
    const net = lines.reduce((sum, { piasters }) => sum + piasters, 0n)
    const [main] = [...lines].sort((a, b) => compare(b.piasters, a.piasters) * (net > 0n ? 1 : -1))
    assert(main !== undefined, 'a net position has accounts')
    return [{ account: main.account, piasters: net }]
  }
  const sums = new Map<number, bigint>()
  for (const { account, piasters } of lines) {
    const outlet = ownerOf(account)
    sums.set(outlet, (sums.get(outlet) ?? 0n) + piasters)
  }
  return Array.from(sums, ([outlet, piasters]) => ({ account: moneyAccount('unappliedPayouts', outlet), piasters }))
    .filter(({ piasters }) => piasters !== 0n)
    .sort((a, b) => a.account - b.account)
}

/**
 * Where what came back of a payment stands: all of it on the accounts that {@link failureLines} names; of less, the
 * largest are filled first.
 */
function returnedLines(lines: readonly InstructionLine[], piasters: bigint): InstructionLine[] {
  const whole = lines.reduce((sum, line) => sum + line.piasters, 0n)
  if (piasters >= whole) return [...lines]
  const filled: InstructionLine[] = []
  let rest = piasters
  for (const line of lines.toSorted((a, b) => compare(b.piasters, a.piasters) || a.account - b.account)) {
    const part = line.piasters < rest ? line.piasters : rest
    if (part <= 0n) break
    filled.push({ account: line.account, piasters: part })
    rest -= part
  }
  return filled
}

/** What each account gets when of a payment more has come back than before. */
export function returnedBetween(lines: readonly InstructionLine[], from: bigint, to: bigint): InstructionLine[] {
  const before = new Map(returnedLines(lines, from).map(({ account, piasters }) => [account, piasters]))
  return returnedLines(lines, to)
    .map(({ account, piasters }) => ({ account, piasters: piasters - (before.get(account) ?? 0n) }))
    .filter(({ piasters }) => piasters !== 0n)
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * The postings of what never left: out of transit at the bank (49); a collection that does not come goes back into it
 * (44).
 */
export function rejectionPostings(shape: InstructionShape, bank: number): Posting[] {
  const transit = moneyAccount('settlementTransit', bank)
  return failureLines(shape).map(({ account, piasters }) =>
    piasters > 0n
      ? { kind: 'settlementRejected', debit: transit, credit: account, amountPiasters: Number(piasters) }
      : { kind: 'settlementInstructed', debit: account, credit: transit, amountPiasters: -Number(piasters) },
  )
}
