import { addDays } from '../../calendar.ts'
import { moneyAccount } from '../../ledger/accounts.ts'
import { failureLines, type InstructionLine } from '../../store/clearing/settlement-failure.ts'
import type { DueNote } from '../../store/clearing/settlement-write.ts'
import { cycleOf, holdbackOf, type PayoutCycle, paysWithin } from './payout-cycle.ts'
import {
  type Account,
  dueOf,
  duesOf,
  type FailedPayment,
  freedOf,
  linesOf,
  type PartPlan,
  type Plan,
  type PlanInput,
  type PlanInstitution,
  type PlannedInstruction,
  type PlanOutlet,
  push,
} from './plan-parts.ts'

/** What a run does for outlets: who is paid, what is held back, what waits and why. */
export function outletPlans(input: PlanInput, accounts: ReadonlyMap<number, Account>): PartPlan {
  const plans: PartPlan = { dues: [], holdbacks: [], instructions: [] }
  const banks = new Map(input.banks.map(({ code, number }) => [code, number]))
  const offsets = new Map<number, InstructionLine[]>()
  const repayments = repaymentsByOutlet(input.failed)
  for (const outlet of input.outlets) {
    const cycle = cycleOf(input.cycles, outlet)
    const purchases = accounts.get(moneyAccount('outletPayable', outlet.id))
    const subsidy = accounts.get(moneyAccount('subsidyPayable', outlet.id))
    const way = wayOf(input, outlet, cycle, banks)
    const planned = planOutlet(input, { outlet, cycle, purchases, subsidy, way })
    for (const [account, held, instructed] of planned.accounts) {
      plans.dues.push(dueOf(account, { held, instructed, note: planned.note }))
    }
    if (planned.holdback !== undefined) plans.holdbacks.push(planned.holdback)
    if (planned.lines.length > 0 && typeof way !== 'string') {
      if (way.kind === 'offset') push(offsets, way.wholesaler.institution, planned.lines)
      else plans.instructions.push(payoutOf('payout', outlet, way, planned.lines))
    }
    if (typeof way === 'string') continue
    for (const failed of repayments.get(outlet.id) ?? []) plans.instructions.push(repaymentOf(outlet, way, failed))
  }
  plans.instructions.push(...offsetsOf(input, offsets))
  return plans
}

type Way =
  | { readonly kind: 'bank'; readonly bank: number; readonly account: string }
  | { readonly kind: 'offset'; readonly wholesaler: PlanInstitution }

/** Where an outlet's money goes, or why it goes nowhere. */
function wayOf(
  { institutions }: PlanInput,
  outlet: PlanOutlet,
  { wholesaler: number }: PayoutCycle,
  banks: ReadonlyMap<string, number>,
): Way | DueNote {
  if (outlet.isSuspended) return 'suspended'
  if (number !== undefined) {
    const wholesaler = institutions.find((one) => one.kind === 'wholesaler' && one.institution === number)
    return wholesaler === undefined ? 'no-institution' : { kind: 'offset', wholesaler }
  }
  if (outlet.bankCode === undefined || outlet.account === undefined) return 'no-account'
  const bank = banks.get(outlet.bankCode)
  return bank === undefined ? 'no-bank' : { kind: 'bank', bank, account: outlet.account }
}

interface OutletCase {
  readonly outlet: PlanOutlet
  readonly cycle: PayoutCycle
  readonly purchases: Account | undefined
  readonly subsidy: Account | undefined
  readonly way: Way | DueNote
}

interface PlannedOutlet {
  /** With what is held back and instructed. */
  readonly accounts: (readonly [Account, bigint, bigint])[]
  readonly lines: InstructionLine[]
  readonly holdback: Plan['holdbacks'][number] | undefined
  readonly note: DueNote | undefined
}

