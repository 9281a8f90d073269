import { addDays, civilDate, formatDate } from '../calendar.ts'
import type { Queryable } from './access-pool.ts'
import { optionalNumber } from './optional-number.ts'

/** What to search authorizations for; what is absent does not matter. */
export interface AuthorizationSearch {
  readonly fromMs: number
  readonly toMs: number
  readonly householdId?: number
  readonly cardId?: number
  readonly terminal?: string
  readonly acceptor?: string
  readonly acquirer?: string
  readonly rrn?: string
  readonly stan?: string
  readonly result?: string
  readonly transactionType?: string
  /** Only what comes after this row in the list. */
  readonly after?: { readonly businessDate: string; readonly id: number }
  readonly limit: number
}

/** An authorization in a list. The card number is masked as it is stored. */
export interface AuthorizationRow {
  readonly id: number
  readonly lane: number
  readonly businessDate: string
  readonly entitlementDate: string
  readonly receivedAtMs: number
  readonly link: string
  readonly mti: string
  readonly transactionType: string
  readonly accountCode: string
  readonly pan: string
  readonly cardId: number | undefined
  readonly householdId: number | undefined
  readonly acquirer: string
  readonly acceptor: string
  readonly terminal: string
  readonly outletName: string | undefined
  readonly stan: string
  readonly rrn: string
  readonly amount: number
  readonly approvedAmount: number
  readonly result: string
  readonly responseCode: string
  readonly originalId: number | undefined
}

interface Row {
  readonly id: string
  readonly lane: number
  readonly business_date: string
  readonly entitlement_date: string
  readonly received_at: Date
  readonly link: string
  readonly mti: string
  readonly transaction_type: string
  readonly account_code: string
  readonly pan_masked: string
  readonly card_id: string | null
  readonly household_id: string | null
  readonly acquirer: string
  readonly acceptor: string
  readonly terminal: string
  readonly outlet_name: string | null
  readonly stan: string
  readonly rrn: string
  readonly amount: string
  readonly approved_amount: string
  readonly result: string
  readonly response_code: string
  readonly original_id: string | null
}

/**
 * Searches authorizations, the newest business day first and within it the highest number. Only the days of the span
 * are read; a household leads to its rows at once, everything else is looked for in the span.
 * @param client of a role that may read the views
 */
export async function searchAuthorizations(
  client: Queryable,
  search: AuthorizationSearch,
): Promise<AuthorizationRow[]> {
  const conditions = ['a.received_at >= $1', 'a.received_at < $2', 'a.business_date >= $3', 'a.business_date <= $4']
  // What is received in the evening belongs to the next business day.
  const days = [formatDate(civilDate(search.fromMs)), formatDate(addDays(civilDate(search.toMs), 1))]
  const values: unknown[] = [new Date(search.fromMs), new Date(search.toMs), ...days]
  const equals: [string, string | number | undefined][] = [
    ['a.household_id', search.householdId],
    ['a.card_id', search.cardId],
    ['a.terminal', search.terminal],
    ['a.acceptor', search.acceptor],
    ['a.acquirer', search.acquirer],
    ['a.rrn', search.rrn],
    ['a.stan', search.stan],
    ['a.result', search.result],
    ['a.transaction_type', search.transactionType],
  ]
  for (const [column, value] of equals) {
    if (value === undefined) continue
    values.push(value)
    conditions.push(`${column} = $${values.length}`)
  }
  if (search.after !== undefined) {
    values.push(search.after.businessDate, search.after.id)
    conditions.push(`(a.business_date, a.id) < ($${values.length - 1}::date, $${values.length}::bigint)`)
  }
  values.push(search.limit)
  const { rows } = await client.query<Row>(
    `select a.id, a.lane, a.business_date, a.entitlement_date, a.received_at, a.link, a.mti, a.transaction_type,
            a.account_code, a.pan_masked, a.card_id, a.household_id, a.acquirer, a.acceptor, a.terminal, a.outlet_name,
            a.stan, a.rrn, a.amount, a.approved_amount, a.result, a.response_code, a.original_id
     from authorizations a where ${conditions.join(' and ')}
     order by a.business_date desc, a.id desc limit $${values.length}`,
    values,
  )
  return rows.map(rowOf)
}

function rowOf(row: Row): AuthorizationRow {
  return {
    id: Number(row.id),
    lane: row.lane,
    businessDate: row.business_date,
    entitlementDate: row.entitlement_date,
    receivedAtMs: row.received_at.getTime(),
    link: row.link,
    mti: row.mti,
    transactionType: row.transaction_type,
    accountCode: row.account_code,
    pan: row.pan_masked,
    cardId: optionalNumber(row.card_id),
    householdId: optionalNumber(row.household_id),
    acquirer: row.acquirer.trim(),
    acceptor: row.acceptor.trim(),
    terminal: row.terminal.trim(),
    outletName: row.outlet_name ?? undefined,
    stan: row.stan,
    rrn: row.rrn,
    amount: Number(row.amount),
    approvedAmount: Number(row.approved_amount),
    result: row.result,
    responseCode: row.response_code,
    originalId: optionalNumber(row.original_id),
  }
}
