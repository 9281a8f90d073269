import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'

export type ReportKind = 'statement' | 'notification' | 'intraday'

/** A settlement bank by an account of ours there. */
export interface AccountBank {
  readonly number: number
  readonly code: string
}

/** An account as master data have it: without spaces and signs, in capitals. */
export function accountText(account: string): string {
  return account.replaceAll(/[^A-Za-z0-9]/g, '').toUpperCase()
}

/** The bank that keeps an account for us, now or before; undefined when it is none of ours. */
export async function bankOfAccount(client: Queryable, account: string): Promise<AccountBank | undefined> {
  const { rows } = await client.query<AccountBank>(
    `select b.number, b.code from settlement_bank_term t join settlement_bank b on b.number = t.bank
     where t.account = $1 order by t.from_date desc, t.id desc limit 1`,
    [accountText(account)],
  )
  return rows[0]
}

/** The last statement of an account, page by page. */
export interface LastStatement {
  readonly id: number
  readonly statementId: string
  readonly sequence: number | undefined
  readonly page: number
  readonly lastPage: boolean
  readonly date: CivilDate
  readonly closingPiasters: bigint
}

export async function lastStatement(
  client: Queryable,
  bank: number,
  account: string,
): Promise<LastStatement | undefined> {
  const { rows } = await client.query<{
    id: string
    statement_id: string
    sequence: string | null
    page: number
    last_page: boolean
    statement_date: string
    closing_piasters: string
  }>(
    `select id, statement_id, sequence, page, last_page, statement_date, closing_piasters from bank_statement
     where bank = $1 and account = $2 and report = 'statement' order by id desc limit 1`,
    [bank, account],
  )
  const [row] = rows
  if (row === undefined) return undefined
  return {
    id: Number(row.id),
    statementId: row.statement_id,
    sequence: row.sequence === null ? undefined : Number(row.sequence),
    page: row.page,
    lastPage: row.last_page,
    date: parseDate(row.statement_date),
    closingPiasters: BigInt(row.closing_piasters),
  }
}

/** What the ledger has on our account at a bank, from the bank's side: above zero it owes us. */
export async function ledgerAtBank(client: Queryable, bank: number): Promise<bigint> {
  const { rows } = await client.query<{ posted: string }>(
    'select coalesce(-sum(posted), 0) as posted from balance where household_id = 0 and account = $1',
    [8007 * 100_000_000_000 + bank],
  )
  return BigInt(rows[0]?.posted ?? '0')
}

/** Whether a report came before, in whichever file. */
export async function findReport(
  client: Queryable,
  report: {
    readonly kind: ReportKind
    readonly bank: number
    readonly account: string
    readonly id: string
    readonly page: number
  },
): Promise<{ readonly file: string } | undefined> {
  const { rows } = await client.query<{ file: string }>(
    `select f.name as file from bank_statement s join bank_file f on f.id = s.bank_file
     where s.bank = $1 and s.account = $2 and s.report = $3 and s.statement_id = $4 and s.page = $5`,
    [report.bank, report.account, report.kind, report.id, report.page],
  )
  return rows[0]
}

/** A report that begins. */
export interface NewReport {
  readonly bankFile: number
  readonly kind: ReportKind
  readonly bank: number
  readonly account: string
  readonly id: string
  readonly page: number
  readonly lastPage: boolean
  readonly sequence: number | undefined
  readonly createdMs: number | undefined
  readonly fromMs: number | undefined
  readonly toMs: number | undefined
  readonly date: CivilDate
  readonly openingPiasters: bigint | undefined
  readonly closingPiasters: bigint | undefined
}

const instantOf = (ms: number | undefined) => (ms === undefined ? null : new Date(ms))

