import { formatDate } from '../../calendar.ts'
import { maskCardNumbers } from '../../identifiers.ts'
import { moneyAccount } from '../../ledger/accounts.ts'
import type { Queryable } from '../../store/access-pool.ts'
import { BATCH_ACKNOWLEDGED, batchesAcknowledged, grossOfBatch } from '../../store/clearing/acknowledged-batches.ts'
import { noteFileEvent } from '../../store/clearing/file-events.ts'
import { moveFile } from '../../store/clearing/files.ts'
import { addReturn, addTotal, outgoingFileOf } from '../../store/clearing/network-files.ts'
import { noteReferenceOutcome, type OpenItem, openItems } from '../../store/clearing/network-outcomes.ts'
import { awaitPostings, type Posting, requestPostings } from '../../store/clearing/postings.ts'
import type { Client } from '../../store/connection.ts'
import { type PostingWait, represent } from './disputes.ts'
import type { Acknowledgement, Incoming } from './transaction.ts'

/** Fees and representments that are posted in one go. */
const AT_ONCE = 500

/**
 * Keeps what is no posting: totals of the network, acknowledgements and returns of our own items. Part of the chunk's
 * transaction.
 */
export async function keepOthers(
  client: Queryable,
  chunk: readonly Incoming[],
  fileId: number,
  { actor, batchItems }: { readonly actor: string; readonly batchItems: number },
): Promise<void> {
  for (const incoming of chunk) {
    const { number } = incoming
    if (incoming.kind === 'total') await addTotal(client, { fileId, number, ...incoming.total })
    else if (incoming.kind === 'acknowledgement') {
      if (incoming.unknown === undefined) await acknowledge(client, incoming.acknowledgement, { actor, batchItems })
    } else if (incoming.kind === 'return') await addReturn(client, { fileId, number, ...incoming.returned }, batchItems)
  }
}

/** Tells acknowledgements apart that are about no file of ours: they become exceptions, since whose business they are is not known. */
export async function findAcknowledged(
  client: Queryable,
  chunk: readonly Incoming[],
  batchItems: number,
): Promise<readonly Incoming[]> {
  if (chunk.every(({ kind }) => kind !== 'acknowledgement')) return chunk
  const found: Incoming[] = []
  for (const incoming of chunk) {
    if (incoming.kind !== 'acknowledgement') {
      found.push(incoming)
      continue
    }
    const { batchDate, batchNumber } = incoming.acknowledgement
    const file = batchDate === undefined ? undefined : await outgoingFileOf(client, batchDate)
    const batches = batchesOf(file?.items, batchItems)
    if (file !== undefined && batchNumber <= batches) found.push(incoming)
    else {
      const day = batchDate === undefined ? 'no date' : formatDate(batchDate)
      const unknown = `it is about batch ${batchNumber} of ${day}, and ${file === undefined ? 'no file of ours is of that date' : `${file.name} has ${batches}`}`
      found.push({ ...incoming, unknown })
    }
  }
  return found
}

function batchesOf(items = 0, batchItems: number): number {
  return Math.max(1, Math.ceil(items / batchItems))
}

/**
 * An acknowledgement moves the file of its date on: all of it, or its last batch when each is answered by itself. One
 * batch that is refused, or counted otherwise, is the whole file's refusal. What comes for a file that is not out any
 * more is only noted.
 */
async function acknowledge(
  client: Queryable,
  said: Acknowledgement,
  { actor, batchItems }: { readonly actor: string; readonly batchItems: number },
): Promise<void> {
  const file = said.batchDate === undefined ? undefined : await outgoingFileOf(client, said.batchDate)
  if (file === undefined) return
  const batches = batchesOf(file.items, batchItems)
  const isWhole = batches === 1 || said.batchNumber === 0 || said.grossPiasters === file.grossPiasters
  const sent = isWhole ? file.grossPiasters : await grossOfBatch(client, file, said.batchNumber, batchItems)
  const differs = said.accepted && said.grossPiasters !== 0n && said.grossPiasters !== sent
  const detail = {
    batch: said.batchNumber,
    grossPiasters: String(said.grossPiasters),
    transactions: String(said.transactions),
    ...(said.reason === '' ? {} : { reason: maskCardNumbers(said.reason) }),
    ...(differs ? { differs: true } : {}),
  }
  const to = said.accepted && !differs ? 'acknowledged' : 'rejected'
  if (file.state !== 'written' && file.state !== 'signed' && file.state !== 'released' && file.state !== 'delivered') {
    await noteFileEvent(client, file.id, { action: `${to}-again`, actor, detail })
    return
  }
  if (to === 'acknowledged' && !isWhole) {
    await noteFileEvent(client, file.id, { action: BATCH_ACKNOWLEDGED, actor, detail })
    if ((await batchesAcknowledged(client, file.id)) < batches) return
  }
  const from = ['written', 'signed', 'released', 'delivered'] as const
  await moveFile(client, file.id, { from, to, action: to, actor, detail })
}

/**
 * Posts fees and representments that a file brought; what was posted before a crash is found again by its reference.
 */
export async function postOthers(client: Client, fileId: number, wait: PostingWait): Promise<void> {
  for (;;) {
    const open = await openItems(client, fileId, AT_ONCE)
    const fees = open.filter(({ outcome }) => outcome === 'fee')
    await postFees(client, fileId, fees, wait)
    for (const item of open) if (item.outcome !== 'fee') await represent(client, fileId, item, wait)
    if (open.length < AT_ONCE) return
  }
}

/** All are asked for before one is waited for: the writer takes many into a commit. */
async function postFees(
  client: Client,
  fileId: number,
  fees: readonly OpenItem[],
  { stallMs, signal, actor, today }: PostingWait,
): Promise<void> {
  const wait = { stallMs, ...(signal === undefined ? {} : { signal }) }
  const asked: { readonly item: OpenItem; readonly commands: number }[] = []
  for (const item of fees) {
    const postings = item.amountPiasters === 0 ? [] : [feePosting(item)]
    const request = { reference: item.postingReference, requestedBy: actor, postings }
    asked.push({ item, commands: await requestPostings(client, request) })
  }
  for (const { item, commands } of asked) {
    const { journalIds } = await awaitPostings(client, { reference: item.postingReference, commands }, wait)
    await noteReferenceOutcome(client, fileId, item.number, { state: 'matched', journalId: journalIds[0], today })
  }
}

/** 10 is collected from us, 20 paid to us. */
function feePosting({ transactionCode, amountPiasters }: OpenItem): Posting {
  const network = moneyAccount('schemeClearing', 0)
  const fees = moneyAccount('networkAndBankFees', 0)
  return transactionCode === '10'
    ? { kind: 'networkFee', debit: fees, credit: network, amountPiasters }
    : { kind: 'networkIncome', debit: network, credit: fees, amountPiasters }
}
