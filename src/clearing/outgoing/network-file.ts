import { MizanError } from '../../errors.ts'
import type { PanProtection } from '../../security/pan-protection.ts'
import type { Chargeback } from '../../store/clearing/chargebacks.ts'
import type { FileContent } from '../../store/clearing/files.ts'
import type { NetworkItem } from '../../store/clearing/outgoing-items.ts'
import type { FileSink } from '../atomic-file.ts'
import { netOf } from '../records/base2.ts'
import { Tally } from '../records/tally.ts'
import { PARTS_MAX, putChargeback, putItem } from './draft-records.ts'
import { headerRecord, type NetworkFileHead, RECORD_BYTES, trailerRecord } from './network-records.ts'

/** What the card scheme's file is written from. */
export interface NetworkFileSource {
  readonly head: NetworkFileHead
  /** Transactions in a batch, at most 950. */
  readonly batchItems: number
  /** Reads the card numbers: this file is the one place outside the card register where they stand in clear. */
  readonly protection: Pick<PanProtection, 'decrypt'>
  readonly items: AsyncIterable<readonly NetworkItem[]>
  /** What follows them: presentments of the network that are disputed. */
  readonly chargebacks?: AsyncIterable<readonly Chargeback[]>
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
  { head, batchItems, protection, items, chargebacks, onItems }: NetworkFileSource,
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
  // Promises only where the sink asks to wait: a file has millions of items.
  const add = (parts: number, item: NetworkItem | Chargeback) => {
    inBatch.add(parts, true, item.amountPiasters, item.amountPiasters)
    net += netOf(item.transactionCode, BigInt(item.amountPiasters))
    return sink.write(record.subarray(0, parts * RECORD_BYTES))
  }
  await sink.write(headerRecord(head))
  for await (const some of items) {
    for (const item of some) {
      const wait = add(putItem(record, item, panOf(item, protection), head), item)
      if (wait !== undefined) await wait
      if (inBatch.transactions === batchItems) await endBatch()
    }
    count += some.length
    onItems?.(count)
  }
  for await (const some of chargebacks ?? []) {
    for (const item of some) {
      const pan = protection.decrypt(item.card.encrypted, item.card.index)
      await add(putChargeback(record, item, pan, head), item)
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

function panOf({ number, authorizationId, card }: NetworkItem, protection: Pick<PanProtection, 'decrypt'>): string {
  if (card === undefined) {
    throw new MizanError(
      'NOT_FOUND',
      `the card of authorization ${authorizationId}, item ${number}, is not in the register`,
    )
  }
  return protection.decrypt(card.encrypted, card.index)
}
