import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Unit } from '../../money.ts'
import type { Queryable } from '../access-pool.ts'
import { keyOf, type RunKey } from './settlement-runs.ts'

/** A kind of account in the trial balance that was kept with a day. */
export interface KindBalance {
  readonly kind: number
  readonly accountName: string
  readonly unit: Unit
  /** Lines of the trial balance: one for each account of kinds 7xxx and 8xxx, one for all of another kind. */
  readonly lines: number
  readonly debits: bigint
  readonly credits: bigint
  /** After the day; credits are positive. */
  readonly balance: bigint
}

/** The trial balance that was kept with a day, by kind of account; empty before it is drawn up. */
export async function readKindBalances(client: Queryable, date: CivilDate): Promise<KindBalance[]> {
  const { rows } = await client.query<{
    kind: number
    account_name: string
    unit: Unit
    lines: number
    debits: string
    credits: string
    balance: string
  }>(
    `select kind, account_name, unit, count(*)::int as lines, sum(debits)::text as debits, sum(credits)::text as credits,
            sum(balance)::text as balance
     from business_day_balances where business_date = $1 group by 1, 2, 3 order by kind`,
    [formatDate(date)],
  )
  return rows.map((row) => ({
    kind: row.kind,
    accountName: row.account_name,
    unit: row.unit,
    lines: row.lines,
    debits: BigInt(row.debits),
    credits: BigInt(row.credits),
    balance: BigInt(row.balance),
  }))
}

/** Clearing files of a type on a date, but those that a correction superseded. */
export interface FileSums {
  readonly direction: 'out' | 'in'
  readonly type: string
  readonly files: number
  readonly superseded: number
  readonly records: bigint
  readonly items: bigint
  readonly grossPiasters: bigint
}

/** What the clearing files of a date come to, by direction and type. */
export async function readFileSums(client: Queryable, date: CivilDate): Promise<FileSums[]> {
  const { rows } = await client.query<{
    direction: 'out' | 'in'
    type: string
    files: number
    superseded: number
    records: string
    items: string
    gross: string
  }>(
    `select direction, type, count(*) filter (where state <> 'superseded')::int as files,
            count(*) filter (where state = 'superseded')::int as superseded,
            coalesce(sum(records) filter (where state <> 'superseded'), 0)::text as records,
            coalesce(sum(items) filter (where state <> 'superseded'), 0)::text as items,
            coalesce(sum(gross_piasters) filter (where state <> 'superseded'), 0)::text as gross
     from clearing_file where business_date = $1 group by 1, 2 order by direction desc, type`,
    [formatDate(date)],
  )
  return rows.map(({ direction, type, files, superseded, records, items, gross }) => ({
    ...{ direction, type, files, superseded },
    records: BigInt(records),
    items: BigInt(items),
    grossPiasters: BigInt(gross),
  }))
}

/** The runs of settlement of a date, in order. */
export async function listRunKeys(client: Queryable, date: CivilDate): Promise<RunKey[]> {
  const { rows } = await client.query<{ cycle: number }>(
    'select cycle from settlement_run where business_date = $1 order by cycle',
    [formatDate(date)],
  )
  return rows.map(({ cycle }) => ({ businessDate: date, cycle }))
}

/** What is payable in a run for a programme. */
export interface PayableSums {
  readonly programme: number
  readonly unit: Unit
  readonly outlets: number
  readonly quantity: bigint
  readonly coPaymentPiasters: bigint
  readonly payablePiasters: bigint
}

/** The payables of a run by programme. */
export async function readPayableSums(client: Queryable, key: RunKey): Promise<PayableSums[]> {
  const { rows } = await client.query<{
    programme: number
    unit: Unit
    outlets: number
    quantity: string
    co_payment: string
    payable: string
  }>(
    `select programme, unit, count(distinct outlet_id)::int as outlets, sum(quantity)::text as quantity,
            sum(co_payment_piasters)::text as co_payment, sum(payable_piasters)::text as payable
     from settlement_payable where business_date = $1 and cycle = $2 group by 1, 2 order by 1, 2`,
    keyOf(key),
  )
  return rows.map((row) => ({
    programme: row.programme,
    unit: row.unit,
    outlets: row.outlets,
    quantity: BigInt(row.quantity),
    coPaymentPiasters: BigInt(row.co_payment),
    payablePiasters: BigInt(row.payable),
  }))
}

/** What a run holds back of outlets, and what it releases of what runs before held back. */
export interface HoldbackSums {
  readonly held: number
  readonly heldPurchasesPiasters: bigint
  readonly heldSubsidyPiasters: bigint
  readonly released: number
  readonly releasedPiasters: bigint
}

