import type { CivilDate } from '../../calendar.ts'
import { moneyAccount } from '../../ledger/accounts.ts'
import { readDispute } from '../../store/clearing/network-dispute-read.ts'
import { noteDisputeEvent, schemeAccountOf } from '../../store/clearing/network-disputes.ts'
import { noteReferenceOutcome, type OpenItem } from '../../store/clearing/network-outcomes.ts'
import { awaitPostings, requestPostings } from '../../store/clearing/postings.ts'
import type { Client } from '../../store/connection.ts'
import { inTransaction } from '../../store/transaction.ts'

/** How what is posted under a reference of its own is asked for and waited for. */
export interface PostingWait {
  readonly stallMs: number
  readonly signal?: AbortSignal | undefined
  /** Who asks, up to 64 characters. */
  readonly actor: string
  /** Business date of what posts nothing. */
  readonly today: CivilDate
}

/**
 * An acquirer presents a disputed item again (usage 2, or TC 35 to 37): the network has the money back, and whoever
 * looks after the dispute decides whether it is lost.
 */
export async function represent(
  client: Client,
  fileId: number,
  { number, amountPiasters, postingReference: reference }: OpenItem,
  { stallMs, signal, actor, today }: PostingWait,
): Promise<void> {
  const dispute = await readDispute(client, Number(reference.split(':')[1]))
  let journalId: number | undefined
  if (dispute.posted) {
    const network = await schemeAccountOf(client, dispute)
    const disputes = moneyAccount('disputes', 0)
    const postings = [
      { kind: 'representment', debit: disputes, credit: network, amountPiasters: dispute.amountPiasters },
    ] as const
    const commands = await requestPostings(client, { reference, requestedBy: actor, postings })
    const wait = { stallMs, ...(signal === undefined ? {} : { signal }) }
    journalId = (await awaitPostings(client, { reference, commands }, wait)).journalIds[0]
  }
  await inTransaction(client, async () => {
    const { rowCount } = await client.query(
      "update dispute set state = 'represented' where id = $1 and state in ('raised', 'sent')",
      [dispute.id],
    )
    if (rowCount === 1) {
      const words = `item ${number} of file ${fileId}, ${amountPiasters} piasters`
      const posted = journalId === undefined ? [] : [journalId]
      await noteDisputeEvent(client, dispute.id, 'represented', actor, words, posted)
    }
    await noteReferenceOutcome(client, fileId, number, { state: 'disputed', journalId, today })
  })
}
