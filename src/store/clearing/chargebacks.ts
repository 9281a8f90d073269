import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Client } from '../connection.ts'
import type { ItemTotals } from './file-totals.ts'
import type { ClearingFile } from './files.ts'
import { streamRows } from './row-stream.ts'

/**
 * A chargeback in the card scheme's file, or what takes one back: a dispute, and what the presentment that it is of
 * said.
 */
export interface Chargeback {
  /** In its file, behind the items of authorizations. */
  readonly number: number
  readonly disputeId: number
  readonly transactionCode: '15' | '16' | '17' | '35' | '36' | '37'
  /** The card number as it rests. */
  readonly card: { readonly encrypted: { readonly keyVersion: number; readonly bytes: Buffer }; readonly index: Buffer }
  /** Of the presentment, 23 digits. */
  readonly arn: string
  readonly amountPiasters: number
  readonly purchaseDate: CivilDate
  /** The network's reason, two digits. */
  readonly reasonCode: string
  readonly messageText: string
  readonly transactionId: string
  readonly authorizationCode: string
  readonly acceptor: string
  readonly terminal: string
  readonly mcc: string
  /** Of an outlet of the master data, as it was when the items were taken. */
  readonly outlet: { readonly name: string; readonly governorate: string } | undefined
}

/** Of what takes a chargeback back. */
const withdrawalCodes = "'35', '36', '37'"

/**
 * Takes the chargebacks that wait into the file of a closed date, behind its other items: of disputes whose money was
 * posted those that were posted on the date, so that the file comes to what the ledger has; of others those raised
 * until then. Withdrawals go the same way, by their own posting. Their disputes are sent. Part of the transaction that
 * selects the date's items, which comes once.
 * @returns how many, and what they come to
 */
export async function selectChargebacks(
  client: Client,
  { businessDate, fileId, fileName, actor }: ChargebackSelection,
): Promise<{ readonly items: number; readonly grossPiasters: bigint }> {
  const date = formatDate(businessDate)
  const { rows } = await client.query<{ items: string; gross: string }>(
    `with due as (
       select o.id, o.dispute_id, row_number() over (order by o.id) as ordinal
       from outgoing_dispute_item o join dispute d on d.id = o.dispute_id
       where o.state = 'waiting' and case when d.posted
         then case when o.transaction_code in (${withdrawalCodes}) then exists (
           select from dispute_event e join transfer t on t.group_id = any (e.posted_ids) and t.lane = d.lane and t.kind = 51
           where e.dispute_id = d.id and e.event = 'withdrawn' and t.business_date = $1::date)
         else exists (
           select from command_inbox i join command_journal j on j.lane = i.lane and j.id = i.done_id
           where i.idempotency_key = format('dispute:%s:raised#1', d.id) and i.outcome like 'done:%' and j.business_date = $1::date) end
         else o.business_date <= $1::date end),
     taken as (
       update outgoing_dispute_item o set state = 'written', file_id = $2, file_date = $1::date,
         item_number = due.ordinal + (select coalesce(max(i.number), 0) from clearing_item i where i.business_date = $1::date and i.file_id = $2)
       from due where due.id = o.id returning o.dispute_id, o.item_number, o.amount_piasters, o.transaction_code),
     sent as (update dispute d set state = 'sent' from taken t where d.id = t.dispute_id and d.state = 'raised'),
     noted as (
       insert into dispute_event (dispute_id, event, actor, detail)
       select dispute_id, case when transaction_code in (${withdrawalCodes}) then 'withdrawal-sent' else 'sent' end, $4, format('item %s of %s', item_number, $3::text) from taken order by item_number)
     select count(*) as items, coalesce(sum(amount_piasters), 0) as gross from taken`,
    [date, fileId, fileName, actor],
  )
  const [row] = rows
  return { items: Number(row?.items ?? 0), grossPiasters: BigInt(row?.gross ?? 0) }
}

/** The file that chargebacks are taken into. */
export interface ChargebackSelection {
  readonly businessDate: CivilDate
  readonly fileId: number
  readonly fileName: string
  /** Who does it, for the disputes' history. */
  readonly actor: string
}

interface Row {
  readonly number: number
  readonly dispute_id: string
  readonly transaction_code: Chargeback['transactionCode']
  readonly pan_encrypted: Buffer
  readonly pan_index: Buffer
  readonly key_version: number
  readonly arn: string
  readonly amount_piasters: string
  readonly purchase_date: string
  readonly reason_code: string
  readonly message_text: string
  readonly transaction_id: string
  readonly authorization_code: string
  readonly acceptor: string
  readonly terminal: string
  readonly mcc: string
  readonly outlet_name: string | null
  readonly governorate: string | null
}

