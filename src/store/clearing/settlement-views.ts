import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'
import { keyOf, type RunKey } from './settlement-runs.ts'

/** Net position of an institution in a run. */
export interface Position {
  readonly kind: string
  readonly institution: number
  readonly bank: number
  readonly bankCode: string
  readonly creditPiasters: number
  readonly debitPiasters: number
  /** Above zero it gets. */
  readonly netPiasters: number
  /** Payments of a bank, accounts of others. */
  readonly parts: number
}

/** The net positions of a run. */
export async function listPositions(client: Queryable, key: RunKey): Promise<Position[]> {
  const { rows } = await client.query<{
    institution_kind: string
    institution: string
    bank: number
    code: string
    credit_piasters: string
    debit_piasters: string
    net_piasters: string
    parts: number
  }>(
    `select p.institution_kind, p.institution, p.bank, b.code, p.credit_piasters, p.debit_piasters, p.net_piasters, p.parts
     from settlement_position p join settlement_bank b on b.number = p.bank
     where p.business_date = $1 and p.cycle = $2 order by p.institution_kind, p.institution`,
    keyOf(key),
  )
  return rows.map((row) => ({
    kind: row.institution_kind,
    institution: Number(row.institution),
    bank: row.bank,
    bankCode: row.code,
    creditPiasters: Number(row.credit_piasters),
    debitPiasters: Number(row.debit_piasters),
    netPiasters: Number(row.net_piasters),
    parts: row.parts,
  }))
}

/** What is payable to an outlet, as people see it. */
export interface PayableView {
  readonly outletId: number
  readonly acceptor: string
  readonly programme: number
  readonly entitlementDate: CivilDate
  readonly unit: string
  readonly quantity: number
  readonly tariffVersion: number | undefined
  readonly tariffFrom: CivilDate | undefined
  readonly piastersPerUnit: number | undefined
  readonly permilleOfValue: number | undefined
  readonly coPaymentPiasters: number
  readonly payablePiasters: number
}

/** Where a payable stands in the list of its run. */
export type PayablePosition = Pick<PayableView, 'outletId' | 'programme' | 'entitlementDate'>

/** Payables of a run by outlet, programme and date, from behind one of them on. */
export async function listPayables(
  client: Queryable,
  key: RunKey,
  filter: { readonly outletId?: number; readonly after?: PayablePosition; readonly limit: number },
): Promise<PayableView[]> {
  const { rows } = await client.query<{
    outlet_id: string
    acceptor_id: string
    programme: number
    entitlement_date: string
    unit: string
    quantity: string
    tariff_version: number | null
    tariff_from: string | null
    piasters_per_unit: string | null
    permille_of_value: number | null
    co_payment_piasters: string
    payable_piasters: string
  }>(
    `select p.*, o.acceptor_id from settlement_payable p join outlet o on o.id = p.outlet_id
     where p.business_date = $1 and p.cycle = $2 and ($3::bigint is null or p.outlet_id = $3)
       and ($4::bigint is null or (p.outlet_id, p.programme, p.entitlement_date) > ($4, $5, $6))
     order by p.outlet_id, p.programme, p.entitlement_date limit $7`,
    [
      ...keyOf(key),
      filter.outletId ?? null,
      filter.after?.outletId ?? null,
      filter.after?.programme ?? null,
      filter.after === undefined ? null : formatDate(filter.after.entitlementDate),
      filter.limit,
    ],
  )
  return rows.map((row) => ({
    outletId: Number(row.outlet_id),
    acceptor: row.acceptor_id,
    programme: row.programme,
    entitlementDate: parseDate(row.entitlement_date),
    unit: row.unit,
    quantity: Number(row.quantity),
    tariffVersion: row.tariff_version ?? undefined,
    tariffFrom: row.tariff_from === null ? undefined : parseDate(row.tariff_from),
    piastersPerUnit: row.piasters_per_unit === null ? undefined : Number(row.piasters_per_unit),
    permilleOfValue: row.permille_of_value ?? undefined,
    coPaymentPiasters: Number(row.co_payment_piasters),
    payablePiasters: Number(row.payable_piasters),
  }))
}

/** Payouts that are stopped. */
export interface Suspension {
  readonly id: number
  readonly outletId: number
  readonly acceptor: string
  readonly cause: 'returned' | 'rejected' | 'held'
  readonly endToEndId: string | undefined
  readonly reason: string
  readonly actor: string
  readonly atMs: number
}

/** Payouts that are stopped, the oldest first. */
export async function listSuspensions(client: Queryable, limit: number): Promise<Suspension[]> {
  const { rows } = await client.query<{
    id: string
    outlet_id: string
    acceptor_id: string
    cause: Suspension['cause']
    end_to_end_id: string | null
    reason: string
    actor: string
    at: Date
  }>(
    `select s.id, s.outlet_id, o.acceptor_id, s.cause, s.end_to_end_id, s.reason, s.actor, s.at
     from payout_suspension s join outlet o on o.id = s.outlet_id where s.ended_at is null order by s.id limit $1`,
    [limit],
  )
  return rows.map((row) => ({
    id: Number(row.id),
    outletId: Number(row.outlet_id),
    acceptor: row.acceptor_id,
    cause: row.cause,
    endToEndId: row.end_to_end_id ?? undefined,
    reason: row.reason,
    actor: row.actor,
    atMs: row.at.getTime(),
  }))
}

/** How many instructions of a run are in which state, and over how much. */
export async function countInstructions(
  client: Queryable,
  key: RunKey,
): Promise<{ readonly state: string; readonly instructions: number; readonly piasters: number }[]> {
  const { rows } = await client.query<{ state: string; instructions: number; piasters: string }>(
    `select state, count(*)::int as instructions, sum(amount_piasters) as piasters from settlement_instruction
     where business_date = $1 and cycle = $2 group by 1 order by 1`,
    keyOf(key),
  )
  return rows.map((row) => ({ ...row, piasters: Number(row.piasters) }))
}

/** What a run left on accounts for one reason, by kind of account. */
export interface WaitingSum {
  readonly note: string
  /** Name of the kind of account. */
  readonly kind: string
  readonly accounts: number
  /** Above zero it is due from us. */
  readonly piasters: bigint
}

/** What waits after a run, and why. */
export async function readWaiting(client: Queryable, key: RunKey): Promise<WaitingSum[]> {
  const { rows } = await client.query<{ note: string; kind: string; accounts: number; piasters: string }>(
    `select d.note, k.name as kind, count(*)::int as accounts, sum(d.closing) as piasters
     from settlement_due d join account_kind k on k.kind = d.account / 100000000000
     where d.business_date = $1 and d.cycle = $2 and d.note is not null and d.closing <> 0
     group by d.note, k.kind, k.name order by d.note, k.kind`,
    keyOf(key),
  )
  return rows.map((row) => ({ ...row, piasters: BigInt(row.piasters) }))
}
