import { formatQuantity, type Unit } from '../money.ts'
import type { Client } from '../store/connection.ts'

/** What the journal says of a message, from the view `authorizations`. */
export interface LedgerAuthorization {
  readonly id: number
  readonly link: string
  readonly mti: string
  readonly rrn: string
  readonly stan: string
  readonly householdId: number | undefined
  readonly result: string
  readonly responseCode: string
  readonly amountPiasters: number
  readonly approvedPiasters: number
  readonly originalId: number | undefined
  readonly entries: readonly LedgerEntry[]
}

/** One side of a transfer, from the view `entries`: debits are negative. */
export interface LedgerEntry {
  readonly kind: string
  readonly account: string
  readonly accountName: string
  readonly unit: Unit
  readonly amount: number
  readonly period: number
}

/**
 * Reads what messages left in the ledger, oldest first, through the views that analysts use.
 * @param rrns DE37 of the messages
 * @param sinceId only what is newer: an RRN comes again after years
 */
export async function readAuthorizations(
  client: Client,
  rrns: readonly string[],
  sinceId = 0,
): Promise<LedgerAuthorization[]> {
  const { rows } = await client.query<{
    row: Omit<LedgerAuthorization, 'entries'> & { entries: LedgerEntry[] | null }
  }>(
    `select jsonb_build_object(
       'id', a.id, 'link', a.link, 'mti', a.mti, 'rrn', a.rrn, 'stan', a.stan, 'householdId', a.household_id,
       'result', a.result, 'responseCode', a.response_code, 'amountPiasters', a.amount,
       'approvedPiasters', a.approved_amount, 'originalId', a.original_id,
       'entries', (select jsonb_agg(jsonb_build_object('kind', e.kind_name, 'account', e.account::text,
                     'accountName', e.account_name, 'unit', e.unit, 'amount', e.amount, 'period', e.period)
                     order by e.leg, e.amount)
                   from entries e where e.lane = a.lane and e.business_date = a.business_date and e.group_id = a.id)
     ) as row
     from authorizations a where a.rrn = any ($1) and a.id > $2 order by a.id`,
    [rrns, sinceId],
  )
  return rows.map(({ row }) => ({
    ...row,
    householdId: row.householdId ?? undefined,
    originalId: row.originalId ?? undefined,
    entries: row.entries ?? [],
  }))
}

/** Highest authorization of the journal so far. */
export async function lastAuthorization(client: Client): Promise<number> {
  const { rows } = await client.query<{ id: string | null }>('select max(id) as id from authorizations')
  return Number(rows[0]?.id ?? 0)
}

/** An entry for people: `subsidyRedemption  bread wallet 1101…  -25 loaves`. */
export function entryInWords(entry: LedgerEntry): string {
  const sign = entry.amount < 0 ? '-' : '+'
  const quantity = formatQuantity(Math.abs(entry.amount), entry.unit)
  return `${entry.kind.padEnd(18)}  ${entry.accountName.padEnd(22)}  ${entry.account}  ${sign}${quantity}`
}