/** The chargebacks of a file in their order, in the transaction that the caller has begun. */
export async function* readChargebacks(
  client: Client,
  file: Pick<ClearingFile, 'id' | 'businessDate'>,
): AsyncGenerator<Chargeback[]> {
  const rows = streamRows<Row>(
    client,
    `select o.item_number::integer as number, o.dispute_id, o.transaction_code, c.pan_encrypted, c.pan_index, c.key_version,
            o.arn, o.amount_piasters, o.purchase_date, o.reason_code, o.message_text, o.transaction_id, o.authorization_code,
            o.acceptor, o.terminal, o.mcc, l.name as outlet_name, l.governorate
     from outgoing_dispute_item o
     join card c on c.lane = o.lane and c.id = o.card_id
     left join lateral (
       select l.name, l.governorate from clearing_outlet l
       where l.business_date = $2 and l.acceptor = o.acceptor order by l.outlet_id limit 1) l on true
     where o.file_id = $1 order by o.item_number`,
    [file.id, formatDate(file.businessDate)],
  )
  for await (const some of rows) yield some.map(chargebackOf)
}

function chargebackOf(row: Row): Chargeback {
  return {
    number: row.number,
    disputeId: Number(row.dispute_id),
    transactionCode: row.transaction_code,
    card: {
      encrypted: { keyVersion: row.key_version, bytes: row.pan_encrypted },
      index: row.pan_index,
    },
    arn: row.arn,
    amountPiasters: Number(row.amount_piasters),
    purchaseDate: parseDate(row.purchase_date),
    reasonCode: row.reason_code,
    messageText: row.message_text,
    transactionId: row.transaction_id,
    authorizationCode: row.authorization_code,
    acceptor: row.acceptor,
    terminal: row.terminal,
    mcc: row.mcc,
    outlet: row.outlet_name === null ? undefined : { name: row.outlet_name, governorate: row.governorate ?? '' },
  }
}

/** What the chargebacks of a file come to. Money comes back by them: the net is below zero. */
export async function chargebackTotals(
  client: Client,
  file: Pick<ClearingFile, 'id' | 'businessDate'>,
): Promise<Pick<ItemTotals, 'items' | 'grossPiasters' | 'netPiasters' | 'lastNumber'>> {
  const { rows } = await client.query<Record<string, string>>(
    `select count(*) as items, sum(amount_piasters) as gross, max(item_number) as last_number,
            sum(case when transaction_code in ('16', '35', '37') then amount_piasters else -amount_piasters end) as net
     from outgoing_dispute_item where file_id = $1 and file_date = $2`,
    [file.id, formatDate(file.businessDate)],
  )
  const [row] = rows
  return {
    items: Number(row?.items ?? 0),
    grossPiasters: BigInt(row?.gross ?? 0),
    netPiasters: BigInt(row?.net ?? 0),
    lastNumber: Number(row?.last_number ?? 0),
  }
}

/**
 * What chargebacks in the card scheme's file of a date take from it of which the ledger knows nothing: those of
 * disputes that were never posted, less such withdrawals.
 */
export async function chargedBackUnposted(client: Client, businessDate: CivilDate): Promise<bigint> {
  const { rows } = await client.query<{ piasters: string }>(
    `select coalesce(sum(case when o.transaction_code in (${withdrawalCodes}) then -d.amount_piasters else d.amount_piasters end), 0)
              as piasters
     from outgoing_dispute_item o join dispute d on d.id = o.dispute_id
     where o.file_date = $1 and not d.posted`,
    [formatDate(businessDate)],
  )
  return BigInt(rows[0]?.piasters ?? 0)
}

/**
 * What chargebacks take from the card scheme by the ledger, of some transfers of a date: those that it posted (kind 50)
 * less those withdrawn (kind 51 of a withdrawal; an answer of the acquirer's is in no file of ours).
 * @param transfer name of the CTE with the transfers
 */
export const chargedBackPosted = (transfer: string): string => `
  (select coalesce(sum(case t.kind when 50 then t.amount else -t.amount end), 0) from ${transfer} t
   where t.kind = 50 or t.kind = 51 and exists (
     select from dispute_event e where e.event = 'withdrawn' and t.group_id = any (e.posted_ids)))`
