import { formatDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'
import type { ClearingFile } from './files.ts'

/** In the history of a file of ours: the network has accepted one of its batches. */
export const BATCH_ACKNOWLEDGED = 'batch-acknowledged'

/**
 * What the transactions of a batch of a file for the network come to.
 * @param batchItems transactions in a batch of our files
 */
export async function grossOfBatch(
  client: Queryable,
  { id, businessDate }: Pick<ClearingFile, 'id' | 'businessDate'>,
  batchNumber: number,
  batchItems: number,
): Promise<bigint> {
  const { rows } = await client.query<{ gross: string }>(
    `select coalesce(sum(i.amount_piasters), 0) as gross
     from (
       select number, amount_piasters from clearing_item where business_date = $2::date and file_id = $1
       union all
       select item_number, amount_piasters from outgoing_dispute_item where file_id = $1) i
     where i.number > $3 and i.number <= $4`,
    [id, formatDate(businessDate), (batchNumber - 1) * batchItems, batchNumber * batchItems],
  )
  return BigInt(rows[0]?.gross ?? 0)
}

/** How many batches of a file the network has accepted since it was released: what is sent again is answered anew. */
export async function batchesAcknowledged(client: Queryable, fileId: number): Promise<number> {
  const { rows } = await client.query<{ batches: string }>(
    `select count(distinct e.detail ->> 'batch') as batches from clearing_file_event e
     where e.file_id = $1 and e.action = $2
       and e.id > coalesce((select max(r.id) from clearing_file_event r where r.file_id = $1 and r.to_state = 'released'), 0)`,
    [fileId, BATCH_ACKNOWLEDGED],
  )
  return Number(rows[0]?.batches ?? 0)
}
