import type { OutletCategory } from '../../benefit/programme-schema.ts'
import { addDays, type CivilDate } from '../../calendar.ts'
import { type AccountNumber, kindOf, moneyAccount, moneyKinds, ownerOf } from '../../ledger/accounts.ts'
import { failureLines } from '../../store/clearing/settlement-failure.ts'
import { cycleOf, holdbackOf, type PayoutCycle, type PayoutCycleRule, paysWithin } from './payout-cycle.ts'

/** Why something stays due. */
export type DueNote = 'cycle' | 'suspended' | 'no-account' | 'no-bank' | 'no-institution' | 'owes' | 'nets-to-zero'

/** What is due on an account after a run, and how it came to that; above zero we owe it. */
export interface Due {
  readonly account: AccountNumber
  readonly opening: bigint
  readonly added: bigint
  readonly restored: bigint
  readonly released: bigint
  readonly held: bigint
  /** Above zero we pay. */
  readonly instructed: bigint
  readonly closing: bigint
  readonly note: DueNote | undefined
}

/** What goes into an instruction from one account; above zero we pay it. */
export interface PlannedLine {
  readonly account: AccountNumber
  readonly piasters: bigint
}

/** Whom an instruction pays, or collects from. */
export interface PlannedParty {
  readonly kind: 'outlet' | 'bank' | 'acquirer' | 'scheme' | 'post' | 'wholesaler'
  readonly number: number
}

/** An instruction before it has a name. */
export interface PlannedInstruction {
  readonly purpose: 'payout' | 'repayment' | 'offset' | 'net'
  readonly party: PlannedParty
  /** Number of the settlement bank. */
  readonly bank: number
  readonly name: string
  readonly account: string | undefined
  readonly lines: readonly PlannedLine[]
  /** The one that came to nothing and that this one stands for. */
  readonly replaces: string | undefined
}

/** What a run does with what is due. */
export interface Plan {
  readonly dues: readonly Due[]
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
  readonly purpose: 'payout' | 'repayment' | 'offset' | 'net'
  readonly party: PlannedParty
  /** What it was to clear. */
  readonly lines: readonly PlannedLine[]
}

/** What a plan is made of. */
export interface PlanInput {
  readonly from: CivilDate
  readonly to: CivilDate
  readonly banks: readonly { readonly number: number; readonly code: string }[]
  readonly institutions: readonly PlanInstitution[]
  readonly cycles: readonly PayoutCycleRule[]
  /** By account; what is nowhere is zero. */
  readonly openings: ReadonlyMap<number, bigint>
  readonly added: ReadonlyMap<number, bigint>
  /** Out of holdbacks, by outlet. */
  readonly released: ReadonlyMap<number, bigint>
  readonly outlets: readonly PlanOutlet[]
  readonly failed: readonly FailedPayment[]
}

interface Account {
  readonly account: AccountNumber
  opening: bigint
  added: bigint
  restored: bigint
  released: bigint
}

/**
 * Decides what a run instructs. Nothing is lost and nothing is made: for each account what was open, came in, was restored
 * and released is what is held back, instructed and left over.
 */
export function planSettlement(input: PlanInput): Plan {
  const accounts = accountsOf(input)
  const outlets = outletPlans(input, accounts)
  const institutions = institutionPlans(input, accounts)
  return {
    dues: [...outlets.dues, ...institutions.dues].sort((a, b) => a.account - b.account),
    holdbacks: outlets.holdbacks,
    instructions: [...outlets.instructions, ...institutions.instructions],
  }
}

function accountsOf({ openings, added, released, failed }: PlanInput): Map<number, Account> {
  const accounts = new Map<number, Account>()
  const at = (account: number) => {
    let found = accounts.get(account)
    if (found === undefined) {
      found = { account: account as AccountNumber, opening: 0n, added: 0n, restored: 0n, released: 0n }
      accounts.set(account, found)
    }
    return found
  }
  for (const [account, piasters] of openings) at(account).opening += piasters
  for (const [account, piasters] of added) at(account).added += piasters
  for (const [outlet, piasters] of released) at(moneyAccount('subsidyPayable', outlet)).released += piasters
  // What was to clear the accounts of an institution is due there again; an outlet's stands on an account of its own.
  for (const { purpose, lines } of failed) {
    if (purpose !== 'net') continue
    for (const { account, piasters } of failureLines({ purpose, lines })) at(account).restored += piasters
  }
  return accounts
}