function planOutlet(input: PlanInput, { outlet, cycle, purchases, subsidy, way }: OutletCase): PlannedOutlet {
  const [ofPurchases, ofSubsidy] = [purchases, subsidy].map((one) => (one === undefined ? 0n : duesOf(one)))
  const total = (ofPurchases ?? 0n) + (ofSubsidy ?? 0n)
  const waits = (note: DueNote): PlannedOutlet => ({
    accounts: [purchases, subsidy].filter((one) => one !== undefined).map((one) => [one, 0n, 0n] as const),
    lines: [],
    holdback: undefined,
    note,
  })
  if (total < 0n) return waits('owes')
  if (total === 0n) return waits('nets-to-zero')
  if (!paysWithin(cycle, input.from, input.to)) return waits('cycle')
  if (typeof way === 'string') return waits(way)
  const held = holdbackOf(cycle, {
    purchasesPiasters: ofPurchases ?? 0n,
    subsidyPiasters: (ofSubsidy ?? 0n) - (subsidy === undefined ? 0n : freedOf(subsidy)),
  })
  const parts = [
    { account: purchases, due: ofPurchases ?? 0n, held: held.purchasesPiasters },
    { account: subsidy, due: ofSubsidy ?? 0n, held: held.subsidyPiasters },
  ]
  const known = parts.flatMap(({ account, ...part }) => (account === undefined ? [] : [{ account, ...part }]))
  const isHeld = held.purchasesPiasters + held.subsidyPiasters > 0n
  return {
    accounts: known.map(({ account, due, held: kept }) => [account, kept, due - kept] as const),
    lines: linesOf(known.map(({ account, due, held: kept }) => ({ account: account.account, piasters: due - kept }))),
    holdback: isHeld ? { outletId: outlet.id, ...held, releaseOn: addDays(input.to, cycle.releaseDays) } : undefined,
    note: undefined,
  }
}

function payoutOf(
  purpose: 'payout' | 'repayment',
  outlet: PlanOutlet,
  way: Extract<Way, { kind: 'bank' }>,
  lines: readonly InstructionLine[],
): PlannedInstruction {
  const party = { kind: 'outlet', number: outlet.id } as const
  return { purpose, party, bank: way.bank, name: outlet.name, account: way.account, lines, replaces: undefined }
}

function repaymentsByOutlet(failed: readonly FailedPayment[]): Map<number, FailedPayment[]> {
  const found = new Map<number, FailedPayment[]>()
  for (const one of failed) {
    if (one.purpose === 'payout' || one.purpose === 'repayment') push(found, one.party.number, [one])
  }
  return found
}

/** What a payment to an outlet was to clear stands on its account of payouts that came back. */
function repaymentOf(outlet: PlanOutlet, way: Way, { endToEndId, lines }: FailedPayment): PlannedInstruction {
  const unapplied = failureLines({ purpose: 'payout', lines })
  const made =
    way.kind === 'bank'
      ? payoutOf('repayment', outlet, way, unapplied)
      : { ...offsetOf(way.wholesaler), lines: unapplied }
  return { ...made, replaces: endToEndId }
}

function offsetOf({ kind, institution, bank, name, account }: PlanInstitution) {
  return { purpose: 'offset' as const, party: { kind, number: institution }, bank, name, account }
}

function offsetsOf(input: PlanInput, offsets: ReadonlyMap<number, readonly InstructionLine[]>): PlannedInstruction[] {
  const instructions: PlannedInstruction[] = []
  for (const wholesaler of input.institutions) {
    if (wholesaler.kind !== 'wholesaler') continue
    const lines = linesOf(offsets.get(wholesaler.institution) ?? [])
    const made = offsetOf(wholesaler)
    if (lines.length > 0) instructions.push({ ...made, lines, replaces: undefined })
    for (const failed of input.failed) {
      if (failed.purpose !== 'offset' || failed.party.number !== wholesaler.institution) continue
      instructions.push({
        ...made,
        lines: failureLines({ purpose: 'offset', lines: failed.lines }),
        replaces: failed.endToEndId,
      })
    }
  }
  return instructions
}
