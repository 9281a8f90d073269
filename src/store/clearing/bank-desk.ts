import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'
import { optionalNumber } from '../optional-number.ts'

/** A file of a bank, for people. */
export interface ListedBankFile {
  readonly id: number
  readonly name: string
  readonly registered: string | undefined
  readonly receivedAt: Date
  readonly receivedBy: string
  readonly state: 'read' | 'refused'
  readonly schema: string | undefined
  readonly bank: number | undefined
  readonly reason: string | undefined
  readonly repeats: number
}

/** Files of banks, the newest first. */
export async function listBankFiles(
  client: Queryable,
  filter: {
    readonly state?: 'read' | 'refused' | undefined
    readonly beforeId?: number | undefined
    readonly limit: number
  },
): Promise<ListedBankFile[]> {
  const { rows } = await client.query<{
    id: string
    name: string
    registered: string | null
    received_at: Date
    received_by: string
    state: 'read' | 'refused'
    schema: string | null
    bank: number | null
    reason: string | null
    repeats: number
  }>(
    `select f.id, f.name, c.name as registered, f.received_at, f.received_by, f.state, f.schema, f.bank, f.reason, f.repeats
     from bank_file f left join clearing_file c on c.id = f.file_id
     where ($1::text is null or f.state = $1) and ($2::bigint is null or f.id < $2) order by f.id desc limit $3`,
    [filter.state ?? null, filter.beforeId ?? null, filter.limit],
  )
  return rows.map((row) => ({
    id: Number(row.id),
    name: row.name,
    registered: row.registered ?? undefined,
    receivedAt: row.received_at,
    receivedBy: row.received_by,
    state: row.state,
    schema: row.schema ?? undefined,
    bank: row.bank ?? undefined,
    reason: row.reason ?? undefined,
    repeats: row.repeats,
  }))
}

const statementStates = ['stored', 'booked', 'announced'] as const
export type StatementState = (typeof statementStates)[number]

/** A statement, notification or intraday report, for people. */
export interface ListedStatement {
  readonly id: number
  readonly report: string
  readonly bank: number
  readonly account: string
  readonly statementId: string
  readonly page: number
  readonly sequence: number | undefined
  readonly date: string
  readonly openingPiasters: number | undefined
  readonly closingPiasters: number | undefined
  readonly ledgerPiasters: number | undefined
  readonly entries: number
  readonly notBooked: number
  readonly suspense: number
  readonly state: StatementState
  readonly file: string
}

/** Statements, the newest first. */
export async function listStatements(
  client: Queryable,
  filter: {
    readonly id?: number | undefined
    readonly bank?: number | undefined
    readonly report?: string | undefined
    readonly beforeId?: number | undefined
    readonly limit: number
  },
): Promise<ListedStatement[]> {
  const { rows } = await client.query<
    Record<string, string | null> & {
      bank: number
      page: number
      entries: number
      not_booked: number
      suspense: number
      state: StatementState
    }
  >(
    `select s.id, s.report, s.bank, s.account, s.statement_id, s.page, s.sequence, s.statement_date, s.opening_piasters,
            s.closing_piasters, s.ledger_piasters, s.entries, s.not_booked, s.state, f.name as file,
            (select count(*)::int from bank_entry e where e.statement_id = s.id and e.state = 'suspense') as suspense
     from bank_statement s join bank_file f on f.id = s.bank_file
     where ($1::bigint is null or s.id = $1) and ($2::integer is null or s.bank = $2) and ($3::text is null or s.report = $3)
       and ($4::bigint is null or s.id < $4) order by s.id desc limit $5`,
    [filter.id ?? null, filter.bank ?? null, filter.report ?? null, filter.beforeId ?? null, filter.limit],
  )
  return rows.map((row) => ({
    id: Number(row.id),
    report: row.report ?? '',
    bank: row.bank,
    account: row.account ?? '',
    statementId: row.statement_id ?? '',
    page: row.page,
    sequence: optionalNumber(row.sequence),
    date: row.statement_date ?? '',
    openingPiasters: optionalNumber(row.opening_piasters),
    closingPiasters: optionalNumber(row.closing_piasters),
    ledgerPiasters: optionalNumber(row.ledger_piasters),
    entries: row.entries,
    notBooked: row.not_booked,
    suspense: row.suspense,
    state: row.state,
    file: row.file ?? '',
  }))
}

/** @throws MizanError NOT_FOUND */
export async function readStatement(client: Queryable, id: number): Promise<ListedStatement> {
  const [found] = await listStatements(client, { id, limit: 1 })
  if (found === undefined) throw new MizanError('NOT_FOUND', `there is no statement ${id}`)
  return found
}

export const entryStates = ['unmatched', 'matched', 'known', 'suspense', 'announced'] as const
export type EntryState = (typeof entryStates)[number]

/** A booking, for people. */
export interface ListedEntry {
  readonly statement: number
  readonly number: number
  readonly bank: number
  readonly amountPiasters: number
  readonly status: string
  readonly bookingDate: string
  readonly valueDate: string
  readonly endToEndId: string | undefined
  readonly reference: string | undefined
  readonly code: string | undefined
  readonly returnReason: string | undefined
  readonly text: string | undefined
  readonly state: EntryState
  readonly rule: string | undefined
  readonly note: string | undefined
  readonly kind: string | undefined
  readonly suspensePiasters: number
}

/** Bookings, the newest statement first, in the order of each. */
export async function listEntries(
  client: Queryable,
  filter: {
    readonly statement?: number | undefined
    readonly state?: EntryState | undefined
    readonly endToEndId?: string | undefined
    /** Statement and number of the last one seen. */
    readonly after?: readonly [number, number] | undefined
    readonly limit: number
  },
): Promise<ListedEntry[]> {
  const { rows } = await client.query<
    Record<string, string | null> & { number: number; bank: number; state: EntryState }
  >(
    `select e.statement_id, e.number, s.bank, e.amount_piasters, e.status, e.booking_date, e.value_date, e.end_to_end_id, e.reference,
            e.code, e.return_reason, e.text, e.state, e.rule, e.note, k.name as kind, e.suspense_piasters
     from bank_entry e join bank_statement s on s.id = e.statement_id left join transfer_kind k on k.kind = e.kind
     where ($1::bigint is null or e.statement_id = $1) and ($2::text is null or e.state = $2) and ($3::text is null or e.end_to_end_id = $3)
       and ($4::bigint is null or e.statement_id < $4 or (e.statement_id = $4 and e.number > $5))
     order by e.statement_id desc, e.number limit $6`,
    [
      filter.statement ?? null,
      filter.state ?? null,
      filter.endToEndId ?? null,
      filter.after?.[0] ?? null,
      filter.after?.[1] ?? null,
      filter.limit,
    ],
  )
  return rows.map((row) => ({
    statement: Number(row.statement_id),
    number: row.number,
    bank: row.bank,
    amountPiasters: Number(row.amount_piasters),
    status: row.status ?? '',
    bookingDate: row.booking_date ?? '',
    valueDate: row.value_date ?? '',
    endToEndId: row.end_to_end_id ?? undefined,
    reference: row.reference ?? undefined,
    code: row.code ?? undefined,
    returnReason: row.return_reason ?? undefined,
    text: row.text ?? undefined,
    state: row.state,
    rule: row.rule ?? undefined,
    note: row.note ?? undefined,
    kind: row.kind ?? undefined,
    suspensePiasters: Number(row.suspense_piasters),
  }))
}
