import { MizanError } from '../../errors.ts'
import type { PanProtection } from '../../security/pan-protection.ts'
import type { FileContent } from '../../store/clearing/files.ts'
import type { NetworkItem } from '../../store/clearing/items.ts'
import type { FileSink } from '../atomic-file.ts'
import { Tally } from '../records/tally.ts'
import {
  headerRecord,
  type NetworkFileHead,
  PARTS_MAX,
  putItem,
  RECORD_BYTES,
  trailerRecord,
} from './network-records.ts'

/** What the card scheme's file is written from. */
export interface NetworkFileSource {
  readonly head: NetworkFileHead
  /** Transactions in a batch, at most 950. */
  readonly batchItems: number
  /** Reads the card numbers: this file is the one place outside the card register where they stand in clear. */
  readonly protection: Pick<PanProtection, 'decrypt'>
  readonly items: AsyncIterable<readonly NetworkItem[]>
  /** Told after each few thousand items. */
  readonly onItems?: (done: number) => void
}

/**
 * Writes the card scheme's file into a sink: header, batches with their trailers, trailer.
 * @returns its totals
 * @throws MizanError CODEC_ENCODE_FAILED, CRYPTO_REFUSED, BAD_INPUT; names the item and never a card number
 */
export async function writeNetworkFile(
  sink: FileSink,
  { head, batchItems, protection, items, onItems }: NetworkFileSource,
): Promise<Omit<FileContent, 'bytes' | 'sha256'>> {
  const record = Buffer.alloc(RECORD_BYTES * PARTS_MAX)
  const inFile = new Tally()
  let inBatch = new Tally()
  let batches = 0
  let count = 0
  let net = 0n
  const endBatch = async () => {
    const totals = inBatch.totals()
    await sink.write(trailerRecord('91', head, ++batches, totals))
    inFile.addBatch(totals)
    inBatch = new Tally()
  }
  await sink.write(headerRecord(head))
  for await (const some of items) {
    for (const item of some) {
      const parts = putItem(record, item, panOf(item, protection), head)
      inBatch.add(parts, true, item.amountPiasters, item.amountPiasters)
      net += BigInt(isCredit(item) ? -item.amountPiasters : item.amountPiasters)
      const wait = sink.write(record.subarray(0, parts * RECORD_BYTES))
      if (wait !== undefined) await wait
      if (inBatch.transactions === batchItems) await endBatch()
    }
    count += some.length
    onItems?.(count)
  }
  record.fill(0)
  if (inBatch.transactions > 0) await endBatch()
  const totals = inFile.totals()
  await sink.write(trailerRecord('92', head, batches, totals))
  return {
    records: totals.components + 1,
    items: count,
    grossPiasters: totals.destinationPiasters,
    totals: { batches, netPiasters: String(net) },
  }
}

/** Whether an item is money for the household: a credit, or the reversal of a debit. */
function isCredit({ transactionCode }: NetworkItem): boolean {
  return transactionCode === '06' || transactionCode === '25' || transactionCode === '27'
}

function panOf({ number, authorizationId, card }: NetworkItem, protection: Pick<PanProtection, 'decrypt'>): string {
  if (card === undefined) {
    throw new MizanError(
      'NOT_FOUND',
      `the card of authorization ${authorizationId}, item ${number}, is not in the register`,
    )
  }
  return protection.decrypt(card.encrypted, card.index)
}
