import { type CivilDate, formatDate } from '../../calendar.ts'
import type { AccountNumber } from '../../ledger/accounts.ts'
import type { Unit } from '../../money.ts'
import type { Queryable } from '../access-pool.ts'
import type { InstructionLine } from './settlement-failure.ts'
import type { InstructionTerms } from './settlement-instructions.ts'
import { keyOf, type RunKey } from './settlement-runs.ts'

const CHUNK = 5_000

/** What is payable for what an outlet redeemed, as it is kept. */
export interface PayableRow {
  readonly outletId: number
  readonly programme: number
  readonly entitlementDate: CivilDate
  readonly unit: Unit
  readonly quantity: bigint
  readonly tariffVersion: number | undefined
  readonly tariffFrom: CivilDate | undefined
  readonly piastersPerUnit: number | undefined
  readonly permilleOfValue: number | undefined
  readonly coPaymentPiasters: bigint
  readonly payablePiasters: bigint
}

/** Keeps the payables of a run. */
export async function addPayables(client: Queryable, key: RunKey, rows: readonly PayableRow[]): Promise<void> {
  await inChunks(rows, async (chunk) => {
    await client.query(
      `insert into settlement_payable (business_date, cycle, outlet_id, programme, entitlement_date, unit, quantity,
         tariff_version, tariff_from, piasters_per_unit, permille_of_value, co_payment_piasters, payable_piasters)
       select $1, $2, * from jsonb_to_recordset($3) r(o bigint, p smallint, d date, u text, q bigint, v integer, f date,
         t bigint, m integer, c bigint, y bigint)`,
      [
        ...keyOf(key),
        JSON.stringify(
          chunk.map((row) => ({
            o: row.outletId,
            p: row.programme,
            d: formatDate(row.entitlementDate),
            u: row.unit,
            q: String(row.quantity),
            v: row.tariffVersion,
            f: row.tariffFrom === undefined ? undefined : formatDate(row.tariffFrom),
            t: row.piastersPerUnit,
            m: row.permilleOfValue,
            c: String(row.coPaymentPiasters),
            y: String(row.payablePiasters),
          })),
        ),
      ],
    )
  })
}

/** Why something stays due. */
export type DueNote = 'cycle' | 'suspended' | 'no-account' | 'no-bank' | 'no-institution' | 'owes' | 'nets-to-zero'

/** What is due on an account after a run, and how it came to that; above zero we owe it. */
export interface DueRow {
  readonly account: AccountNumber
  readonly opening: bigint
  readonly added: bigint
  readonly restored: bigint
  readonly released: bigint
  readonly held: bigint
  /** Above zero we pay. */
  readonly instructed: bigint
  readonly closing: bigint
  /** Of the closing, what was released out of holdbacks. */
  readonly freed: bigint
  readonly note: DueNote | undefined
}

/** Keeps what is due after a run. */
export async function addDues(client: Queryable, key: RunKey, rows: readonly DueRow[]): Promise<void> {
  await inChunks(rows, async (chunk) => {
    await client.query(
      `insert into settlement_due (business_date, cycle, account, opening, added, restored, released, held, instructed,
         closing, freed, note)
       select $1, $2, * from jsonb_to_recordset($3) r(account bigint, opening bigint, added bigint, restored bigint,
         released bigint, held bigint, instructed bigint, closing bigint, freed bigint, note text)`,
      [...keyOf(key), jsonOf(chunk)],
    )
  })
}

/** Keeps what a run holds back. */
export async function addHoldbacks(
  client: Queryable,
  key: RunKey,
  rows: readonly {
    readonly outletId: number
    readonly purchasesPiasters: bigint
    readonly subsidyPiasters: bigint
    readonly releaseOn: CivilDate
  }[],
): Promise<void> {
  await inChunks(rows, async (chunk) => {
    await client.query(
      `insert into settlement_holdback (business_date, cycle, outlet_id, purchases_piasters, subsidy_piasters, release_on)
       select $1, $2, * from jsonb_to_recordset($3) r(o bigint, p bigint, s bigint, d date)`,
      [
        ...keyOf(key),
        JSON.stringify(
          chunk.map((row) => ({
            o: row.outletId,
            p: String(row.purchasesPiasters),
            s: String(row.subsidyPiasters),
            d: formatDate(row.releaseOn),
          })),
        ),
      ],
    )
  })
}

/** Releases what was held back and whose time has come, by outlet. */
export async function releaseHoldbacks(client: Queryable, key: RunKey): Promise<Map<number, bigint>> {
  const { rows } = await client.query<{ outlet_id: string; piasters: string }>(
    `with due as (
       update settlement_holdback set released_date = $1, released_cycle = $2
       where released_date is null and release_on <= $1 returning outlet_id, purchases_piasters + subsidy_piasters as piasters)
     select outlet_id, sum(piasters) as piasters from due group by 1`,
    keyOf(key),
  )
  return new Map(rows.map((row) => [Number(row.outlet_id), BigInt(row.piasters)]))
}

