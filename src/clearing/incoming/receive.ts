import path from 'node:path'
import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../../store/access-pool.ts'
import { type ClearingFile, fileName, moveFile, registerFile } from '../../store/clearing/files.ts'
import {
  giveReceiving,
  lastNetworkFile,
  lockNetworkFiles,
  networkFileByHash,
  networkFileByKey,
  noteRefusal,
  takeReceiving,
} from '../../store/clearing/network-files.ts'
import { addItems } from '../../store/clearing/network-items.ts'
import { type ItemTotals, itemTotals, lastItem, noteOutcomes } from '../../store/clearing/network-outcomes.ts'
import type { Client } from '../../store/connection.ts'
import { readClearingFile } from '../records/file-reader.ts'
import { judgeChunk } from './chunk.ts'
import { chunksOf, FileRefused, type Inspected, inspectFile } from './inspect.ts'
import type { IncomingPolicy } from './judge.ts'
import { keepOthers, postOthers } from './others.ts'
import { type Incoming, incomingOf } from './transaction.ts'

/** What receiving needs. */
export interface ReceiveContext {
  /** Of the application's role; used for nothing else meanwhile. */
  readonly client: Client
  readonly policy: IncomingPolicy
  /** Business date of now. */
  readonly today: CivilDate
  /** Identifier of this centre in the network's files. */
  readonly processingBin: string
  /** Whether test files are refused. */
  readonly isProduction: boolean
  /** Transactions in a batch of our own files: what a returned item is found by. */
  readonly batchItems: number
  /** Who receives, up to 64 characters. */
  readonly actor: string
  /**
   * Whether the same file under the same name, given again when it is done, is answered as it was: whoever hands files on may
   * not know what came of one.
   */
  readonly acceptsAgain?: boolean | undefined
  /** How long the writers may carry out nothing before it is given up; the file goes on later from where it stands. */
  readonly stallMs: number
  readonly signal?: AbortSignal | undefined
  panIndexOf(pan: string): string
  onProgress?(done: number, total: number): void
}

/** What came of a file. */
export interface Received {
  readonly file: ClearingFile
  readonly transactions: number
  readonly grossPiasters: bigint
  readonly totals: readonly ItemTotals[]
  /** Whether it had been begun before. */
  readonly resumed: boolean
}

/** Transactions that are judged and posted together: memory is bounded by it. */
const CHUNK = 500

/**
 * Receives a clearing file of the network: reads it whole and finds it in order, registers it, then deals with its
 * transactions in chunks. Whatever dies when, the same file given again goes on behind the last transaction that was registered;
 * none is posted twice.
 * @throws FileRefused, with the reason kept, when it is damaged, repeated, out of order or not for us; nothing of it counts then
 * @throws MizanError WRITER_SILENT when no switch posts; STORE_UNAVAILABLE
 */
export async function receiveNetworkFile(path_: string, context: ReceiveContext): Promise<Received> {
  const { client } = context
  // Two that take the same file up would judge the same items.
  if (!(await takeReceiving(client))) {
    throw new MizanError('CONFLICT', 'another process receives files of the network at this moment')
  }
  try {
    return await receive(path_, context)
  } finally {
    await giveReceiving(client).catch(() => undefined)
  }
}

async function receive(path_: string, context: ReceiveContext): Promise<Received> {
  const inspected = await inspect(path_, context)
  const { file, resumed } = await register(inspected, context)
  if (file.state === 'received') {
    await processItems(path_, inspected, file, context)
    const { actor } = context
    await moveFile(context.client, file.id, { from: ['received'], to: 'processed', action: 'processed', actor })
  }
  const totals = await itemTotals(context.client, file.id)
  const { transactions, grossPiasters } = inspected
  return { file: { ...file, state: 'processed' }, transactions, grossPiasters, totals, resumed }
}

async function inspect(file: string, context: ReceiveContext): Promise<Inspected> {
  try {
    return await inspectFile(file, context.today)
  } catch (error) {
    if (error instanceof FileRefused) {
      const facts = { name: path.basename(file), ...(await factsOf(file)) }
      await noteRefusal(context.client, { ...facts, code: error.refusal, reason: error.message })
    }
    throw error
  }
}

async function factsOf(file: string): Promise<{ bytes: number; sha256: Buffer }> {
  const { createHash } = await import('node:crypto')
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of chunksOf(file)) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest() }
}

