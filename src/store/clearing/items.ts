import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Client } from '../connection.ts'
import type { ClearingFile } from './files.ts'
import { streamRows } from './row-stream.ts'

/** An item of a subsidy file. */
export interface SubsidyItem {
  readonly number: number
  readonly authorizationId: number
  /** RD dispensed, RT taken back, RA taking back undone. */
  readonly code: 'RD' | 'RT' | 'RA'
  readonly outletId: number
  readonly entitlementDate: CivilDate
  /** Units, or piasters of value. */
  readonly quantity: number
  /** What the household paid from its account. */
  readonly coPaymentPiasters: number
}

/** The items of a subsidy file in their order: by outlet and entitlement date. */
export async function* readSubsidyItems(
  client: Client,
  file: Pick<ClearingFile, 'id' | 'businessDate'>,
): AsyncGenerator<SubsidyItem[]> {
  const rows = streamRows<{
    number: number
    authorization_id: string
    transaction_code: SubsidyItem['code']
    outlet_id: string
    entitlement_date: string
    quantity: string
    co_payment_piasters: string
  }>(
    client,
    `select number, authorization_id, transaction_code, outlet_id, entitlement_date, quantity, co_payment_piasters
     from clearing_item where business_date = $2 and file_id = $1 order by number`,
    [file.id, formatDate(file.businessDate)],
  )
  for await (const some of rows) {
    yield some.map((row) => ({
      number: row.number,
      authorizationId: Number(row.authorization_id),
      code: row.transaction_code,
      outletId: Number(row.outlet_id),
      entitlementDate: parseDate(row.entitlement_date),
      quantity: Number(row.quantity),
      coPaymentPiasters: Number(row.co_payment_piasters),
    }))
  }
}

/** An outlet as it was known when the items of a date were taken. */
export interface ClearingOutlet {
  readonly id: number
  readonly acceptor: string
  readonly name: string
  readonly category: 'bakery' | 'grocer' | 'depot' | 'health' | 'shop' | 'atm' | 'post'
  readonly fuel: string | undefined
  /** Its account at the settlement bank; undefined = nobody knows where its money goes. */
  readonly account: string | undefined
}

/**
 * The outlets of a bank (or of none) that are paid through here, by number: as many as a bank has. For a correction as
 * they were known when that was begun.
 */
export async function readClearingOutlets(
  client: Client,
  file: Pick<ClearingFile, 'id' | 'businessDate'>,
  bank: string | undefined,
): Promise<Map<number, ClearingOutlet>> {
  const { rows } = await client.query<{
    outlet_id: string
    acceptor: string
    name: string
    category: ClearingOutlet['category']
    fuel: string | null
    account: string | null
  }>(
    `select o.outlet_id, o.acceptor, coalesce(k.name, o.name) as name, o.category, o.fuel,
            case when k.file_id is null then o.account else k.account end as account
     from clearing_outlet o left join clearing_file_outlet k on k.file_id = $3 and k.outlet_id = o.outlet_id
     where o.business_date = $1 and o.is_paid and o.bank is not distinct from $2 order by o.outlet_id`,
    [formatDate(file.businessDate), bank ?? null, file.id],
  )
  const outlets = new Map<number, ClearingOutlet>()
  for (const row of rows) {
    const id = Number(row.outlet_id)
    const { acceptor, name, category } = row
    outlets.set(id, { id, acceptor, name, category, fuel: row.fuel ?? undefined, account: row.account ?? undefined })
  }
  return outlets
}

/** A line of an outlet's statement: money by kind of transfer, or what it dispensed of a programme. */
export type StatementLine =
  | {
      readonly outletId: number
      readonly kind: number
      readonly count: number
      readonly creditPiasters: bigint
      readonly debitPiasters: bigint
    }
  | {
      readonly outletId: number
      readonly programme: number
      readonly entitlementDate: CivilDate
      readonly count: number
      readonly quantity: bigint
    }

/** What stands in the statements of a bank (or of none), by outlet: money first, then programmes. */
export async function* readStatementLines(
  client: Client,
  businessDate: CivilDate,
  bank: string | undefined,
): AsyncGenerator<StatementLine[]> {
  const rows = streamRows<{
    outlet_id: string
    kind: number | null
    programme: number | null
    entitlement_date: string | null
    count: string
    credit: string
    debit: string
  }>(
    client,
    `select x.outlet_id, x.kind, x.programme, x.entitlement_date, x.count, x.credit, x.debit
     from clearing_outlet c
     join (
       select (case when t.debit / 100000000000 = 7001 then t.debit else t.credit end) % 100000000000 as outlet_id,
              t.kind::integer, null::integer as programme, null::date as entitlement_date, count(*) as count,
              coalesce(sum(t.amount) filter (where t.credit / 100000000000 = 7001), 0) as credit,
              coalesce(sum(t.amount) filter (where t.debit / 100000000000 = 7001), 0) as debit
       from transfer t
       where t.business_date = $1 and t.kind between 10 and 20
         and 7001 in (t.debit / 100000000000, t.credit / 100000000000)
       group by 1, 2
       union all
       select i.outlet_id, null, i.programme, i.entitlement_date, count(*),
              coalesce(sum(i.quantity) filter (where i.transaction_code in ('RD', 'RA')), 0),
              coalesce(sum(i.quantity) filter (where i.transaction_code = 'RT'), 0)
       from clearing_item i where i.business_date = $1 and i.programme > 0
       group by 1, 3, 4) x on x.outlet_id = c.outlet_id
     where c.business_date = $1 and c.is_paid and c.bank is not distinct from $2
     order by x.outlet_id, x.kind, x.programme, x.entitlement_date`,
    [formatDate(businessDate), bank ?? null],
  )
  for await (const some of rows) {
    yield some.map((row): StatementLine => {
      const outletId = Number(row.outlet_id)
      const count = Number(row.count)
      const [credit, debit] = [BigInt(row.credit), BigInt(row.debit)]
      if (row.kind !== null) return { outletId, kind: row.kind, count, creditPiasters: credit, debitPiasters: debit }
      const entitlementDate = parseDate(row.entitlement_date ?? '')
      return { outletId, programme: row.programme ?? 0, entitlementDate, count, quantity: credit - debit }
    })
  }
}
