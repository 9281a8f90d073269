import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Client } from '../connection.ts'
import type { ClearingFile } from './files.ts'
import { streamRows } from './row-stream.ts'

/** An item of the card scheme's file with all that its records say. */
export interface NetworkItem {
  /** From 1 in its file. */
  readonly number: number
  readonly transactionCode: '05' | '06' | '07' | '25' | '26' | '27'
  readonly amountPiasters: number
  readonly cashbackPiasters: number
  readonly authorizationId: number
  /** What it completes or takes back. */
  readonly originalId: number | undefined
  /** The card number as it rests; undefined for a card that is not in the register. */
  readonly card:
    | { readonly encrypted: { readonly keyVersion: number; readonly bytes: Buffer }; readonly index: Buffer }
    | undefined
  /** DE32. */
  readonly acquirer: string
  readonly mcc: string
  readonly acceptor: string
  readonly terminal: string
  readonly rrn: string
  /** DE62.2, or ''. */
  readonly networkReference: string
  readonly receivedAtMs: number
  readonly responseCode: string
  /** DE4 of the message. */
  readonly requestedPiasters: number
  /** What was held for it before, for a completion. */
  readonly heldPiasters: number | undefined
  /** Of an outlet of the master data, as it was when the items were taken. */
  readonly outlet: { readonly name: string; readonly governorate: string } | undefined
  /** Of what takes back an item of an earlier file: where that one stands, and when it was made. */
  readonly earlier:
    | {
        readonly date: CivilDate
        readonly sequence: number
        readonly number: number
        readonly acquirer: string
        readonly receivedAtMs: number
      }
    | undefined
}

interface NetworkRow {
  readonly number: number
  readonly transaction_code: NetworkItem['transactionCode']
  readonly amount_piasters: string
  readonly cashback_piasters: string
  readonly authorization_id: string
  readonly original_id: string | null
  readonly pan_encrypted: Buffer | null
  readonly pan_index: Buffer | null
  readonly key_version: number | null
  readonly acquirer: string
  readonly mcc: string
  readonly acceptor: string
  readonly terminal: string
  readonly rrn: string
  readonly network_reference: string
  readonly received_ms: string
  readonly response_code: string
  readonly requested: string
  readonly held: string | null
  readonly outlet_name: string | null
  readonly outlet_governorate: string | null
  readonly earlier_date: string | null
  readonly earlier_sequence: number | null
  readonly earlier_number: number | null
  readonly earlier_acquirer: string | null
  readonly earlier_ms: string | null
}

/**
 * The items of the card scheme's file in their order. A reversal finds the item that it takes back: that of its original, or
 * the last capture of it where the original is a hold.
 */
export async function* readNetworkItems(
  client: Client,
  file: Pick<ClearingFile, 'id' | 'businessDate'>,
): AsyncGenerator<NetworkItem[]> {
  const rows = streamRows<NetworkRow>(
    client,
    `select i.number, i.transaction_code, i.amount_piasters, i.cashback_piasters, i.authorization_id, i.original_id,
            c.pan_encrypted, c.pan_index, c.key_version, a.acquirer, a.mcc, a.acceptor, a.terminal, a.rrn,
            a.network_reference, (extract(epoch from a.received_at) * 1000)::bigint as received_ms, a.response_code,
            a.amount as requested, h.amount as held, o.name as outlet_name, o.governorate as outlet_governorate,
            e.business_date as earlier_date, e.sequence as earlier_sequence, e.number as earlier_number,
            e.acquirer as earlier_acquirer, e.received_ms as earlier_ms
     from clearing_item i
     join authorization_journal a on a.id = i.authorization_id and a.lane = i.lane and a.business_date = $2
     left join card c on c.lane = i.lane and c.id = a.card_id
     left join clearing_outlet o on o.business_date = $2 and o.outlet_id = i.outlet_id
     left join hold h on h.id = i.original_id and h.lane = i.lane
     left join lateral (
       select x.business_date, f.sequence, x.number, b.acquirer,
              (extract(epoch from b.received_at) * 1000)::bigint as received_ms
       from (
         select i.original_id as id
         union all
         select g.id from authorization_journal g
         where g.original_id = i.original_id and g.business_date < $2 and g.mti like '02%') k
       join clearing_item x on x.authorization_id = k.id and x.programme = 0 and x.business_date < $2
       join clearing_file f on f.id = x.file_id
       join authorization_journal b
         on b.id = x.authorization_id and b.lane = x.lane and b.business_date = x.business_date
       where i.transaction_code in ('25', '26', '27')
       order by x.business_date desc, x.number desc limit 1) e on true
     where i.business_date = $2 and i.file_id = $1
     order by i.number`,
    [file.id, formatDate(file.businessDate)],
  )
  for await (const some of rows) yield some.map(networkItemOf)
}

function networkItemOf(row: NetworkRow): NetworkItem {
  return {
    number: row.number,
    transactionCode: row.transaction_code,
    amountPiasters: Number(row.amount_piasters),
    cashbackPiasters: Number(row.cashback_piasters),
    authorizationId: Number(row.authorization_id),
    originalId: row.original_id === null ? undefined : Number(row.original_id),
    card:
      row.pan_encrypted === null || row.pan_index === null || row.key_version === null
        ? undefined
        : { encrypted: { keyVersion: row.key_version, bytes: row.pan_encrypted }, index: row.pan_index },
    acquirer: row.acquirer,
    mcc: row.mcc,
    acceptor: row.acceptor,
    terminal: row.terminal,
    rrn: row.rrn,
    networkReference: row.network_reference,
    receivedAtMs: Number(row.received_ms),
    responseCode: row.response_code,
    requestedPiasters: Number(row.requested),
    heldPiasters: row.held === null ? undefined : Number(row.held),
    outlet: row.outlet_name === null ? undefined : { name: row.outlet_name, governorate: row.outlet_governorate ?? '' },
    earlier:
      row.earlier_date === null
        ? undefined
        : {
            date: parseDate(row.earlier_date),
            sequence: row.earlier_sequence ?? 0,
            number: row.earlier_number ?? 0,
            acquirer: row.earlier_acquirer ?? '',
            receivedAtMs: Number(row.earlier_ms),
          },
  }
}

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

/** The outlets of a bank (or of none) that are paid through here, by number: as many as a bank has. */
export async function readClearingOutlets(
  client: Client,
  businessDate: CivilDate,
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
    `select outlet_id, acceptor, name, category, fuel, account from clearing_outlet
     where business_date = $1 and is_paid and bank is not distinct from $2 order by outlet_id`,
    [formatDate(businessDate), bank ?? null],
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
