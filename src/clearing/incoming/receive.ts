import { createHash } from 'node:crypto'
import path from 'node:path'
import { addDays, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
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
import { type ItemTotals, itemTotals } from '../../store/clearing/network-outcomes.ts'
import { inTransaction } from '../../store/transaction.ts'
import { chunksOf, FileRefused, type Inspected, inspectFile } from './inspect.ts'
import { processItems } from './items.ts'
import type { ReceiveContext } from './receive-context.ts'

/** Days after today that a file may be dated: none but for clocks, and for networks whose day begins before ours. */
const FUTURE_DAYS = 1
/** Characters of the name under which a file came that are kept. */
const SOURCE_MAX = 200

/** What came of a file. */
export interface Received {
  readonly file: ClearingFile
  readonly transactions: number
  readonly grossPiasters: bigint
  readonly totals: readonly ItemTotals[]
  /** Whether it had been begun before. */
  readonly resumed: boolean
}

/**
 * Receives a clearing file of the network: reads it whole and finds it in order, registers it, then deals with its
 * transactions in chunks. Whatever dies when, the same file given again goes on behind the last transaction that was
 * registered; none is posted twice.
 * @throws FileRefused, with the reason kept, when it is damaged, repeated, out of order or not for us; nothing of it
 * counts then
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
  const refusal = await inTransaction(client, async () => {
    await lockNetworkFiles(client)
    const known = await networkFileByHash(client, inspected.sha256)
    if (known?.state === 'received') return { file: known, resumed: true }
    const isSame = known?.totals.source === inspected.name.slice(0, SOURCE_MAX)
    if (known !== undefined && isSame && context.acceptsAgain?.(known) === true) return { file: known, resumed: true }
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
    const totals = { source: inspected.name.slice(0, SOURCE_MAX), monetary: inspected.monetary, isTest }
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
  // Taken, it would have every file of today come too late.
  if (date > addDays(context.today, FUTURE_DAYS))
    return new FileRefused(
      'out-of-sequence',
      `${name} is of ${formatDate(date)}, and today is ${formatDate(context.today)}`,
    )
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
