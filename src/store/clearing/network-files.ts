import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import { maskCardNumbers } from '../../identifiers.ts'
import type { Queryable } from '../access-pool.ts'
import { type ClearingFile, type FileKey, findFileByKey, listFiles, readFile } from './files.ts'

/** A file of the network by its institution and the last of them, for the order in which they must come. */
export interface LastFile {
  readonly id: number
  readonly name: string
  readonly businessDate: CivilDate
  readonly sequence: number
  readonly isOpen: boolean
}

/** Makes this connection the one that receives files of the network. @returns false when another one does */
export async function takeReceiving(client: Queryable): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>(
    "select pg_try_advisory_lock(hashtext('network_receiving')) as taken",
  )
  return rows[0]?.taken === true
}

/** Ends what {@link takeReceiving} began; so does the end of the connection. */
export async function giveReceiving(client: Queryable): Promise<void> {
  await client.query("select pg_advisory_unlock(hashtext('network_receiving'))")
}

/** Nobody else registers a file of the network until the transaction ends. */
export async function lockNetworkFiles(client: Queryable): Promise<void> {
  await client.query("select pg_advisory_xact_lock(hashtext('network_file'))")
}

/** The last file of an institution that was taken. */
export async function lastNetworkFile(client: Queryable, institution: string): Promise<LastFile | undefined> {
  const { rows } = await client.query<{
    id: string
    name: string
    business_date: string
    sequence: number
    state: string
  }>(
    `select id, name, business_date, sequence, state from clearing_file
     where direction = 'in' and type = 'ITF' and institution = $1 order by business_date desc, sequence desc limit 1`,
    [institution],
  )
  const [row] = rows
  return row === undefined
    ? undefined
    : {
        id: Number(row.id),
        name: row.name,
        businessDate: parseDate(row.business_date),
        sequence: row.sequence,
        isOpen: row.state === 'received',
      }
}

/** A file that came with the same bytes. */
export async function networkFileByHash(client: Queryable, sha256: Buffer): Promise<ClearingFile | undefined> {
  const { rows } = await client.query<{ id: string }>(
    "select id from clearing_file where direction = 'in' and type = 'ITF' and sha256 = $1 limit 1",
    [sha256],
  )
  return rows[0] === undefined ? undefined : readFile(client, Number(rows[0].id))
}

/** A file of the network by its institution, date and number. */
export function networkFileByKey(client: Queryable, key: Pick<FileKey, 'institution' | 'businessDate' | 'sequence'>) {
  return findFileByKey(client, { direction: 'in', type: 'ITF', cycle: 1, ...key })
}

/** Keeps why a file was refused. */
export async function noteRefusal(
  client: Queryable,
  refusal: {
    readonly name: string
    readonly bytes: number
    readonly sha256: Buffer
    readonly code: string
    readonly reason: string
  },
): Promise<void> {
  await client.query(
    'insert into network_file_refusal (name, bytes, sha256, code, reason) values ($1, $2, $3, $4, $5)',
    [
      refusal.name.slice(0, 200),
      refusal.bytes,
      refusal.sha256.toString('hex'),
      refusal.code,
      maskCardNumbers(refusal.reason).slice(0, 500),
    ],
  )
}

/** A total of the network, as it is kept. Amounts in minor units. */
export interface NewNetworkTotal {
  readonly fileId: number
  readonly number: number
  readonly report: 'V2' | 'V4'
  readonly settlementDate: CivilDate | undefined
  readonly mode: string
  readonly amountType: string
  readonly currency: string
  readonly items: bigint
  readonly creditPiasters: bigint
  readonly debitPiasters: bigint
  /** Above zero is due to us. */
  readonly netPiasters: bigint
  readonly detail: Readonly<Record<string, string>>
}

/** Keeps a total of the network. */
export async function addTotal(client: Queryable, total: NewNetworkTotal): Promise<void> {
  await client.query(
    `insert into network_total (file_id, number, report, settlement_date, mode, amount_type, currency, items,
       credit_piasters, debit_piasters, net_piasters, detail)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      total.fileId,
      total.number,
      total.report,
      total.settlementDate === undefined ? null : formatDate(total.settlementDate),
      total.mode,
      total.amountType,
      total.currency,
      String(total.items),
      String(total.creditPiasters),
      String(total.debitPiasters),
      String(total.netPiasters),
      JSON.stringify(total.detail),
    ],
  )
}

/** A returned item of ours, as it is kept. */
export interface NewReturn {
  readonly fileId: number
  readonly number: number
  readonly transactionCode: string
  readonly batchDate: CivilDate | undefined
  readonly batchNumber: number
  readonly itemNumber: number
  readonly reasons: readonly string[]
  readonly piasters: number
}

/**
 * Keeps that an item of ours came back, with the item where it is found: by the number of its batch, and its own in the
 * batch, in the file of its date.
 * @param batchItems transactions in a batch of our files
 * @returns whether the item was found
 */
export async function addReturn(client: Queryable, returned: NewReturn, batchItems: number): Promise<boolean> {
  const number = (returned.batchNumber - 1) * batchItems + returned.itemNumber
  const { rows } = await client.query<{ file_id: string | null }>(
    `insert into network_return (file_id, number, original_transaction_code, batch_date, batch_number, item_number,
       reasons, amount_piasters, out_file_id, out_number)
     select $1, $2, $3, $4::date, $5, $6, $7, $8, i.file_id, i.number
     from (select 1) one
     left join lateral (
       select i.file_id, i.number from clearing_item i join clearing_file f on f.id = i.file_id
       where i.business_date = $4::date and f.type = 'CTF' and i.number = $9 and i.transaction_code = $3
         and i.amount_piasters = $8
       union all
       select o.file_id, o.item_number from outgoing_dispute_item o
       where o.file_date = $4::date and o.item_number = $9 and o.transaction_code = $3 and o.amount_piasters = $8
       limit 1) i on true
     returning out_file_id as file_id`,
    [
      returned.fileId,
      returned.number,
      returned.transactionCode,
      returned.batchDate === undefined ? null : formatDate(returned.batchDate),
      returned.batchNumber,
      returned.itemNumber,
      returned.reasons,
      returned.piasters,
      number,
    ],
  )
  return rows[0]?.file_id !== null && rows[0] !== undefined
}

/** The file of ours that an acknowledgement is of: that of a date. */
export async function outgoingFileOf(client: Queryable, date: CivilDate): Promise<ClearingFile | undefined> {
  const [file] = await listFiles(client, { businessDate: date, direction: 'out', types: ['CTF'], limit: 1 })
  return file
}
