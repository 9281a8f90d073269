import { institutionKey } from '../iso8583/composites.ts'
import { formatQuantity, type Unit } from '../money.ts'
import type { Client } from '../store/connection.ts'
import type { Stamps } from './messages.ts'

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
  /** What the decision looked at; `traceInWords` reads it. */
  readonly trace: readonly (readonly (string | number)[])[]
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

/** What names a message: DE32, DE11 and DE7 together are used once. */
export type MessageName = Pick<Stamps, 'acquirer' | 'stan' | 'transmission'>

/** Reads what messages left in the ledger, oldest first, through the views that analysts use. */
export async function readAuthorizations(
  client: Client,
  messages: readonly MessageName[],
): Promise<LedgerAuthorization[]> {
  const { rows } = await client.query<{
    row: Omit<LedgerAuthorization, 'entries'> & { entries: LedgerEntry[] | null }
  }>({
    name: 'read_authorizations',
    text: `select jsonb_build_object(
       'id', a.id, 'link', a.link, 'mti', a.mti, 'rrn', a.rrn, 'stan', a.stan, 'householdId', a.household_id,
       'result', a.result, 'responseCode', a.response_code, 'amountPiasters', a.amount,
       'approvedPiasters', a.approved_amount, 'originalId', a.original_id, 'trace', a.trace,
       'entries', (select jsonb_agg(jsonb_build_object('kind', e.kind_name, 'account', e.account::text,
                     'accountName', e.account_name, 'unit', e.unit, 'amount', e.amount, 'period', e.period)
                     order by e.leg, e.amount)
                   from entries e where e.lane = a.lane and e.business_date = a.business_date and e.group_id = a.id)
     ) as row
     from authorizations a
     where (a.acquirer, a.stan, a.transmission) in (select * from unnest($1::text[], $2::text[], $3::text[]))
     order by a.id`,
    values: [
      messages.map((message) => institutionKey(message.acquirer)),
      messages.map((message) => message.stan),
      messages.map((message) => message.transmission),
    ],
  })
  return rows.map(({ row }) => ({
    ...row,
    householdId: row.householdId ?? undefined,
    originalId: row.originalId ?? undefined,
    entries: row.entries ?? [],
  }))
}

/** An entry for people: `subsidyRedemption  bread wallet 1101…  -25 loaves`. */
export function entryInWords(entry: LedgerEntry): string {
  const sign = entry.amount < 0 ? '-' : '+'
  const quantity = formatQuantity(Math.abs(entry.amount), entry.unit)
  return `${entry.kind.padEnd(18)}  ${entry.accountName.padEnd(22)}  ${entry.account}  ${sign}${quantity}`
}