/** Holdback of a run. */
export async function readHoldbackSums(client: Queryable, key: RunKey): Promise<HoldbackSums> {
  const { rows } = await client.query<Record<string, string>>(
    `select h.n as held, h.purchases, h.subsidy, r.n as released, r.piasters
     from (select count(*) as n, coalesce(sum(purchases_piasters), 0) as purchases, coalesce(sum(subsidy_piasters), 0) as subsidy
           from settlement_holdback where business_date = $1 and cycle = $2) h,
          (select count(*) as n, coalesce(sum(purchases_piasters + subsidy_piasters), 0) as piasters
           from settlement_holdback where released_date = $1 and released_cycle = $2) r`,
    keyOf(key),
  )
  const [row] = rows
  return {
    held: Number(row?.held ?? 0),
    heldPurchasesPiasters: BigInt(row?.purchases ?? 0),
    heldSubsidyPiasters: BigInt(row?.subsidy ?? 0),
    released: Number(row?.released ?? 0),
    releasedPiasters: BigInt(row?.piasters ?? 0),
  }
}

/** The statement of an account of ours at a bank. */
export interface DayStatement {
  readonly bankCode: string
  readonly account: string
  readonly statementId: string
  readonly sequence: number | undefined
  readonly date: CivilDate
  readonly openingPiasters: bigint | undefined
  readonly creditPiasters: bigint
  readonly debitPiasters: bigint
  readonly closingPiasters: bigint | undefined
  /** What the ledger had, from the bank's side; undefined until its postings are in the journal. */
  readonly ledgerPiasters: bigint | undefined
  readonly entries: number
  readonly suspense: number
  readonly state: string
}

/** Statements of banks of some dates, up to a number of them; notifications and intraday reports are none. */
export async function listStatementsOf(
  client: Queryable,
  dates: readonly CivilDate[],
  limit: number,
): Promise<{ readonly statements: readonly DayStatement[]; readonly all: number }> {
  const { rows } = await client.query<
    Record<string, string | null> & {
      code: string
      statement_date: string
      entries: number
      suspense: number
      all: number
    }
  >(
    `select b.code, s.account, s.statement_id, s.sequence, s.statement_date, s.opening_piasters, s.credit_piasters,
            s.debit_piasters, s.closing_piasters, s.ledger_piasters, s.entries, s.state, count(*) over ()::int as "all",
            (select count(*)::int from bank_entry e where e.statement_id = s.id and e.state = 'suspense') as suspense
     from bank_statement s join settlement_bank b on b.number = s.bank
     where s.report = 'statement' and s.statement_date = any ($1::date[]) order by s.statement_date, b.code, s.account, s.id
     limit $2`,
    [dates.map(formatDate), limit],
  )
  const statements = rows.map((row) => ({
    bankCode: row.code,
    account: row.account ?? '',
    statementId: row.statement_id ?? '',
    sequence: row.sequence === null ? undefined : Number(row.sequence),
    date: parseDate(row.statement_date),
    openingPiasters: bigintOf(row.opening_piasters),
    creditPiasters: bigintOf(row.credit_piasters) ?? 0n,
    debitPiasters: bigintOf(row.debit_piasters) ?? 0n,
    closingPiasters: bigintOf(row.closing_piasters),
    ledgerPiasters: bigintOf(row.ledger_piasters),
    entries: row.entries,
    suspense: row.suspense,
    state: row.state ?? '',
  }))
  return { statements, all: rows[0]?.all ?? 0 }
}

/** How often a business date was reconciled. */
export async function countReconciliationRuns(client: Queryable, date: CivilDate): Promise<number> {
  const { rows } = await client.query<{ runs: number }>(
    'select count(*)::int as runs from reconciliation_run where business_date = $1',
    [formatDate(date)],
  )
  return rows[0]?.runs ?? 0
}

/** What is open of a business date and of all dates. */
export interface OpenSums {
  readonly ofDate: number
  readonly ofDatePiasters: bigint
  readonly all: number
  readonly allPiasters: bigint
}

/** Open exceptions, counted. */
export async function countOpenExceptions(client: Queryable, date: CivilDate): Promise<OpenSums> {
  const { rows } = await client.query<Record<string, string>>(
    `select count(*) as n, coalesce(sum(value_at_risk_piasters), 0) as piasters,
            count(*) filter (where business_date = $1) as of_date,
            coalesce(sum(value_at_risk_piasters) filter (where business_date = $1), 0) as of_date_piasters
     from reconciliation_exception where state in ('open', 'assigned', 'waiting')`,
    [formatDate(date)],
  )
  const [row] = rows
  return {
    ofDate: Number(row?.of_date ?? 0),
    ofDatePiasters: BigInt(row?.of_date_piasters ?? 0),
    all: Number(row?.n ?? 0),
    allPiasters: BigInt(row?.piasters ?? 0),
  }
}

function bigintOf(text: string | null | undefined): bigint | undefined {
  return text === null || text === undefined ? undefined : BigInt(text)
}
