import { moneyAccount } from '../../ledger/accounts.ts'
import type { Queryable } from '../../store/access-pool.ts'
import { noteFileEvent } from '../../store/clearing/file-events.ts'
import { moveFile } from '../../store/clearing/files.ts'
import { addReturn, addTotal, outgoingFileOf } from '../../store/clearing/network-files.ts'
import { noteFeePosted, type OpenItem, openItems } from '../../store/clearing/network-outcomes.ts'
import { awaitPostings, type Posting, requestPostings } from '../../store/clearing/postings.ts'
import type { Client } from '../../store/connection.ts'
import { represent } from './disputes.ts'
import type { Acknowledgement, Incoming } from './transaction.ts'

/** Fees and representments that are posted in one go. */
const AT_ONCE = 500

/** Keeps what is no posting: totals of the network, acknowledgements and returns of our own items. Part of the chunk's transaction. */
export async function keepOthers(
  client: Queryable,
  chunk: readonly Incoming[],
  fileId: number,
  { actor, batchItems }: { readonly actor: string; readonly batchItems: number },
): Promise<void> {
  for (const incoming of chunk) {
    const { number } = incoming
    if (incoming.kind === 'total') await addTotal(client, { fileId, number, ...incoming.total })
    else if (incoming.kind === 'acknowledgement') await acknowledge(client, incoming.acknowledgement, actor)
    else if (incoming.kind === 'return') await addReturn(client, { fileId, number, ...incoming.returned }, batchItems)
  }
}

/** An acknowledgement moves the file of its date on; one that comes for a file that is not out, or again, is only noted. */
async function acknowledge(client: Queryable, said: Acknowledgement, actor: string): Promise<void> {
  const file = said.batchDate === undefined ? undefined : await outgoingFileOf(client, said.batchDate)
  if (file === undefined) return
  const differs = said.accepted && said.grossPiasters !== 0n && said.grossPiasters !== file.grossPiasters
  const detail = {
    batch: said.batchNumber,
    grossPiasters: String(said.grossPiasters),
    transactions: String(said.transactions),
    ...(said.reason === '' ? {} : { reason: said.reason }),
    ...(differs ? { differs: true } : {}),
  }
  const to = said.accepted && !differs ? 'acknowledged' : 'rejected'
  if (file.state !== 'written' && file.state !== 'signed' && file.state !== 'released' && file.state !== 'delivered') {
    await noteFileEvent(client, file.id, { action: `${to}-again`, actor, detail })
    return
  }
  const from = ['written', 'signed', 'released', 'delivered'] as const
  await moveFile(client, file.id, { from, to, action: to, actor, detail })
}

/** Posts fees and representments that a file brought; what was posted before a crash is found again by its reference. */
export async function postOthers(
  client: Client,
  fileId: number,
  options: { readonly stallMs: number; readonly signal?: AbortSignal | undefined; readonly actor: string },
): Promise<void> {
  const open = (await openItems(client, fileId, AT_ONCE)).filter(
    ({ postingReference }) => postingReference !== undefined,
  )
  for (const item of open) {
    if (item.outcome === 'fee') await postFee(client, fileId, item, options)
    else await represent(client, fileId, item, options)
  }
}

async function postFee(
  client: Client,
  fileId: number,
  { number, transactionCode, amountPiasters, postingReference: reference = '' }: OpenItem,
  {
    stallMs,
    signal,
    actor,
  }: { readonly stallMs: number; readonly signal?: AbortSignal | undefined; readonly actor: string },
): Promise<void> {
  if (amountPiasters === 0) {
    await noteFeePosted(client, fileId, number, undefined)
    return
  }
  const network = moneyAccount('schemeClearing', 0)
  const fees = moneyAccount('networkAndBankFees', 0)
  // 10 is collected from us, 20 paid to us.
  const posting: Posting =
    transactionCode === '10'
      ? { kind: 'networkFee', debit: fees, credit: network, amountPiasters }
      : { kind: 'networkIncome', debit: network, credit: fees, amountPiasters }
  const commands = await requestPostings(client, { reference, requestedBy: actor, postings: [posting] })
  const wait = { stallMs, ...(signal === undefined ? {} : { signal }) }
  const { journalIds } = await awaitPostings(client, { reference, commands }, wait)
  await noteFeePosted(client, fileId, number, journalIds[0])
}
