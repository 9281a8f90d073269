import { settleInstructions } from '../../store/clearing/bank-instructions.ts'
import {
  markBooked,
  markFilePosted,
  openBankFiles,
  type PostingSet,
  readPostingSets,
} from '../../store/clearing/bank-postings.ts'
import { awaitPostings, requestPostings } from '../../store/clearing/postings.ts'
import type { Client } from '../../store/connection.ts'

/** How what banks booked is posted. */
export interface BookContext {
  readonly client: Client
  /** How long to wait for the writer while nothing moves, in milliseconds. */
  readonly stallMs: number
  readonly signal?: AbortSignal
  /** A statement whose closing balance is not the ledger's. */
  readonly onDifference?: (statement: BookedStatement) => void
}

/** A statement that was booked. */
export interface BookedStatement {
  readonly statement: number
  readonly bank: number
  readonly closingPiasters: bigint
  /** Of the ledger, from the bank's side. */
  readonly ledgerPiasters: bigint
}

const ACTOR = 'bank'

/**
 * Posts what files of banks have left to post, the oldest first, and ends their statements. Run again after whatever cut it off,
 * it goes on where it was: postings are made once for their reference.
 * @throws MizanError WRITER_SILENT when no switch posts; what was taken stays taken and is booked the next time
 */
export async function bookOpenFiles(context: BookContext): Promise<BookedStatement[]> {
  const booked: BookedStatement[] = []
  for (const bankFile of await openBankFiles(context.client)) {
    for (const set of await readPostingSets(context.client, bankFile)) {
      context.signal?.throwIfAborted()
      await post(set, context)
      if (set.statement > 0) booked.push(await endStatement(set, context))
    }
    await markFilePosted(context.client, bankFile)
  }
  return booked
}

async function post({ reference, postings }: PostingSet, { client, stallMs, signal }: BookContext): Promise<void> {
  if (postings.length === 0) return
  const commands = await requestPostings(client, { reference, requestedBy: ACTOR, postings })
  const options = signal === undefined ? { stallMs } : { stallMs, signal }
  await awaitPostings(client, { reference, commands }, options)
}

async function endStatement(
  { statement }: PostingSet,
  { client, onDifference }: BookContext,
): Promise<BookedStatement> {
  await client.query('begin')
  try {
    await settleInstructions(client, statement, `statement ${statement}`)
    const booked = { statement, ...(await markBooked(client, statement)) }
    await client.query('commit')
    if (booked.closingPiasters !== booked.ledgerPiasters) onDifference?.(booked)
    return booked
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}
