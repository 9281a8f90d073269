import { type AcquirerTotals, agrees, type SaidTotals } from '../authorization/acquirer-totals.ts'
import { type CivilDate, formatDate, parseDate } from '../calendar.ts'
import { assert } from '../errors.ts'
import { type Client, connect } from './connection.ts'
import { type KeptConnection, keptConnection } from './kept-connection.ts'
import { inTransaction } from './transaction.ts'

/** The longest that one look may take: the first of a business date reads all of it. */
const QUERY_TIMEOUT_MS = 25_000
/** Rows that are listed at most. */
const LIST_MAX = 10_000

/** What an acquirer said of a business date. */
export interface ToReconcile {
  readonly link: string
  readonly mti: string
  readonly acquirer: string
  readonly stan: string
  readonly transmission: string
  readonly businessDate: CivilDate
  readonly receivedAtMs: number
  readonly said: SaidTotals
}

/** What was found, and kept. */
export interface KeptReconciliation {
  readonly businessDate: CivilDate
  readonly ours: AcquirerTotals
  readonly agrees: boolean | undefined
  /** It was kept before: the first answer goes out again. */
  readonly isRepeat: boolean
}

interface KeptRow {
  readonly business_date: string
  readonly ours: AcquirerTotals
  readonly agrees: boolean | null
}

/** Answers acquirers from the journal, one after the other, over a connection of its own. */
export class AcquirerReconciliations {
  readonly #connection: KeptConnection

  constructor(url: string) {
    const limits = { statementTimeoutMs: QUERY_TIMEOUT_MS, queryTimeoutMs: QUERY_TIMEOUT_MS + 1_000 }
    this.#connection = keptConnection({ url, name: 'mizan acquirer totals', role: 'mizan_app', ...limits })
  }

  /**
   * Finds an acquirer's totals of a business date and keeps what it said. A repeat finds what was answered first.
   * @throws MizanError STORE_UNAVAILABLE, or what the database says
   */
  async reconcile(request: ToReconcile): Promise<KeptReconciliation> {
    return this.#connection.use((client) => inTransaction(client, () => keep(client, request)))
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}

async function keep(client: Client, request: ToReconcile): Promise<KeptReconciliation> {
  const { link, mti, acquirer, stan, transmission, businessDate, receivedAtMs, said } = request
  const date = formatDate(businessDate)
  const first = await client.query<KeptRow>(
    `select business_date::text, ours, agrees from acquirer_reconciliation
     where acquirer = $1 and stan = $2 and transmission = $3 and mti = $4 and business_date = $5`,
    [acquirer, stan, transmission, mti, date],
  )
  const [kept] = first.rows
  if (kept !== undefined) {
    const { business_date: of, ours } = kept
    return { businessDate: parseDate(of), ours, agrees: kept.agrees ?? undefined, isRepeat: true }
  }
  await client.query('select bring_acquirer_totals($1::date)', [date])
  const [ours] = await totalsOn(client, acquirer, date)
  assert(ours !== undefined, 'an acquirer has totals, if only zeros')
  const isSo = agrees(said, ours)
  await client.query(
    `insert into acquirer_reconciliation
       (received_at, link, mti, acquirer, stan, transmission, business_date, said, ours, agrees)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [new Date(receivedAtMs), link, mti, acquirer, stan, transmission, date, said, ours, isSo ?? null],
  )
  return { businessDate, ours, agrees: isSo, isRepeat: false }
}

const columns = [
  'credits_number',
  'credits_reversal_number',
  'debits_number',
  'debits_reversal_number',
  'credits_piasters',
  'credits_reversal_piasters',
  'debits_piasters',
  'debits_reversal_piasters',
] as const
type TotalsRow = Readonly<Record<(typeof columns)[number], string>>

async function totalsOn(client: Client, acquirer: string, date: string): Promise<AcquirerTotals[]> {
  const { rows } = await client.query<TotalsRow>(
    `select ${columns.map((column) => `coalesce(sum(${column}), 0)::bigint as ${column}`).join(', ')}
     from acquirer_total where business_date = $2::date and acquirer = $1`,
    [acquirer, date],
  )
  return rows.map(totalsOf)
}

function totalsOf(row: TotalsRow): AcquirerTotals {
  return {
    creditsNumber: Number(row.credits_number),
    creditsReversalNumber: Number(row.credits_reversal_number),
    debitsNumber: Number(row.debits_number),
    debitsReversalNumber: Number(row.debits_reversal_number),
    creditsPiasters: Number(row.credits_piasters),
    creditsReversalPiasters: Number(row.credits_reversal_piasters),
    debitsPiasters: Number(row.debits_piasters),
    debitsReversalPiasters: Number(row.debits_reversal_piasters),
  }
}

/** An acquirer's business date for people: the totals, and what the acquirer said last. */
export interface ListedTotals extends AcquirerTotals {
  readonly acquirer: string
  readonly name: string | null
  readonly said: {
    readonly mti: string
    readonly receivedAt: string
    readonly totals: SaidTotals
    /** Against the totals as they were then; null when the message had none. */
    readonly agrees: boolean | null
  } | null
}

/**
 * Brings the totals of a business date up to date and lists them, with what each acquirer said last.
 * @throws MizanError STORE_UNAVAILABLE
 */
export async function listAcquirerTotals(url: string, date: CivilDate, acquirer?: string): Promise<ListedTotals[]> {
  const client = await connect({ url, name: 'mizan acquirer totals', role: 'mizan_app' })
  try {
    await client.query('select bring_acquirer_totals($1::date)', [formatDate(date)])
    const { rows } = await client.query<
      TotalsRow & { acquirer: string; name: string | null; said: ListedTotals['said'] }
    >(
      `select t.*, a.name, r.said
       from acquirer_totals t
       left join acquirer a on a.id = t.acquirer
       left join lateral (
         select jsonb_build_object('mti', r.mti, 'receivedAt', r.received_at, 'totals', r.said, 'agrees', r.agrees) as said
         from acquirer_reconciliation r where r.business_date = t.business_date and r.acquirer = t.acquirer
         order by r.id desc limit 1) r on true
       where t.business_date = $1::date and ($2::text is null or t.acquirer = $2)
       order by t.acquirer limit ${LIST_MAX}`,
      [formatDate(date), acquirer ?? null],
    )
    return rows.map((row) => ({ acquirer: row.acquirer, name: row.name, ...totalsOf(row), said: row.said }))
  } finally {
    await client.end().catch(() => undefined)
  }
}
