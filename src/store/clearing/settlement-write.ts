import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { AccountNumber } from '../../ledger/accounts.ts'
import type { Unit } from '../../money.ts'
import type { Queryable } from '../access-pool.ts'
import type { Client } from '../connection.ts'

/** A run by its business date and cycle. */
export interface RunKey {
  readonly businessDate: CivilDate
  readonly cycle: number
}

export type RunState = 'computed' | 'posted' | 'written' | 'released'

/** A run of settlement. */
export interface SettlementRun extends RunKey {
  readonly coversFrom: CivilDate
  readonly valueDate: CivilDate
  readonly state: RunState
  readonly totals: Readonly<Record<string, unknown>>
  readonly releasedBy: string | undefined
}

interface RunRow {
  readonly business_date: string
  readonly cycle: number
  readonly covers_from: string
  readonly value_date: string
  readonly state: RunState
  readonly totals: Record<string, unknown>
  readonly released_by: string | null
}

const runColumns = 'business_date, cycle, covers_from, value_date, state, totals, released_by'
const CHUNK = 5_000

/** Keys of a run as parameters. */
export const keyOf = ({ businessDate, cycle }: RunKey): [string, number] => [formatDate(businessDate), cycle]

/** Lets one run of the installation be made at a time; until the transaction ends. */
export async function lockSettlement(client: Client): Promise<void> {
  await client.query("select pg_advisory_xact_lock(hashtext('mizan settlement'))")
}

/** A run, if it was made. */
export async function findRun(client: Queryable, key: RunKey): Promise<SettlementRun | undefined> {
  const { rows } = await client.query<RunRow>(
    `select ${runColumns} from settlement_run where business_date = $1 and cycle = $2`,
    keyOf(key),
  )
  return rows[0] === undefined ? undefined : runOf(rows[0])
}

/** The run of a later date that covers a date which has none of its own. */
export async function findLaterRun(client: Queryable, businessDate: CivilDate): Promise<SettlementRun | undefined> {
  const { rows } = await client.query<RunRow>(
    `select ${runColumns} from settlement_run where covers_from <= $1 and business_date > $1 and cycle = 1
       and not exists (select from settlement_run own where own.business_date = $1)`,
    [formatDate(businessDate)],
  )
  return rows[0] === undefined ? undefined : runOf(rows[0])
}

/** The last runs, the newest first. */
export async function listRuns(client: Queryable, limit: number): Promise<SettlementRun[]> {
  const { rows } = await client.query<RunRow>(
    `select ${runColumns} from settlement_run order by business_date desc, cycle desc limit $1`,
    [limit],
  )
  return rows.map(runOf)
}

/** Notes a run that is about to be computed. */
export async function addRun(
  client: Queryable,
  run: RunKey & { readonly coversFrom: CivilDate; readonly valueDate: CivilDate },
): Promise<void> {
  await client.query(
    `insert into settlement_run (business_date, cycle, covers_from, value_date, state) values ($1, $2, $3, $4, 'computed')`,
    [...keyOf(run), formatDate(run.coversFrom), formatDate(run.valueDate)],
  )
}

/** Moves a run to its next state; one that is there or further stays. */
export async function advanceRun(client: Queryable, key: RunKey, from: RunState, to: RunState): Promise<void> {
  await client.query('update settlement_run set state = $4 where business_date = $1 and cycle = $2 and state = $3', [
    ...keyOf(key),
    from,
    to,
  ])
}

/** Notes what a run came to, once. */
export async function noteTotals(
  client: Queryable,
  key: RunKey,
  totals: Readonly<Record<string, unknown>>,
): Promise<void> {
  await client.query('update settlement_run set totals = $3 where business_date = $1 and cycle = $2', [
    ...keyOf(key),
    JSON.stringify(totals),
  ])
}

function runOf(row: RunRow): SettlementRun {
  return {
    businessDate: parseDate(row.business_date),
    cycle: row.cycle,
    coversFrom: parseDate(row.covers_from),
    valueDate: parseDate(row.value_date),
    state: row.state,
    totals: row.totals,
    releasedBy: row.released_by ?? undefined,
  }
}

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

/** What is due on an account after a run, as it is kept. */
export interface DueRow {
  readonly account: AccountNumber
  readonly opening: bigint
  readonly added: bigint
  readonly restored: bigint
  readonly released: bigint
  readonly held: bigint
  readonly instructed: bigint
  readonly closing: bigint
  readonly note: string | undefined
}

/** Keeps what is due after a run. */
export async function addDues(client: Queryable, key: RunKey, rows: readonly DueRow[]): Promise<void> {
  await inChunks(rows, async (chunk) => {
    await client.query(
      `insert into settlement_due (business_date, cycle, account, opening, added, restored, released, held, instructed,
         closing, note)
       select $1, $2, * from jsonb_to_recordset($3) r(account bigint, opening bigint, added bigint, restored bigint,
         released bigint, held bigint, instructed bigint, closing bigint, note text)`,
      [...keyOf(key), JSON.stringify(chunk, (_, value) => (typeof value === 'bigint' ? String(value) : value))],
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
export interface NewInstruction {
  readonly endToEndId: string
  readonly uetr: string
  readonly kind: 'pain.001' | 'pacs.009'
  readonly purpose: 'payout' | 'repayment' | 'offset' | 'net'
  readonly direction: 'pay' | 'collect'
  readonly bank: number
  readonly bankCode: string
  readonly bankBic: string
  readonly bankName: string
  readonly ourAccount: string
  readonly outletId: number | undefined
  readonly institutionKind: string | undefined
  readonly institution: number | undefined
  readonly partyName: string
  readonly partyAccount: string | undefined
  /** Of the bank that is to get it, or to give it. */
  readonly partyBic: string
  readonly amountPiasters: bigint
  readonly replaces: string | undefined
  readonly lines: readonly { readonly account: AccountNumber; readonly piasters: bigint }[]
}

/** Keeps the instructions of a run with their lines; what they replace is taken up again with that. */
export async function addInstructions(
  client: Queryable,
  run: RunKey & { readonly valueDate: CivilDate },
  rows: readonly NewInstruction[],
): Promise<void> {
  await inChunks(rows, async (chunk) => {
    const given = JSON.stringify(chunk, (_, value) => (typeof value === 'bigint' ? String(value) : value))
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
       )
       update settlement_instruction o set restored_date = $1, restored_cycle = $2
       from given g where g.replaces = o.end_to_end_id`,
      [...keyOf(run), given, formatDate(run.valueDate)],
    )
  })
}

/** Takes up instructions of institutions that came to nothing: what they were to clear is due again. */
export async function takeUpFailedNets(client: Queryable, key: RunKey, endToEndIds: readonly string[]): Promise<void> {
  await client.query(
    `update settlement_instruction set restored_date = $1, restored_cycle = $2 where end_to_end_id = any ($3)`,
    [...keyOf(key), endToEndIds],
  )
}

async function inChunks<T>(rows: readonly T[], work: (chunk: readonly T[]) => Promise<void>): Promise<void> {
  for (let from = 0; from < rows.length; from += CHUNK) await work(rows.slice(from, from + CHUNK))
}
