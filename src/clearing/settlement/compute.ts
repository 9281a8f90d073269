import type { ProgrammeCatalogue } from '../../benefit/programme-book.ts'
import { addDays, type CivilDate, formatDate } from '../../calendar.ts'
import { assert, MizanError } from '../../errors.ts'
import { type AccountNumber, kindOf, moneyAccount, moneyKinds, ownerOf } from '../../ledger/accounts.ts'
import {
  readSettlementMaster,
  type SettlementBank,
  type SettlementMaster,
} from '../../store/clearing/settlement-master.ts'
import {
  type Opening,
  type PayeeOutlet,
  readFailed,
  readMovements,
  readOpenings,
  readPayees,
  readRedemptions,
} from '../../store/clearing/settlement-read.ts'
import {
  addRun,
  findRun,
  listRuns,
  lockSettlement,
  noteTotals,
  type RunKey,
  type SettlementRun,
} from '../../store/clearing/settlement-runs.ts'
import {
  addDues,
  addHoldbacks,
  addInstructions,
  addPayables,
  addPositions,
  endMendedSuspensions,
  type NewInstruction,
  type PayableRow,
  type PositionRow,
  releaseHoldbacks,
  takeUpFailedNets,
} from '../../store/clearing/settlement-write.ts'
import type { Client } from '../../store/connection.ts'
import { inTransaction } from '../../store/transaction.ts'
import { uetrOf } from '../iso20022/values.ts'
import { endToEndIdOf, purposeLetters } from './identifiers.ts'
import { latinName } from './latin-name.ts'
import { planSettlement } from './plan.ts'
import type { Plan, PlannedInstruction } from './plan-parts.ts'
import { payableOf } from './tariff.ts'

/** Before any business date: the first run covers all there are. */
export const BEGINNING = 20000101 as CivilDate
const CYCLES_MAX = 99

/**
 * Computes a run from the journal of closed business dates, once: what is payable, what is held back, whom to pay and
 * whom to collect from; all of it or nothing. Computed before, it is returned as it is.
 * @param client not in a transaction
 * @throws MizanError CONFLICT for a date before the last run
 */
export async function computeRun(
  client: Client,
  key: RunKey,
  options: { readonly catalogue: ProgrammeCatalogue; readonly valueDate: CivilDate },
): Promise<SettlementRun> {
  return inTransaction(client, async () => {
    await lockSettlement(client)
    if ((await findRun(client, key)) === undefined) await compute(client, key, options)
    const run = await findRun(client, key)
    assert(run !== undefined, 'a run that was computed is there')
    return run
  })
}

async function compute(
  client: Client,
  key: RunKey,
  { catalogue, valueDate }: { readonly catalogue: ProgrammeCatalogue; readonly valueDate: CivilDate },
): Promise<void> {
  const { businessDate } = key
  const [last] = await listRuns(client, 1)
  const coversFrom = firstDateOf(key, last)
  const isMore = key.cycle > 1
  await addRun(client, { ...key, coversFrom, valueDate })
  await endMendedSuspensions(client)
  const span = { from: coversFrom, to: businessDate }
  const payables = isMore ? [] : await payablesOf(client, span, catalogue)
  await addPayables(client, key, payables)
  const added = isMore ? new Map<number, bigint>() : await readMovements(client, span)
  for (const { outletId, payablePiasters } of payables) {
    const account = moneyAccount('subsidyPayable', outletId)
    added.set(account, (added.get(account) ?? 0n) + payablePiasters)
  }
  const openings = last === undefined ? new Map<number, Opening>() : await readOpenings(client, last)
  const released = await releaseHoldbacks(client, key)
  const failed = (await readFailed(client)).map((one) => ({ ...one, party: partyOf(one) }))
  const owners = outletsOf([...openings.keys(), ...added.keys()])
  for (const outlet of released.keys()) owners.add(outlet)
  for (const { outletId } of failed) if (outletId !== undefined) owners.add(outletId)
  const outlets = await readPayees(client, [...owners])
  const master = await readSettlementMaster(client, businessDate)
  const plan = planSettlement({ ...master, ...span, openings, added, released, outlets, failed })
  await store(client, { key, valueDate, plan, outlets, master })
  await noteTotals(client, key, totalsOf(plan, payables))
  const nets = failed
    .filter(({ purpose }) => purpose === 'net')
    .map(({ endToEndId, lines }) => {
      const net = lines.reduce((sum, { piasters }) => sum + piasters, 0n)
      return { endToEndId, piasters: net > 0n ? net : -net }
    })
  if (nets.length > 0) await takeUpFailedNets(client, key, nets)
}

