import { MizanError } from '../../errors.ts'
import { holdItem, noteJudgedAgain, type RegisteredItem } from '../../store/clearing/network-again.ts'
import { itemsByReference } from '../../store/clearing/network-candidates.ts'
import { giveReceiving, takeReceiving } from '../../store/clearing/network-files.ts'
import { noteOutcomes } from '../../store/clearing/network-outcomes.ts'
import { inTransaction } from '../../store/transaction.ts'
import { judgeChunk } from './chunk.ts'
import { firstCodes, reversalCodes } from './presentment.ts'
import type { ReceiveContext } from './receive-context.ts'
import type { Incoming } from './transaction.ts'

/** An item of the network's files, by its file and its number there. */
export interface ItemName {
  readonly fileId: number
  readonly number: number
}

/** What posting an item that was left to people goes by: no tolerance and no limit, since two people looked at it. */
type AgainContext = Omit<ReceiveContext, 'panIndexOf'> & {
  /** Part of the transaction that asks for the posting: who agreed, for the audit. */
  readonly note?: () => Promise<void>
}

const postable: readonly string[] = [...firstCodes, ...reversalCodes]

/**
 * Posts an item that was left to people as an exception: it is judged again by what is known now, and what only its
 * amount or a missing authorization spoke against is posted all the same. An item whose posting was asked for and not
 * waited for to the end is only waited for.
 * @returns how it stands then: posted, or an exception again that the writer refused
 * @throws MizanError NOT_FOUND; CONFLICT when it is none that can be posted, or is an exception still; WRITER_SILENT
 */
export async function postAgain(name: ItemName, context: AgainContext): Promise<RegisteredItem> {
  const { client, stallMs, signal } = context
  if (!(await takeReceiving(client))) {
    throw new MizanError('CONFLICT', 'another process receives files of the network at this moment')
  }
  try {
    await inTransaction(client, async () => {
      const item = await held(name, context)
      if (item.state !== 'posting') await ask(item, context)
      await context.note?.()
    })
    await noteOutcomes(client, name.fileId, { stallMs, signal, first: name.number })
    return await inTransaction(client, () => held(name, context))
  } finally {
    await giveReceiving(client).catch(() => undefined)
  }
}

async function held({ fileId, number }: ItemName, { client }: AgainContext): Promise<RegisteredItem> {
  const item = await holdItem(client, fileId, number)
  if (item === undefined) throw new MizanError('NOT_FOUND', `file ${fileId} has no item ${number}`)
  if (!item.isFileDone)
    throw new MizanError('CONFLICT', `file ${fileId} was begun and is not done: receive it again first`)
  return item
}

/** @throws MizanError CONFLICT when nothing can be posted for it */
async function ask(registered: RegisteredItem, context: AgainContext): Promise<void> {
  const { client, today, actor } = context
  const { fileId, number, card, commandId } = registered
  const what = `item ${number} of file ${fileId}`
  await requirePostable(registered, what, context)
  const policy = { ...context.policy, overTolerance: 'post', forcePostMaxPiasters: Number.MAX_SAFE_INTEGER } as const
  const judging = {
    ...context,
    policy,
    fileId,
    again: { number, after: commandId },
    panIndexOf: () => card?.panIndex ?? '',
  }
  const { items } = await judgeChunk([incomingAgain(registered)], judging)
  const [judged] = items
  if (judged === undefined) throw new MizanError('CONFLICT', `${what} waits for an item that is being posted`)
  if (judged.state === 'exception' || judged.state === 'duplicate') {
    throw new MizanError('CONFLICT', `${what} cannot be posted: ${judged.reason} (${judged.detail})`)
  }
  await noteJudgedAgain(client, judged, { requestedBy: actor, today })
}

async function requirePostable(item: RegisteredItem, what: string, { client }: AgainContext): Promise<void> {
  const { state, card, presented } = item
  const { transactionCode: code, usage, arn } = presented
  if (state !== 'exception') throw new MizanError('CONFLICT', `${what} is ${state}: only exceptions are left to people`)
  if (!postable.includes(code) || usage !== '1') {
    throw new MizanError('CONFLICT', `${what} has code ${code} and usage ${usage}: nothing is posted for that`)
  }
  if (card === undefined) throw new MizanError('CONFLICT', `${what} is on no card of ours`)
  // A reversal that found nothing posted is done: posted now, the money would never come back.
  const taken = (await itemsByReference(client, [arn])).find(
    ({ transactionCode, state: stands, posted }) =>
      code.startsWith('0') && transactionCode === `2${code[1]}` && stands === 'matched' && posted === undefined,
  )
  if (taken === undefined) return
  throw new MizanError('CONFLICT', `${what} was taken back by item ${taken.number} of file ${taken.fileId}`)
}

function incomingAgain({
  number,
  record,
  reasonCode,
  presented,
}: RegisteredItem): Incoming & { readonly kind: 'draft' } {
  return { kind: 'draft', number, record, pan: '', reasonCode, item: presented }
}
