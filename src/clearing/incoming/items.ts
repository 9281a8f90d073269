import { MizanError } from '../../errors.ts'
import type { ClearingFile } from '../../store/clearing/files.ts'
import { addItems } from '../../store/clearing/network-items.ts'
import { lastItem, noteOutcomes } from '../../store/clearing/network-outcomes.ts'
import { inTransaction } from '../../store/transaction.ts'
import { readClearingFile } from '../records/file-reader.ts'
import { judgeChunk } from './chunk.ts'
import { chunksOf, type Inspected } from './inspect.ts'
import { findAcknowledged, keepOthers, postOthers } from './others.ts'
import type { ReceiveContext } from './receive-context.ts'
import { type Incoming, incomingOf } from './transaction.ts'

/** Transactions that are judged and asked for in one commit. */
const CHUNK = 500
/**
 * Items of a file that may be under way at once: the writers always have some to post while the next are judged. It
 * bounds memory, and what a file of a whole day puts into the inbox before everything that comes behind it there.
 */
const UNDER_WAY_MAX = 4 * CHUNK

/**
 * Deals with the transactions of a file in their order, in chunks, from behind the last that is registered. Chunks
 * follow each other before the postings of the first are done; what depends on one that is under way waits for it.
 */
export async function processItems(
  path: string,
  inspected: Inspected,
  file: ClearingFile,
  context: ReceiveContext,
): Promise<void> {
  const { client } = context
  await finish(file.id, 0, context)
  let done = await lastItem(client, file.id)
  // What lies before it is done, and is not looked at again.
  let first = done + 1
  let waiting: Incoming[] = []
  const flush = async (all: boolean) => {
    while (waiting.length >= CHUNK || (all && waiting.length > 0)) {
      const { taken, open } = await processChunk(waiting.slice(0, CHUNK), file.id, first, context)
      done = waiting[taken - 1]?.number ?? done
      first = open ?? done + 1
      waiting = waiting.slice(taken)
      context.onProgress?.(done, inspected.transactions)
    }
  }
  for await (const entries of readClearingFile(chunksOf(path), { file: inspected.name })) {
    context.signal?.throwIfAborted()
    for (const entry of entries) {
      if (entry.kind === 'transaction' && entry.number > done) waiting.push(incomingOf(entry, inspected.date))
    }
    await flush(false)
  }
  await flush(true)
  await finish(file.id, 0, context)
}

/** @returns how many of the chunk were dealt with, at least one; and the first item that is under way */
async function processChunk(
  chunk: readonly Incoming[],
  fileId: number,
  first: number,
  context: ReceiveContext,
): Promise<{ readonly taken: number; readonly open: number | undefined }> {
  let taken = await takeChunk(chunk, fileId, context)
  if (taken === 0) {
    await finish(fileId, 0, context, first)
    taken = await takeChunk(chunk, fileId, context)
  }
  if (taken === 0) {
    throw new MizanError('CONFLICT', `item ${chunk[0]?.number} waits for an item of another file that is being posted`)
  }
  // What ended the chunk early depends on what is under way now.
  const open = await finish(fileId, taken < chunk.length ? 0 : UNDER_WAY_MAX - CHUNK, context, first)
  return { taken, open }
}

/**
 * Judges a chunk and registers what was judged, in one transaction: judging holds the disputes that are answered, so
 * that nobody ends one before its answer stands in the register, where whoever would end it then finds it.
 * @returns how many were taken; 0 when the first waits for an item that is under way
 */
function takeChunk(chunk: readonly Incoming[], fileId: number, context: ReceiveContext): Promise<number> {
  const { client, actor } = context
  const judging = { ...context, fileId, panIndexOf: (pan: string) => context.panIndexOf(pan) }
  return inTransaction(client, async () => {
    const told = await findAcknowledged(client, chunk, context.batchItems)
    const { items, taken } = await judgeChunk(told, judging)
    if (taken === 0) return 0
    await addItems(client, items, actor)
    await keepOthers(client, told.slice(0, taken), fileId, context)
    return taken
  })
}

/** Waits until at most so many postings are under way, and asks for those that are no household's. */
async function finish(fileId: number, most: number, context: ReceiveContext, first = 1): Promise<number | undefined> {
  const { client, stallMs, signal } = context
  await postOthers(client, fileId, context)
  return noteOutcomes(client, fileId, { stallMs, signal, most, first })
}