/** The first date that no run has covered. @throws MizanError CONFLICT when the run comes before the last one */
function firstDateOf({ businessDate, cycle }: RunKey, last: SettlementRun | undefined): CivilDate {
  if (cycle > CYCLES_MAX) throw new MizanError('BAD_INPUT', `a business date has ${CYCLES_MAX} cycles at most`)
  if (cycle > 1) {
    if (last?.businessDate === businessDate && last.cycle === cycle - 1) return businessDate
    throw new MizanError(
      'CONFLICT',
      `cycle ${cycle} follows cycle ${cycle - 1} of the same date, the last run there is`,
    )
  }
  if (last === undefined) return BEGINNING
  if (last.businessDate < businessDate) return addDays(last.businessDate, 1)
  throw new MizanError(
    'CONFLICT',
    `business dates are settled in order; ${formatDate(last.businessDate)} is settled already`,
  )
}

async function payablesOf(
  client: Client,
  span: { readonly from: CivilDate; readonly to: CivilDate },
  catalogue: ProgrammeCatalogue,
): Promise<PayableRow[]> {
  const rows: PayableRow[] = []
  for await (const redemption of readRedemptions(client, span)) {
    const { outletId, programme, entitlementDate, unit, quantity } = redemption
    const payable = payableOf(catalogue, redemption, redemption)
    rows.push({
      outletId,
      programme,
      entitlementDate,
      unit,
      quantity,
      tariffVersion: payable?.version,
      tariffFrom: payable?.step?.from,
      piastersPerUnit: payable?.step?.piastersPerUnit,
      permilleOfValue: payable?.step?.permilleOfValue,
      coPaymentPiasters: payable?.coPaymentPiasters ?? 0n,
      payablePiasters: payable?.payablePiasters ?? 0n,
    })
  }
  return rows
}

function partyOf(failed: {
  readonly outletId: number | undefined
  readonly institutionKind: string | undefined
  readonly institution: number | undefined
}): PlannedInstruction['party'] {
  const { outletId, institutionKind, institution } = failed
  if (outletId !== undefined) return { kind: 'outlet', number: outletId }
  return { kind: institutionKind as PlannedInstruction['party']['kind'], number: institution ?? 0 }
}

function outletsOf(accounts: readonly number[]): Set<number> {
  const kinds: readonly number[] = [moneyKinds.outletPayable, moneyKinds.subsidyPayable]
  const owners = new Set<number>()
  for (const account of accounts) {
    if (kinds.includes(kindOf(account as AccountNumber))) owners.add(ownerOf(account as AccountNumber))
  }
  return owners
}

interface Stored {
  readonly key: RunKey
  readonly valueDate: CivilDate
  readonly plan: Plan
  readonly outlets: readonly PayeeOutlet[]
  readonly master: SettlementMaster
}

async function store(client: Client, { key, valueDate, plan, outlets, master }: Stored): Promise<void> {
  const banks = new Map(master.banks.map((bank) => [bank.number, bank]))
  const acceptors = new Map(outlets.map(({ id, acceptor }) => [id, acceptor]))
  // Of those that stand for others several may be for one party.
  const taken = new Map<string, number>()
  const instructions = plan.instructions.map((planned) => {
    const { purpose, party, replaces } = planned
    const owner = `${purposeLetters[purpose]}${party.kind}${party.number}`
    const sequence = replaces === undefined ? 0 : (taken.get(owner) ?? 0) + 1
    if (replaces !== undefined) taken.set(owner, sequence)
    const bank = banks.get(planned.bank)
    assert(bank !== undefined, 'an instruction is for a bank that is known')
    const fallback = party.kind === 'outlet' ? (acceptors.get(party.number) ?? '') : ''
    return instructionOf(endToEndIdOf(key, purpose, party, sequence), planned, bank, fallback)
  })
  await addDues(client, key, plan.dues)
  await addHoldbacks(client, key, plan.holdbacks)
  await addPositions(client, key, positionsOf(plan.instructions))
  await addInstructions(client, { ...key, valueDate }, instructions)
}

