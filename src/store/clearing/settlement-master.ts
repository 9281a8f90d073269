import type { OutletCategory } from '../../benefit/programme-schema.ts'
import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'

/** A settlement bank as it holds on a date. */
export interface SettlementBank {
  /** Owner of the accounts 7007 and 8007. */
  readonly number: number
  /** As outlets name their bank. */
  readonly code: string
  readonly bic: string
  readonly name: string
  /** Ours there. */
  readonly account: string
}

export const institutionKinds = ['acquirer', 'scheme', 'post', 'wholesaler'] as const
export type InstitutionKind = (typeof institutionKinds)[number]

/** Whom we settle with besides outlets. */
export interface SettlementInstitution {
  readonly kind: InstitutionKind
  /** Owner of its accounts. */
  readonly institution: number
  readonly name: string
  /** Number of its settlement bank. */
  readonly bank: number
  /** Its own account there. */
  readonly account: string | undefined
}

/** When and how outlets of a category are paid; see `payout-cycle.ts` of the settlement room. */
export interface StoredCycle {
  readonly category: OutletCategory
  /** '' = in every governorate. */
  readonly governorate: string
  readonly frequency: 'daily' | 'weekly' | 'monthly'
  readonly day: number
  readonly holdbackPermille: number
  readonly releaseDays: number
  readonly wholesaler: number | undefined
}

/** In whose name master data of settlement are changed, and why. */
export interface SettlementAuthor {
  /** Up to 64 characters. */
  readonly actor: string
  readonly reason: string
}

/** What holds on a date, by number, kind and category. */
export interface SettlementMaster {
  readonly banks: readonly SettlementBank[]
  readonly institutions: readonly SettlementInstitution[]
  readonly cycles: readonly StoredCycle[]
}

/** The settlement banks, institutions and payout cycles as they hold on a date. */
export async function readSettlementMaster(client: Queryable, date: CivilDate): Promise<SettlementMaster> {
  const day = formatDate(date)
  const banks = await client.query<SettlementBank>(
    'select number, code, bic, name, account from settlement_banks_on($1) order by number',
    [day],
  )
  const institutions = await client.query<{
    kind: InstitutionKind
    institution: string
    name: string
    bank: number
    account: string | null
  }>('select kind, institution, name, bank, account from settlement_institutions_on($1) order by kind, institution', [
    day,
  ])
  const cycles = await client.query<{
    category: OutletCategory
    governorate: string
    frequency: StoredCycle['frequency']
    day: number
    holdback_permille: number
    release_days: number
    wholesaler: string | null
  }>(
    `select category, governorate, frequency, day, holdback_permille, release_days, wholesaler from payout_cycles_on($1)
     order by category, governorate`,
    [day],
  )
  return {
    banks: banks.rows,
    institutions: institutions.rows.map((row) => ({
      ...row,
      institution: Number(row.institution),
      account: row.account ?? undefined,
    })),
    cycles: cycles.rows.map((row) => ({
      category: row.category,
      governorate: row.governorate,
      frequency: row.frequency,
      day: row.day,
      holdbackPermille: row.holdback_permille,
      releaseDays: row.release_days,
      wholesaler: row.wholesaler === null ? undefined : Number(row.wholesaler),
    })),
  }
}

/** A bank from a date on. */
export interface BankTerm extends SettlementBank {
  readonly from: CivilDate
}

/**
 * Sets a settlement bank from a date on; a new number is a new bank. Number and code stay together for good.
 * @throws MizanError CONFLICT when number or code belong to another bank; BAD_INPUT
 */
export async function setSettlementBank(client: Queryable, term: BankTerm, by: SettlementAuthor): Promise<void> {
  const { number, code, bic, name, account, from } = term
  await refusing(async () => {
    await client.query('insert into settlement_bank (number, code) values ($1, $2) on conflict do nothing', [
      number,
      code,
    ])
    const { rowCount } = await client.query('select from settlement_bank where number = $1 and code = $2', [
      number,
      code,
    ])
    if (rowCount !== 1) throw new MizanError('CONFLICT', `another bank has the number ${number} or the code ${code}`)
    await client.query(
      `insert into settlement_bank_term (bank, from_date, bic, name, account, reason, actor)
       values ($1, $2, $3, $4, $5, $6, $7)`,
      [number, formatDate(from), bic, name, account, by.reason, by.actor],
    )
  })
}

