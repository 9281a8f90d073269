import type { Queryable } from '../access-pool.ts'
import { optionalNumber } from '../optional-number.ts'
import type { NetworkItemState } from './network-items.ts'

/** An item of the network's files, for people. */
export interface ListedItem {
  readonly fileId: number
  readonly file: string
  readonly number: number
  readonly transactionCode: string
  readonly usage: string
  readonly arn: string
  readonly householdId: number | undefined
  readonly panMasked: string
  readonly acceptor: string
  readonly mcc: string
  readonly amountPiasters: number
  readonly currency: string
  readonly purchaseDate: string | undefined
  readonly rule: string | undefined
  readonly confidence: number | undefined
  readonly outcome: string | undefined
  readonly flags: readonly string[]
  readonly authorizationId: number | undefined
  readonly postedId: number | undefined
  readonly state: NetworkItemState
  readonly reason: string | undefined
  readonly detail: string | undefined
  readonly businessDate: string | undefined
}

/** Which items are wanted; what is absent does not matter. */
export interface ItemFilter {
  readonly fileId?: number | undefined
  readonly state?: NetworkItemState | undefined
  readonly reason?: string | undefined
  readonly arn?: string | undefined
  /** Only those behind this one, in the order of the list. */
  readonly after?: readonly [fileId: number, number: number] | undefined
  readonly limit: number
}

interface Row {
  readonly file_id: string
  readonly file: string
  readonly number: number
  readonly transaction_code: string
  readonly usage: string
  readonly arn: string
  readonly household_id: string | null
  readonly pan_masked: string
  readonly acceptor: string
  readonly mcc: string
  readonly amount_piasters: string
  readonly currency: string
  readonly purchase_date: string | null
  readonly rule: string | null
  readonly confidence: number | null
  readonly outcome: string | null
  readonly flags: string[]
  readonly authorization_id: string | null
  readonly posted_id: string | null
  readonly state: NetworkItemState
  readonly reason: string | null
  readonly detail: string | null
  readonly business_date: string | null
}

/** Items of the network's files: the newest file first, in each the items in their order. */
export async function listNetworkItems(client: Queryable, filter: ItemFilter): Promise<ListedItem[]> {
  const [afterFile, afterNumber] = filter.after ?? [null, null]
  const { rows } = await client.query<Row>(
    `select n.file_id, f.name as file, n.number, n.transaction_code, n.usage, n.arn, n.household_id, n.pan_masked, n.acceptor, n.mcc,
            n.amount_piasters, n.currency, n.purchase_date, n.rule, n.confidence, n.outcome, n.flags, n.authorization_id, n.posted_id,
            n.state, n.reason, n.detail, n.business_date
     from network_item n join clearing_file f on f.id = n.file_id
     where ($1::bigint is null or n.file_id = $1) and ($2::text is null or n.state = $2) and ($3::text is null or n.reason = $3)
       and ($4::text is null or n.arn = $4)
       and ($5::bigint is null or n.file_id < $5 or (n.file_id = $5 and n.number > $6))
     order by n.file_id desc, n.number limit $7`,
    [
      filter.fileId ?? null,
      filter.state ?? null,
      filter.reason ?? null,
      filter.arn ?? null,
      afterFile,
      afterNumber,
      filter.limit,
    ],
  )
  return rows.map((row) => ({
    fileId: Number(row.file_id),
    file: row.file,
    number: row.number,
    transactionCode: row.transaction_code,
    usage: row.usage,
    arn: row.arn,
    householdId: optionalNumber(row.household_id),
    panMasked: row.pan_masked,
    acceptor: row.acceptor,
    mcc: row.mcc,
    amountPiasters: Number(row.amount_piasters),
    currency: row.currency,
    purchaseDate: row.purchase_date ?? undefined,
    rule: row.rule ?? undefined,
    confidence: row.confidence ?? undefined,
    outcome: row.outcome ?? undefined,
    flags: row.flags,
    authorizationId: optionalNumber(row.authorization_id),
    postedId: optionalNumber(row.posted_id),
    state: row.state,
    reason: row.reason ?? undefined,
    detail: row.detail ?? undefined,
    businessDate: row.business_date ?? undefined,
  }))
}

/** A total that the network named, for people. */
export interface ListedTotal {
  readonly file: string
  readonly number: number
  readonly report: string
  readonly settlementDate: string | undefined
  readonly mode: string
  readonly amountType: string
  readonly currency: string
  readonly items: number
  readonly creditPiasters: number
  readonly debitPiasters: number
  readonly netPiasters: number
  /** Everything else that the report says, by the names of its fields. */
  readonly detail: Readonly<Record<string, string>>
}

/** What the network says that it settles, the newest file first. */
export async function listNetworkTotals(client: Queryable, limit: number): Promise<ListedTotal[]> {
  const { rows } = await client.query<{
    file: string
    number: number
    report: string
    settlement_date: string | null
    mode: string
    amount_type: string
    currency: string
    items: string
    credit_piasters: string
    debit_piasters: string
    net_piasters: string
    detail: Record<string, string>
  }>(
    `select f.name as file, t.number, t.report, t.settlement_date, t.mode, t.amount_type, t.currency, t.items,
            t.credit_piasters, t.debit_piasters, t.net_piasters, t.detail
     from network_total t join clearing_file f on f.id = t.file_id order by t.file_id desc, t.number limit $1`,
    [limit],
  )
  return rows.map((row) => ({
    file: row.file,
    number: row.number,
    report: row.report,
    settlementDate: row.settlement_date ?? undefined,
    mode: row.mode,
    amountType: row.amount_type,
    currency: row.currency,
    items: Number(row.items),
    creditPiasters: Number(row.credit_piasters),
    debitPiasters: Number(row.debit_piasters),
    netPiasters: Number(row.net_piasters),
    detail: row.detail,
  }))
}