function instructionOf(
  endToEndId: string,
  planned: PlannedInstruction,
  bank: SettlementBank,
  fallback: string,
): NewInstruction {
  const { purpose, party, lines } = planned
  const net = lines.reduce((sum, { piasters }) => sum + piasters, 0n)
  const isOutlet = party.kind === 'outlet'
  return {
    endToEndId,
    uetr: uetrOf(endToEndId),
    kind: purpose === 'net' ? 'pacs.009' : 'pain.001',
    purpose,
    direction: net > 0n ? 'pay' : 'collect',
    bank: bank.number,
    bankCode: bank.code,
    bankBic: bank.bic,
    bankName: bank.name,
    ourAccount: bank.account,
    outletId: isOutlet ? party.number : undefined,
    institutionKind: isOutlet ? undefined : party.kind,
    institution: isOutlet ? undefined : party.number,
    partyName: latinName(planned.name, `OUTLET ${fallback}`),
    partyAccount: planned.account,
    partyBic: bank.bic,
    amountPiasters: net > 0n ? net : -net,
    replaces: planned.replaces,
    lines,
  }
}

/** Net positions: of each settlement bank what its outlets get, of each institution what it gets less what it pays. */
function positionsOf(instructions: readonly PlannedInstruction[]): PositionRow[] {
  const positions = new Map<string, PositionRow>()
  for (const { party, bank, lines, purpose } of instructions) {
    const net = lines.reduce((sum, { piasters }) => sum + piasters, 0n)
    const [kind, institution] = party.kind === 'outlet' ? ['bank', bank] : [party.kind, party.number]
    const whole = purpose === 'net' ? lines.map(({ piasters }) => piasters) : [net]
    const before = positions.get(`${kind} ${institution}`)
    positions.set(`${kind} ${institution}`, {
      kind: String(kind),
      institution: Number(institution),
      bank,
      creditPiasters: (before?.creditPiasters ?? 0n) + sumOf(whole.filter((piasters) => piasters > 0n)),
      debitPiasters: (before?.debitPiasters ?? 0n) - sumOf(whole.filter((piasters) => piasters < 0n)),
      parts: (before?.parts ?? 0) + (purpose === 'net' || purpose === 'offset' ? lines.length : 1),
    })
  }
  return [...positions.values()]
}

const sumOf = (values: readonly bigint[]) => values.reduce((sum, value) => sum + value, 0n)

/** What a run came to, for people. */
function totalsOf({ dues, holdbacks, instructions }: Plan, payables: readonly PayableRow[]): Record<string, unknown> {
  const paid = instructions.filter(({ purpose }) => purpose !== 'net')
  const nets = instructions.filter(({ purpose }) => purpose === 'net')
  const netOf = (one: PlannedInstruction) => sumOf(one.lines.map(({ piasters }) => piasters))
  const left = (note: string) => dues.filter((due) => due.note === note)
  const waiting: Record<string, { accounts: number; piasters: string }> = {}
  for (const note of new Set(dues.map((due) => due.note))) {
    if (note === undefined) continue
    waiting[note] = { accounts: left(note).length, piasters: String(sumOf(left(note).map(({ closing }) => closing))) }
  }
  const untariffed = payables.filter(({ tariffFrom }) => tariffFrom === undefined)
  return {
    payables: payables.length,
    payablePiasters: String(sumOf(payables.map(({ payablePiasters }) => payablePiasters))),
    withoutTariff: untariffed.length,
    heldBack: holdbacks.length,
    heldBackPiasters: String(sumOf(holdbacks.map((one) => one.purchasesPiasters + one.subsidyPiasters))),
    payouts: paid.length,
    payoutPiasters: String(sumOf(paid.map(netOf))),
    nets: nets.length,
    payPiasters: String(sumOf(nets.map(netOf).filter((net) => net > 0n))),
    collectPiasters: String(-sumOf(nets.map(netOf).filter((net) => net < 0n))),
    waiting,
  }
}