/** Ends suspensions of outlets whose bank or account is another than where the payment went that came back. */
export async function endMendedSuspensions(client: Queryable): Promise<number> {
  const { rowCount } = await client.query(
    `update payout_suspension s set ended_at = now(), ended_by = 'settlement: bank data changed'
     from outlet_detail d
     where d.outlet_id = s.outlet_id and s.ended_at is null and s.cause in ('returned', 'rejected')
       and d.settlement_account is not null
       and (d.settlement_bank, d.settlement_account) is distinct from (s.bank_code, s.account)`,
  )
  return rowCount ?? 0
}

/** A net position as it is kept. */
export interface PositionRow {
  readonly kind: string
  readonly institution: number
  readonly bank: number
  readonly creditPiasters: bigint
  readonly debitPiasters: bigint
  readonly parts: number
}

/** Keeps the net positions of a run. */
export async function addPositions(client: Queryable, key: RunKey, rows: readonly PositionRow[]): Promise<void> {
  await inChunks(rows, async (chunk) => {
    await client.query(
      `insert into settlement_position (business_date, cycle, institution_kind, institution, bank, credit_piasters,
         debit_piasters, net_piasters, parts)
       select $1, $2, k, i, b, c, d, c - d, p
       from jsonb_to_recordset($3) r(k text, i bigint, b integer, c bigint, d bigint, p integer)`,
      [
        ...keyOf(key),
        JSON.stringify(
          chunk.map((row) => ({
            k: row.kind,
            i: row.institution,
            b: row.bank,
            c: String(row.creditPiasters),
            d: String(row.debitPiasters),
            p: row.parts,
          })),
        ),
      ],
    )
  })
}

/** An instruction as it is made. */
export interface NewInstruction extends InstructionTerms {
  readonly amountPiasters: bigint
  readonly lines: readonly InstructionLine[]
}

/** Keeps the instructions of a run with their lines; what they replace is taken up again with that. */
export async function addInstructions(
  client: Queryable,
  run: RunKey & { readonly valueDate: CivilDate },
  rows: readonly NewInstruction[],
): Promise<void> {
  await inChunks(rows, async (chunk) => {
    await client.query(
      `with given as (
         select * from jsonb_to_recordset($3) r("endToEndId" text, uetr uuid, kind text, purpose text, direction text,
           bank integer, "bankCode" text, "bankBic" text, "bankName" text, "ourAccount" text, "outletId" bigint,
           "institutionKind" text, institution bigint, "partyName" text, "partyAccount" text, "partyBic" text, "amountPiasters" bigint,
           replaces text, lines jsonb)
       ), made as (
         insert into settlement_instruction (business_date, cycle, end_to_end_id, uetr, kind, purpose, direction, bank,
           outlet_id, institution_kind, institution, bank_code, bank_bic, bank_name, our_account, party_name, party_account,
           party_bic, amount_piasters, value_date, replaces, state)
         select $1, $2, "endToEndId", uetr, kind, purpose, direction, bank, "outletId", "institutionKind", institution,
                "bankCode", "bankBic", "bankName", "ourAccount", "partyName", "partyAccount", "partyBic", "amountPiasters", $4::date,
                replaces, 'prepared'
         from given returning id, end_to_end_id
       ), listed as (
         insert into settlement_instruction_line (instruction_id, account, piasters)
         select m.id, l.account, l.piasters
         from made m join given g on g."endToEndId" = m.end_to_end_id
         cross join lateral jsonb_to_recordset(g.lines) l(account bigint, piasters bigint)
       ), noted as (
         insert into settlement_instruction_event (instruction_id, state, source)
         select id, 'prepared', 'settlement' from made
       ), restored as (
         update settlement_instruction o set restored_date = $1, restored_cycle = $2,
           restored_piasters = o.restored_piasters + g."amountPiasters"
         from given g where g.replaces = o.end_to_end_id returning o.id, g."amountPiasters" as piasters
       )
       insert into settlement_restoration (instruction_id, business_date, cycle, piasters)
       select id, $1, $2, piasters from restored`,
      [...keyOf(run), jsonOf(chunk), formatDate(run.valueDate)],
    )
  })
}

/** Takes up instructions of institutions that came to nothing: what they were to clear is due again. */
export async function takeUpFailedNets(
  client: Queryable,
  key: RunKey,
  nets: readonly { readonly endToEndId: string; readonly piasters: bigint }[],
): Promise<void> {
  await client.query(
    `with given as (
       select * from unnest($3::text[], $4::bigint[]) g(end_to_end_id, piasters)
     ), restored as (
       update settlement_instruction o set restored_date = $1, restored_cycle = $2,
         restored_piasters = o.restored_piasters + g.piasters
       from given g where g.end_to_end_id = o.end_to_end_id returning o.id, g.piasters
     )
     insert into settlement_restoration (instruction_id, business_date, cycle, piasters)
     select id, $1, $2, piasters from restored`,
    [...keyOf(key), nets.map(({ endToEndId }) => endToEndId), nets.map(({ piasters }) => String(piasters))],
  )
}

/** Rows as JSON, sums in digits. */
function jsonOf(rows: readonly unknown[]): string {
  return JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? String(value) : value))
}

async function inChunks<T>(rows: readonly T[], work: (chunk: readonly T[]) => Promise<void>): Promise<void> {
  for (let from = 0; from < rows.length; from += CHUNK) await work(rows.slice(from, from + CHUNK))
}