/** An institution from a date on. */
export type InstitutionTerm = Omit<SettlementInstitution, 'account'> & {
  readonly account?: string | undefined
  readonly from: CivilDate
}

/**
 * Sets an institution from a date on.
 * @throws MizanError BAD_INPUT when its bank is not known or something does not fit
 */
export async function setSettlementInstitution(
  client: Queryable,
  term: InstitutionTerm,
  by: SettlementAuthor,
): Promise<void> {
  const { kind, institution, name, bank, account, from } = term
  await refusing(() =>
    client.query(
      `insert into settlement_institution_term (kind, institution, from_date, name, bank, account, reason, actor)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [kind, institution, formatDate(from), name, bank, account ?? null, by.reason, by.actor],
    ),
  )
}

/** A payout cycle from a date on. */
export type CycleTerm = StoredCycle & { readonly from: CivilDate }

/** Sets the payout cycle of a category from a date on. @throws MizanError BAD_INPUT when something does not fit */
export async function setPayoutCycle(client: Queryable, term: CycleTerm, by: SettlementAuthor): Promise<void> {
  const { category, governorate, frequency, day, holdbackPermille, releaseDays, wholesaler, from } = term
  await refusing(() =>
    client.query(
      `insert into payout_cycle_term (category, governorate, from_date, frequency, day, holdback_permille, release_days,
         wholesaler, reason, actor)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        category,
        governorate,
        formatDate(from),
        frequency,
        day,
        holdbackPermille,
        releaseDays,
        wholesaler ?? null,
        by.reason,
        by.actor,
      ],
    ),
  )
}

/** One row of the history of master data, newest first. */
export interface MasterChange {
  readonly what: string
  readonly from: string
  readonly atMs: number
  readonly actor: string
  readonly reason: string
}

/** The last changes of banks, institutions and cycles. */
export async function listMasterChanges(client: Queryable, limit: number): Promise<MasterChange[]> {
  const { rows } = await client.query<{ what: string; from_date: string; at: Date; actor: string; reason: string }>(
    `select * from (
       select 'bank ' || bank as what, from_date, at, actor, reason, id from settlement_bank_term
       union all
       select kind || ' ' || institution, from_date, at, actor, reason, id from settlement_institution_term
       union all
       select 'cycle ' || category || coalesce(nullif(' ' || governorate, ' '), ''), from_date, at, actor, reason, id
         from payout_cycle_term) c
     order by at desc, what, id desc limit $1`,
    [limit],
  )
  return rows.map(({ what, from_date: from, at, actor, reason }) => ({ what, from, atMs: at.getTime(), actor, reason }))
}

const INVALID = ['23514', '23503', '22001', '22003']

/** What the rules of the tables refuse is a fault of what was given. */
async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const { code, constraint } = cause as { code?: string; constraint?: string }
    if (code === undefined || !INVALID.includes(code)) throw cause
    throw new MizanError('BAD_INPUT', `this does not fit the master data of settlement (${constraint ?? code})`, {
      cause,
    })
  }
}

/** Where an outlet is paid, as a demo world has it from its beginning. */
export interface OutletAccount {
  readonly outletId: number
  readonly bankCode: string
  readonly account: string
  readonly fuel?: 'diesel' | 'gas' | 'electricity'
}

/** Gives outlets that have no details yet their bank and account; others keep what they have. */
export async function saveOutletAccounts(client: Queryable, rows: readonly OutletAccount[]): Promise<void> {
  await client.query(
    `insert into outlet_detail (outlet_id, settlement_bank, settlement_account, fuel)
     select r."outletId", r."bankCode", r.account, r.fuel
     from jsonb_to_recordset($1) r("outletId" bigint, "bankCode" text, account text, fuel text)
     on conflict (outlet_id) do nothing`,
    [JSON.stringify(rows)],
  )
}
