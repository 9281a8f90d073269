import { type OutletStatus, outletStatusOn } from '../authorization/outlet.ts'
import { parseDate } from '../calendar.ts'
import type { OutletDetails, OutletFault, OutletInput, StoredOutlet, TerminalRecord } from './outlet-record.ts'

/** A status that an outlet gets. */
export interface NewStanding {
  /** yyyy-mm-dd */
  readonly from: string
  readonly status: OutletStatus
  readonly reason: string
}

/** An outlet with what an input makes of it. */
export interface OutletChange {
  readonly kind: 'added' | 'changed' | 'unchanged'
  /** 0 for a new one. */
  readonly id: number
  readonly acceptor: string
  readonly details: OutletDetails
  /** All of them. */
  readonly terminals: readonly TerminalRecord[]
  /** Those that are new or other than before. */
  readonly changedTerminals: readonly TerminalRecord[]
  readonly standing: NewStanding | undefined
  /** Old and new value of each field that changes. */
  readonly changes: Readonly<Record<string, { readonly from?: unknown; readonly to: unknown }>>
}

const TERMINALS_MAX = 500

const nothing: Omit<OutletDetails, 'name' | 'category' | 'mcc' | 'governorate'> = {
  nameAr: '',
  partialApproval: false,
  licence: null,
  licenceFrom: null,
  licenceTo: null,
  opens: null,
  closes: null,
  fuel: null,
  flourSacksDaily: null,
  settlementBank: null,
  settlementAccount: null,
}

/**
 * What an input makes of an outlet, or of none. Pure.
 * @param today first day of a status that names none, yyyy-mm-dd
 * @returns what is wrong, when the outlet would not be a whole one
 */
export function mergeOutlet(
  stored: StoredOutlet | undefined,
  input: OutletInput,
  today: string,
): OutletChange | readonly OutletFault[] {
  const faults: OutletFault[] = []
  const details = { ...nothing, ...stored?.details, ...input.details }
  const { name, category, mcc, governorate } = details
  for (const [field, value] of Object.entries({ name, category, mcc, governorate })) {
    if (value === undefined || value === '') faults.push({ field, reason: 'a new outlet must have it' })
  }
  checkTogether(details, faults)
  const { terminals, changed } = mergeTerminals(stored?.terminals ?? [], input.terminals, faults)
  const standing = mergeStanding(stored, input, today, faults)
  if (
    faults.length > 0 ||
    name === undefined ||
    category === undefined ||
    mcc === undefined ||
    governorate === undefined
  ) {
    return faults
  }
  const whole: OutletDetails = { ...details, name, category, mcc, governorate }
  const changes = changesOf(stored, whole, changed, standing)
  const isSame = Object.keys(changes).length === 0
  return {
    kind: stored === undefined ? 'added' : isSame ? 'unchanged' : 'changed',
    id: stored?.id ?? 0,
    acceptor: input.acceptor,
    details: whole,
    terminals,
    changedTerminals: changed,
    standing,
    changes,
  }
}

type Unchecked = Partial<OutletDetails> & typeof nothing

function checkTogether(details: Unchecked, faults: OutletFault[]): void {
  const { licenceFrom, licenceTo, opens, closes, settlementBank, settlementAccount } = details
  if (licenceFrom !== null && licenceTo !== null && licenceTo < licenceFrom) {
    faults.push({ field: 'licenceTo', reason: 'is before licenceFrom' })
  }
  if ((opens === null) !== (closes === null)) {
    faults.push({ field: opens === null ? 'opens' : 'closes', reason: 'opens and closes go together' })
  }
  if ((settlementBank === null) !== (settlementAccount === null)) {
    const field = settlementBank === null ? 'settlementBank' : 'settlementAccount'
    faults.push({ field, reason: 'settlementBank and settlementAccount go together' })
  }
  const { category, flourSacksDaily } = details
  if (flourSacksDaily !== null && category !== undefined && category !== 'bakery') {
    faults.push({ field: 'flourSacksDaily', reason: 'is for bakeries' })
  }
}

function mergeTerminals(stored: readonly TerminalRecord[], given: OutletInput['terminals'], faults: OutletFault[]) {
  const byId = new Map(stored.map((terminal) => [terminal.id, terminal]))
  const changed: TerminalRecord[] = []
  const seen = new Set<string>()
  for (const one of given) {
    if (seen.has(one.id)) faults.push({ field: 'terminals', reason: `terminal ${one.id} stands twice` })
    seen.add(one.id)
    const before = byId.get(one.id)
    const merged = { serial: null, status: 'active' as const, from: null, to: null, ...before, ...one }
    if (merged.from !== null && merged.to !== null && merged.to < merged.from) {
      faults.push({ field: 'terminals', reason: `terminal ${one.id} ends before it begins` })
    }
    if (before !== undefined && JSON.stringify(inOrder(before)) === JSON.stringify(inOrder(merged))) continue
    byId.set(one.id, merged)
    changed.push(merged)
  }
  if (byId.size > TERMINALS_MAX) faults.push({ field: 'terminals', reason: `are more than ${TERMINALS_MAX}` })
  return { terminals: [...byId.values()], changed }
}

function inOrder({ id, serial, status, from, to }: TerminalRecord): readonly unknown[] {
  return [id, serial, status, from, to]
}

function mergeStanding(
  stored: StoredOutlet | undefined,
  input: OutletInput,
  today: string,
  faults: OutletFault[],
): NewStanding | undefined {
  const { status, statusFrom = today, statusReason } = input
  if (status === undefined) {
    if (input.statusFrom !== undefined) faults.push({ field: 'statusFrom', reason: 'goes with a status' })
    return undefined
  }
  if (outletStatusOn({ standings: stored?.standings ?? [] }, parseDate(statusFrom)) === status) return undefined
  if (statusReason === undefined) {
    faults.push({ field: 'statusReason', reason: 'must say why the status changes' })
    return undefined
  }
  return { from: statusFrom, status, reason: statusReason }
}

function changesOf(
  stored: StoredOutlet | undefined,
  details: OutletDetails,
  terminals: readonly TerminalRecord[],
  standing: NewStanding | undefined,
): OutletChange['changes'] {
  const changes: Record<string, { from?: unknown; to: unknown }> = {}
  for (const field of Object.keys(details) as (keyof OutletDetails)[]) {
    const to = details[field]
    const from = stored?.details[field]
    if (stored === undefined ? to !== null && to !== '' : from !== to) {
      changes[field] = stored === undefined ? { to } : { from, to }
    }
  }
  if (terminals.length > 0) {
    const before = stored?.terminals.filter(({ id }) => terminals.some((one) => one.id === id)) ?? []
    changes.terminals = before.length === 0 ? { to: terminals } : { from: before, to: terminals }
  }
  if (standing !== undefined) changes.status = { to: standing }
  return changes
}
