import { type CivilDate, formatDate } from '../../calendar.ts'
import { clearedMoney } from '../cleared-money.ts'
import type { Client } from '../connection.ts'
import { inTransaction } from '../transaction.ts'
import { chargebackTotals, chargedBackPosted, chargedBackUnposted } from './chargebacks.ts'
import type { ClearingFile } from './files.ts'
import {
  BEGIN_PART,
  isLast,
  PARTS_WHILE_IDLE,
  type Part,
  type PartOptions,
  partBehind,
  partValues,
  rangeJournal,
  rangeTransfer,
  sizeOf,
} from './selection-parts.ts'
import { lanesCommit, WorkPace } from './work-pace.ts'

/** What the items of a file come to in the database. */
export interface ItemTotals {
  readonly items: number
  readonly grossPiasters: bigint
  /**
   * What is due to the card scheme: what households paid, less what they got and what is charged back: 05, 07, 16, 26
   * less 06, 15, 17, 25, 27.
   */
  readonly netPiasters: bigint
  readonly dispensed: bigint
  readonly returned: bigint
  readonly coPaymentPiasters: bigint
  /** The highest number: the items are numbered without a gap when there are as many. */
  readonly lastNumber: number
}

/**
 * Totals of the items of a file, chargebacks among them. Part by part, resting between them like whoever takes items.
 * @throws Error of the database; what aborted the signal
 */
export async function itemTotals(
  client: Client,
  file: Pick<ClearingFile, 'id' | 'businessDate'>,
  options: PartOptions = {},
): Promise<ItemTotals> {
  const pace = new WorkPace(lanesCommit(client), options)
  let totals = NOTHING
  for (let isThereMore = true; isThereMore; ) {
    const size = sizeWith(pace, options)
    const part = await itemsBehind(client, file, totals.lastNumber, size)
    totals = added(totals, part)
    isThereMore = part.items === size
    if (isThereMore) await pace.rest()
  }
  return added(totals, { ...NOTHING, ...(await chargebackTotals(client, file)) })
}

const NOTHING: ItemTotals = {
  items: 0,
  grossPiasters: 0n,
  netPiasters: 0n,
  dispensed: 0n,
  returned: 0n,
  coPaymentPiasters: 0n,
  lastNumber: 0,
}

function added(one: ItemTotals, other: ItemTotals): ItemTotals {
  return {
    items: one.items + other.items,
    grossPiasters: one.grossPiasters + other.grossPiasters,
    netPiasters: one.netPiasters + other.netPiasters,
    dispensed: one.dispensed + other.dispensed,
    returned: one.returned + other.returned,
    coPaymentPiasters: one.coPaymentPiasters + other.coPaymentPiasters,
    lastNumber: Math.max(one.lastNumber, other.lastNumber),
  }
}