async function register(
  inspected: Inspected,
  context: ReceiveContext,
): Promise<{ file: ClearingFile; resumed: boolean }> {
  const { client, actor } = context
  const refusal = await inOne(client, async () => {
    await lockNetworkFiles(client)
    const known = await networkFileByHash(client, inspected.sha256)
    if (known?.state === 'received') return { file: known, resumed: true }
    const isSame = context.acceptsAgain === true && known?.totals.source === inspected.name
    if (known !== undefined && isSame) return { file: known, resumed: true }
    const refused = known === undefined ? await refusalOf(inspected, context) : repeated(inspected, known.name)
    if (refused !== undefined) {
      const { name, bytes, sha256 } = inspected
      await noteRefusal(client, { name, bytes, sha256, code: refused.refusal, reason: refused.message })
      return refused
    }
    const { processingBin: institution, date: businessDate, fileId: sequence, isTest } = inspected
    const key = { direction: 'in', type: 'ITF', institution, businessDate, cycle: 1, sequence } as const
    const name = fileName(key)
    const { bytes, sha256, records, transactions: items, grossPiasters } = inspected
    const totals = { source: inspected.name.slice(0, 200), monetary: inspected.monetary, isTest }
    const content = { bytes, sha256, records, items, grossPiasters, totals }
    const made = { ...key, name, path: `in/done/${name}`, state: 'received', content } as const
    return { file: await registerFile(client, made, actor), resumed: false }
  })
  if (refusal instanceof FileRefused) throw refusal
  return refusal
}

/** Why a file that is in order may not be taken now. */
async function refusalOf(inspected: Inspected, context: ReceiveContext): Promise<FileRefused | undefined> {
  const { processingBin: institution, date, fileId, name, isTest } = inspected
  if (institution !== context.processingBin) {
    return new FileRefused(
      'not-for-us',
      `${name} is for ${institution || 'nobody'}, this centre is ${context.processingBin}`,
    )
  }
  if (isTest && context.isProduction)
    return new FileRefused('not-for-us', `${name} is a test file, and this is production`)
  if (fileId === 0)
    return new FileRefused('out-of-sequence', `${name} has no file number: they begin with 001 each day`)
  const key = { institution, businessDate: date, sequence: fileId }
  const same = await networkFileByKey(context.client, key)
  if (same !== undefined) return repeated(inspected, same.name)
  const last = await lastNetworkFile(context.client, institution)
  if (last?.isOpen === true) {
    throw new MizanError('CONFLICT', `${last.name} was begun and is not done: receive it again first`)
  }
  const words = `${name} is number ${fileId} of ${formatDate(date)}`
  if (last !== undefined && date < last.businessDate) {
    return new FileRefused('out-of-sequence', `${words}; ${formatDate(last.businessDate)} was received before`)
  }
  const expected = last?.businessDate === date ? last.sequence + 1 : 1
  if (fileId !== expected) return new FileRefused('out-of-sequence', `${words}; number ${expected} is the next`)
  return undefined
}

function repeated({ name }: Inspected, before: string): FileRefused {
  return new FileRefused('repeated', `${name} came before, as ${before}`)
}

async function processItems(
  path_: string,
  inspected: Inspected,
  file: ClearingFile,
  context: ReceiveContext,
): Promise<void> {
  const { client } = context
  await finish(file.id, context)
  let done = await lastItem(client, file.id)
  let waiting: Incoming[] = []
  const flush = async (all: boolean) => {
    while (waiting.length >= CHUNK || (all && waiting.length > 0)) {
      const taken = await processChunk(waiting.slice(0, CHUNK), file.id, context)
      done = waiting[taken - 1]?.number ?? done
      waiting = waiting.slice(taken)
      context.onProgress?.(done, inspected.transactions)
    }
  }
  for await (const entries of readClearingFile(chunksOf(path_), { file: inspected.name })) {
    context.signal?.throwIfAborted()
    for (const entry of entries) {
      if (entry.kind === 'transaction' && entry.number > done) waiting.push(incomingOf(entry, inspected.date))
    }
    await flush(false)
  }
  await flush(true)
}

/** @returns how many of the chunk were dealt with: at least one */
async function processChunk(chunk: readonly Incoming[], fileId: number, context: ReceiveContext): Promise<number> {
  const { client, actor, today, policy } = context
  const panIndexOf = (pan: string) => context.panIndexOf(pan)
  const { items, taken } = await judgeChunk(chunk, { client, fileId, today, policy, panIndexOf })
  await inOne(client, async () => {
    await addItems(client, items, actor)
    await keepOthers(client, chunk.slice(0, taken), fileId, context)
  })
  await finish(fileId, context)
  return taken
}

/** Waits for the postings that are under way, and asks for those that are no household's. */
async function finish(fileId: number, context: ReceiveContext): Promise<void> {
  const { client, stallMs, signal, actor } = context
  await postOthers(client, fileId, { stallMs, signal, actor })
  await noteOutcomes(client, fileId, { stallMs, signal })
}

/** One transaction, rolled back when the work fails. */
export async function inOne<T>(client: Queryable, work: () => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    const result = await work()
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}