/** Begins a report, in the transaction that takes its file. @returns its number */
export async function openReport(client: Queryable, report: NewReport): Promise<number> {
  const { rows } = await client.query<{ id: string }>(
    `insert into bank_statement (bank_file, report, bank, account, statement_id, page, last_page, sequence, created_at, from_at,
       to_at, statement_date, opening_piasters, closing_piasters, entries, credit_piasters, debit_piasters, state)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 0, 0, 'reading') returning id`,
    [
      report.bankFile,
      report.kind,
      report.bank,
      report.account,
      report.id,
      report.page,
      report.lastPage,
      report.sequence ?? null,
      instantOf(report.createdMs),
      instantOf(report.fromMs),
      instantOf(report.toMs),
      formatDate(report.date),
      report.openingPiasters ?? null,
      report.closingPiasters ?? null,
    ],
  )
  return Number(rows[0]?.id)
}

/** A booking as it is kept; names are those of the columns. */
export interface EntryRow {
  readonly number: number
  readonly entry: number
  readonly amount_piasters: string
  readonly status: string
  readonly reversal: boolean
  readonly booking_date: string
  readonly value_date: string
  readonly end_to_end_id?: string | undefined
  readonly reference?: string | undefined
  readonly entry_reference?: string | undefined
  readonly message_id?: string | undefined
  readonly payment_id?: string | undefined
  readonly batch_count?: number | undefined
  readonly code?: string | undefined
  readonly return_reason?: string | undefined
  readonly counterparty_account?: string | undefined
  readonly text?: string | undefined
  readonly state: string
  readonly rule?: string | undefined
  readonly matched_instruction?: number | undefined
  readonly note?: string | undefined
  readonly kind?: number | undefined
  readonly counter_account?: number | undefined
  readonly suspense_piasters: string
  readonly suspense_account?: number | undefined
}

/** Adds bookings to a report. */
export async function addEntries(client: Queryable, statement: number, rows: readonly EntryRow[]): Promise<void> {
  if (rows.length === 0) return
  await client.query({
    name: 'bank-entries',
    text: `insert into bank_entry (statement_id, number, entry, amount_piasters, status, reversal, booking_date, value_date,
         end_to_end_id, reference, entry_reference, message_id, payment_id, batch_count, code, return_reason,
         counterparty_account, text, state, rule, matched_instruction, note, kind, counter_account, suspense_piasters,
         suspense_account)
       select $1, * from json_to_recordset($2) r(number integer, entry integer, amount_piasters bigint, status text,
         reversal boolean, booking_date date, value_date date, end_to_end_id text, reference text, entry_reference text,
         message_id text, payment_id text, batch_count integer, code text, return_reason text, counterparty_account text,
         text text, state text, rule text, matched_instruction bigint, note text, kind smallint, counter_account bigint,
         suspense_piasters bigint, suspense_account bigint)`,
    values: [statement, JSON.stringify(rows)],
  })
}

/** How a report ended. */
export interface ReportEnd {
  readonly entries: number
  readonly creditPiasters: bigint
  readonly debitPiasters: bigint
  readonly notBooked: number
  readonly date: CivilDate
  readonly state: 'stored' | 'announced'
}

/** Ends a report, in the transaction that takes its file. */
export async function closeReport(client: Queryable, id: number, end: ReportEnd): Promise<void> {
  await client.query(
    `update bank_statement set entries = $2, credit_piasters = $3, debit_piasters = $4, not_booked = $5, statement_date = $6,
       state = $7 where id = $1`,
    [
      id,
      end.entries,
      String(end.creditPiasters),
      String(end.debitPiasters),
      end.notBooked,
      formatDate(end.date),
      end.state,
    ],
  )
}

/** Finds the announcements of what a statement has booked: the same payment in both is one. */
export async function linkAnnouncements(client: Queryable, statement: number): Promise<number> {
  const { rowCount } = await client.query(
    `update bank_entry a set booked_statement = b.statement_id, booked_number = b.number
     from bank_entry b, bank_statement sb, bank_statement sa
     where b.statement_id = $1 and b.status = 'BOOK' and sb.id = b.statement_id and sa.id = a.statement_id
       and a.state = 'announced' and a.booked_statement is null and sa.bank = sb.bank and sa.account = sb.account
       and a.end_to_end_id = b.end_to_end_id and a.amount_piasters = b.amount_piasters`,
    [statement],
  )
  return rowCount ?? 0
}
