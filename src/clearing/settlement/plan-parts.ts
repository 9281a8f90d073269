import type { OutletCategory } from '../../benefit/programme-schema.ts'
import type { CivilDate } from '../../calendar.ts'
import type { AccountNumber } from '../../ledger/accounts.ts'
import type { InstructionLine } from '../../store/clearing/settlement-failure.ts'
import type { Opening } from '../../store/clearing/settlement-read.ts'
import type { DueNote, DueRow } from '../../store/clearing/settlement-write.ts'
import type { InstructionPurpose } from './identifiers.ts'
import type { PayoutCycleRule } from './payout-cycle.ts'

/** Whom an instruction pays, or collects from. */
export interface PlannedParty {
  readonly kind: 'outlet' | 'bank' | 'acquirer' | 'scheme' | 'post' | 'wholesaler'
  readonly number: number
}

/** An instruction before it has a name. */
export interface PlannedInstruction {
  readonly purpose: InstructionPurpose
  readonly party: PlannedParty
  /** Number of the settlement bank. */
  readonly bank: number
  readonly name: string
  readonly account: string | undefined
  readonly lines: readonly InstructionLine[]
  /** The one that came to nothing and that this one stands for. */
  readonly replaces: string | undefined
}

/** What a run does with what is due. */
export interface Plan {
  readonly dues: readonly DueRow[]
  readonly holdbacks: readonly {
    readonly outletId: number
    readonly purchasesPiasters: bigint
    readonly subsidyPiasters: bigint
    readonly releaseOn: CivilDate
  }[]
  readonly instructions: readonly PlannedInstruction[]
}

/** An outlet as a plan needs it. */
export interface PlanOutlet {
  readonly id: number
  readonly name: string
  readonly category: OutletCategory
  readonly governorate: string
  readonly bankCode: string | undefined
  readonly account: string | undefined
  readonly isSuspended: boolean
}

/** An institution as a plan needs it. */
export interface PlanInstitution {
  readonly kind: 'acquirer' | 'scheme' | 'post' | 'wholesaler'
  readonly institution: number
  readonly name: string
  readonly bank: number
  readonly account: string | undefined
}

/** A payment that came to nothing and waits to be made again. */
export interface FailedPayment {
  readonly endToEndId: string
  readonly purpose: InstructionPurpose
  readonly party: PlannedParty
  /** What it was to clear. */
  readonly lines: readonly InstructionLine[]
}

/** What a plan is made of. */
export interface PlanInput {
  readonly from: CivilDate
  readonly to: CivilDate
  readonly banks: readonly { readonly number: number; readonly code: string }[]
  readonly institutions: readonly PlanInstitution[]
  readonly cycles: readonly PayoutCycleRule[]
  /** By account; what is nowhere is zero. */
  readonly openings: ReadonlyMap<number, Opening>
  readonly added: ReadonlyMap<number, bigint>
  /** Out of holdbacks, by outlet. */
  readonly released: ReadonlyMap<number, bigint>
  readonly outlets: readonly PlanOutlet[]
  readonly failed: readonly FailedPayment[]
}

/** An account in a plan, and what came to it. */
export interface Account {
  readonly account: AccountNumber
  opening: bigint
  added: bigint
  restored: bigint
  released: bigint
  /** What was released before, and not paid yet. */
  freedBefore: bigint
}

/** What was released out of holdbacks and is not paid yet: it is not held back again. */
export const freedOf = ({ freedBefore, released }: Account) => freedBefore + released
/** What is due on an account. */
export const duesOf = ({ opening, added, restored, released }: Omit<Account, 'freedBefore'>) =>
  opening + added + restored + released

/** How an account comes out of a run. */
export function dueOf(
  { freedBefore, ...account }: Account,
  { held = 0n, instructed = 0n, note }: { held?: bigint; instructed?: bigint; note: DueNote | undefined },
): DueRow {
  const closing = duesOf(account) - held - instructed
  const freed = closing === 0n ? 0n : freedBefore + account.released
  return { ...account, held, instructed, closing, freed, note: closing === 0n ? undefined : note }
}

/** What a plan comes to for outlets, or for institutions. */
export interface PartPlan {
  readonly dues: DueRow[]
  readonly holdbacks: Plan['holdbacks'][number][]
  readonly instructions: PlannedInstruction[]
}

/** Lines in order of their accounts, those of nothing left out. */
export function linesOf(lines: readonly InstructionLine[]): InstructionLine[] {
  return lines.filter(({ piasters }) => piasters !== 0n).sort((a, b) => a.account - b.account)
}

/** Adds to a list in a map. */
export function push<K, V>(map: Map<K, V[]>, key: K, values: readonly V[]): void {
  const found = map.get(key)
  if (found === undefined) map.set(key, [...values])
  else found.push(...values)
}
