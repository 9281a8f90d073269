import { type CivilDate, formatDate } from '../../calendar.ts'
import { clearedMoney } from '../cleared-money.ts'
import type { Client } from '../connection.ts'
import { chargebackTotals, chargedBack } from './chargebacks.ts'

/** What the items of a file come to in the database. */
export interface ItemTotals {
  readonly items: number
  readonly grossPiasters: bigint
  /** What is due to the card scheme: what households paid, less what they got and what is charged back: 05, 07, 16, 26 less 06, 15, 17, 25, 27. */
  readonly netPiasters: bigint
  readonly dispensed: bigint
  readonly returned: bigint
  readonly coPaymentPiasters: bigint
  /** The highest number: the items are numbered without a gap when there are as many. */
  readonly lastNumber: number
}

/** Totals of the items of each file of a date, chargebacks among them, by the file's id. */
export async function itemTotals(client: Client, businessDate: CivilDate): Promise<Map<number, ItemTotals>> {
  const { rows } = await client.query<Record<string, string>>(
    `select file_id, count(*) as items, sum(amount_piasters) as gross,
            sum(case when transaction_code in ('05', '07', '26') then amount_piasters else -amount_piasters end) as net,
            coalesce(sum(quantity) filter (where transaction_code in ('RD', 'RA')), 0) as dispensed,
            coalesce(sum(quantity) filter (where transaction_code = 'RT'), 0) as returned,
            sum(case transaction_code when 'RT' then -co_payment_piasters else co_payment_piasters end) as paid,
            max(number) as last_number
     from clearing_item where business_date = $1 group by file_id`,
    [formatDate(businessDate)],
  )
  const totals = new Map<number, ItemTotals>()
  for (const row of rows) {
    totals.set(Number(row.file_id), {
      items: Number(row.items),
      grossPiasters: BigInt(row.gross ?? 0),
      netPiasters: BigInt(row.net ?? 0),
      dispensed: BigInt(row.dispensed ?? 0),
      returned: BigInt(row.returned ?? 0),
      coPaymentPiasters: BigInt(row.paid ?? 0),
      lastNumber: Number(row.last_number),
    })
  }
  for (const [fileId, back] of await chargebackTotals(client, businessDate)) {
    const { items = 0, grossPiasters = 0n, netPiasters = 0n, lastNumber = 0, ...rest } = totals.get(fileId) ?? {}
    totals.set(fileId, {
      ...{ dispensed: 0n, returned: 0n, coPaymentPiasters: 0n, ...rest },
      items: items + back.items,
      grossPiasters: grossPiasters + back.grossPiasters,
      netPiasters: netPiasters + back.netPiasters,
      lastNumber: Math.max(lastNumber, back.lastNumber),
    })
  }
  return totals
}

/** What the ledger posted on a date that files must come to. */
export interface LedgerTotals {
  /** What is due to the card scheme: what households paid, less what they got and what is charged back. */
  readonly networkPiasters: bigint
  /** By number of the programme: what outlets dispensed, less what they took back. */
  readonly subsidies: ReadonlyMap<number, bigint>
  /** On the accounts of outlets (7001): credits and debits of transactions. */
  readonly outletCreditPiasters: bigint
  readonly outletDebitPiasters: bigint
}

/** Reads what the ledger posted on a date, past the items that were taken of it. */
export async function ledgerTotals(client: Client, businessDate: CivilDate): Promise<LedgerTotals> {
  const date = formatDate(businessDate)
  const network = await client.query<{ net: string | null }>(
    `with ${clearedMoney('= $1')}
     select sum(coalesce(debit, 0) + coalesce(credit_back, 0) - coalesce(credit, 0) - coalesce(debit_back, 0)) as net
     from cleared`,
    [date],
  )
  const subsidies = await client.query<{ programme: number; quantity: string }>(
    `select (debit / 100000000000 % 100)::integer as programme,
            sum(case kind when 3 then -amount else amount end) as quantity
     from transfer where business_date = $1 and kind in (2, 3, 6) group by 1`,
    [date],
  )
  const outlets = await client.query<{ credit: string | null; debit: string | null }>(
    `select sum(amount) filter (where credit / 100000000000 = 7001) as credit,
            sum(amount) filter (where debit / 100000000000 = 7001) as debit
     from transfer
     where business_date = $1 and kind between 10 and 20 and 7001 in (debit / 100000000000, credit / 100000000000)`,
    [date],
  )
  return {
    networkPiasters: BigInt(network.rows[0]?.net ?? 0) - (await chargedBack(client, businessDate)),
    subsidies: new Map(subsidies.rows.map(({ programme, quantity }) => [programme, BigInt(quantity)])),
    outletCreditPiasters: BigInt(outlets.rows[0]?.credit ?? 0),
    outletDebitPiasters: BigInt(outlets.rows[0]?.debit ?? 0),
  }
}

/** What stands in the way of taking the items of a date: it is open still, an earlier one comes first, or a later one was taken. */
export async function selectionObstacle(client: Client, date: CivilDate): Promise<string | undefined> {
  const { rows } = await client.query<{ closed: boolean | null; earlier: string | null; later: string | null }>(
    `select (select d.lanes_closed_at is not null from business_day d where d.business_date = $1) as closed,
            (select min(d.business_date) from business_day d where d.business_date < $1 and d.lanes_closed_at is not null
               and not exists (select from clearing_selection s where s.business_date = d.business_date)) as earlier,
            (select min(s.business_date) from clearing_selection s where s.business_date > $1) as later`,
    [formatDate(date)],
  )
  const [row] = rows
  const day = formatDate(date)
  if (row?.closed !== true) return `business day ${day} is not closed in all lanes; close it with mizan cutover`
  if (row.earlier !== null) return `business day ${row.earlier} comes first: mizan clearing build ${row.earlier}`
  if (row.later !== null) return `the items of ${row.later} were taken already; ${day} comes too late`
  return undefined
}