async function itemsBehind(
  client: Client,
  { id, businessDate }: Pick<ClearingFile, 'id' | 'businessDate'>,
  number: number,
  limit: number,
): Promise<ItemTotals> {
  const { rows } = await client.query<Record<string, string>>({
    name: 'clearing item totals',
    text: `select count(*) as items, sum(amount_piasters) as gross,
             sum(case when transaction_code in ('05', '07', '26') then amount_piasters else -amount_piasters end) as net,
             sum(quantity) filter (where transaction_code in ('RD', 'RA')) as dispensed,
             sum(quantity) filter (where transaction_code = 'RT') as returned,
             sum(case transaction_code when 'RT' then -co_payment_piasters else co_payment_piasters end) as paid,
             max(number) as last_number
           from (select * from clearing_item where business_date = $1 and file_id = $2 and number > $3
                 order by number limit $4) i`,
    values: [formatDate(businessDate), id, number, limit],
  })
  const [row] = rows
  return {
    items: Number(row?.items ?? 0),
    grossPiasters: BigInt(row?.gross ?? 0),
    netPiasters: BigInt(row?.net ?? 0),
    dispensed: BigInt(row?.dispensed ?? 0),
    returned: BigInt(row?.returned ?? 0),
    coPaymentPiasters: BigInt(row?.paid ?? 0),
    lastNumber: Number(row?.last_number ?? 0),
  }
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

/**
 * Reads what the ledger posted on a closed date, past the items that were taken of it. In parts of its authorizations,
 * resting between them like whoever takes items: the transfers of a group are all of one part.
 * @throws Error of the database; what aborted the signal
 */
export async function ledgerTotals(
  client: Client,
  businessDate: CivilDate,
  options: PartOptions = {},
): Promise<LedgerTotals> {
  const { rows } = await client.query<{ lane: number }>('select lane from lane order by lane')
  const lanes = rows.map(({ lane }) => lane)
  const pace = new WorkPace(lanesCommit(client), options)
  const subsidies = new Map<number, bigint>()
  const sums = { net: 0n, credit: 0n, debit: 0n }
  for (let part: Part | undefined; part === undefined || !isLast(part); ) {
    const before: Part | undefined = part
    const size = sizeWith(pace, options)
    const [next, posted] = await inTransaction(
      client,
      async () => {
        const behind = await partBehind(client, businessDate, before, size)
        return [behind, await postedIn(client, businessDate, behind, lanes)] as const
      },
      BEGIN_PART,
    )
    part = next
    sums.net += BigInt(posted.net)
    sums.credit += BigInt(posted.credit)
    sums.debit += BigInt(posted.debit)
    for (const [programme, quantity] of Object.entries(posted.subsidies)) {
      subsidies.set(Number(programme), (subsidies.get(Number(programme)) ?? 0n) + BigInt(quantity))
    }
    options.progress?.('adding up what the ledger posted', part.done)
    await pace.rest()
  }
  return {
    networkPiasters: sums.net - (await chargedBackUnposted(client, businessDate)),
    subsidies,
    outletCreditPiasters: sums.credit,
    outletDebitPiasters: sums.debit,
  }
}

/** Sums of a part, written out. */
interface PartPosted {
  readonly net: string
  readonly credit: string
  readonly debit: string
  readonly subsidies: Readonly<Record<string, string>>
}

async function postedIn(client: Client, date: CivilDate, part: Part, lanes: readonly number[]): Promise<PartPosted> {
  const { rows } = await client.query<PartPosted>({
    name: 'clearing ledger totals',
    text: `with
     ${rangeTransfer('t.kind in (2, 3, 6, 50, 51) or t.kind between 10 and 20')}, ${rangeJournal},
     ${clearedMoney('= $1', { transfer: 'range_transfer', journal: 'range_journal' })},
     dispensed as (
       select (t.debit / 100000000000 % 100)::integer as programme,
              sum(case t.kind when 3 then -t.amount else t.amount end) as quantity
       from range_transfer t where t.kind in (2, 3, 6) group by 1)
     select (select coalesce(sum(coalesce(c.debit, 0) + coalesce(c.credit_back, 0) - coalesce(c.credit, 0)
                                 - coalesce(c.debit_back, 0)), 0) from cleared c)
              - ${chargedBackPosted('range_transfer')} as net,
            coalesce(sum(t.amount) filter (where t.credit / 100000000000 = 7001), 0) as credit,
            coalesce(sum(t.amount) filter (where t.debit / 100000000000 = 7001), 0) as debit,
            (select coalesce(jsonb_object_agg(d.programme, d.quantity::text), '{}') from dispensed d) as subsidies
     from range_transfer t where t.kind between 10 and 20`,
    values: partValues(date, part, lanes),
  })
  return rows[0] as PartPosted
}

/** Larger parts while the lanes have nothing to commit. */
function sizeWith({ areBusy }: WorkPace, options: PartOptions): number {
  return sizeOf(options) * (areBusy ? 1 : (options.partsWhileIdle ?? PARTS_WHILE_IDLE))
}

/**
 * What stands in the way of taking the items of a date: it is open still, an earlier one comes first, or a later one
 * was taken.
 */
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