const duesOf = ({ opening, added, restored, released }: Account) => opening + added + restored + released

function dueOf(
  account: Account,
  { held = 0n, instructed = 0n, note }: { held?: bigint; instructed?: bigint; note: DueNote | undefined },
): Due {
  const closing = duesOf(account) - held - instructed
  return { ...account, held, instructed, closing, note: closing === 0n ? undefined : note }
}

interface OutletPlans {
  readonly dues: Due[]
  readonly holdbacks: Plan['holdbacks'][number][]
  readonly instructions: PlannedInstruction[]
}

function outletPlans(input: PlanInput, accounts: ReadonlyMap<number, Account>): OutletPlans {
  const plans: OutletPlans = { dues: [], holdbacks: [], instructions: [] }
  const banks = new Map(input.banks.map(({ code, number }) => [code, number]))
  const offsets = new Map<number, PlannedLine[]>()
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
  readonly lines: PlannedLine[]
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
    subsidyPiasters: (ofSubsidy ?? 0n) - (subsidy?.released ?? 0n),
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

function linesOf(lines: readonly PlannedLine[]): PlannedLine[] {
  return lines.filter(({ piasters }) => piasters !== 0n).sort((a, b) => a.account - b.account)
}

function payoutOf(
  purpose: 'payout' | 'repayment',
  outlet: PlanOutlet,
  way: Extract<Way, { kind: 'bank' }>,
  lines: readonly PlannedLine[],
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

function offsetsOf(input: PlanInput, offsets: ReadonlyMap<number, readonly PlannedLine[]>): PlannedInstruction[] {
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

function institutionPlans(input: PlanInput, accounts: ReadonlyMap<number, Account>): OutletPlans {
  const plans: OutletPlans = { dues: [], holdbacks: [], instructions: [] }
  const groups = new Map<PlanInstitution | undefined, Account[]>()
  for (const account of accounts.values()) {
    const kind = kindOf(account.account)
    if (kind === moneyKinds.outletPayable || kind === moneyKinds.subsidyPayable) continue
    push(groups, institutionOf(input.institutions, account.account), [account])
  }
  for (const account of groups.get(undefined) ?? []) plans.dues.push(dueOf(account, { note: 'no-institution' }))
  for (const institution of input.institutions) {
    const own = groups.get(institution) ?? []
    const net = own.reduce((sum, account) => sum + duesOf(account), 0n)
    const isPaid = net !== 0n
    for (const account of own) {
      plans.dues.push(dueOf(account, { instructed: isPaid ? duesOf(account) : 0n, note: 'nets-to-zero' }))
    }
    if (!isPaid) continue
    const lines = linesOf(own.map((account) => ({ account: account.account, piasters: duesOf(account) })))
    const { kind, institution: number, bank, name, account } = institution
    plans.instructions.push({
      purpose: 'net',
      party: { kind, number },
      bank,
      name,
      account,
      lines,
      replaces: undefined,
    })
  }
  return plans
}

/** Who settles for an account of kind 7002, 7003 or 7004. */
function institutionOf(institutions: readonly PlanInstitution[], account: AccountNumber): PlanInstitution | undefined {
  const owner = ownerOf(account)
  const find = (kind: PlanInstitution['kind'], number: number) =>
    institutions.find((one) => one.kind === kind && one.institution === number)
  if (kindOf(account) === moneyKinds.schemeClearing) return find('scheme', owner) ?? find('scheme', 0)
  const acquirer = find('acquirer', owner)
  return acquirer ?? (kindOf(account) === moneyKinds.cashClearing ? find('post', owner) : undefined)
}

function push<K, V>(map: Map<K, V[]>, key: K, values: readonly V[]): void {
  const found = map.get(key)
  if (found === undefined) map.set(key, [...values])
  else found.push(...values)
}
