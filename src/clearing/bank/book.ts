import { noteBookedInstructions } from '../../store/clearing/bank-instructions.ts'
import { markBooked, readBankPostings, storedStatements } from '../../store/clearing/bank-postings.ts'
import { awaitPostings, requestPostings } from '../../store/clearing/postings.ts'
import type { Client } from '../../store/connection.ts'
import { inTransaction } from '../../store/transaction.ts'

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
 * Posts what statements have left to post, the oldest first, and ends them. Run again after whatever cut it off, it
 * goes on where it was: postings are made once for their reference.
 * @throws MizanError WRITER_SILENT when no switch posts; what was taken stays taken and is booked the next time
 */
export async function bookStatements(context: BookContext): Promise<BookedStatement[]> {
  const { client, signal, onDifference } = context
  const booked: BookedStatement[] = []
  for (const statement of await storedStatements(client)) {
    signal?.throwIfAborted()
    await post(statement, context)
    const end = await endStatement(statement, client)
    if (end.closingPiasters !== end.ledgerPiasters) onDifference?.(end)
    booked.push(end)
  }
  return booked
}

async function post(statement: number, { client, stallMs, signal }: BookContext): Promise<void> {
  const postings = await readBankPostings(client, statement)
  if (postings.length === 0) return
  const reference = `bank:${statement}`
  const commands = await requestPostings(client, { reference, requestedBy: ACTOR, postings })
  await awaitPostings(client, { reference, commands }, signal === undefined ? { stallMs } : { stallMs, signal })
}

function endStatement(statement: number, client: Client): Promise<BookedStatement> {
  return inTransaction(client, async () => {
    await noteBookedInstructions(client, statement, `statement ${statement}`)
    return { statement, ...(await markBooked(client, statement)) }
  })
}
