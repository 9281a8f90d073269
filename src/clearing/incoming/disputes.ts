import { moneyAccount } from '../../ledger/accounts.ts'
import { noteDisputeEvent, readDispute, schemeAccountOf } from '../../store/clearing/network-disputes.ts'
import { noteRepresented, type OpenItem } from '../../store/clearing/network-outcomes.ts'
import { awaitPostings, requestPostings } from '../../store/clearing/postings.ts'
import type { Client } from '../../store/connection.ts'

/**
 * An acquirer presents a disputed item again (usage 2, or TC 35 to 37): the network has the money back, and whoever looks
 * after the dispute decides whether it is lost.
 */
export async function represent(
  client: Client,
  fileId: number,
  { number, amountPiasters, postingReference: reference = '' }: OpenItem,
  {
    stallMs,
    signal,
    actor,
  }: { readonly stallMs: number; readonly signal?: AbortSignal | undefined; readonly actor: string },
): Promise<void> {
  const dispute = await readDispute(client, Number(reference.split(':')[1]))
  let journalId: number | undefined
  if (dispute.posted) {
    const network = await schemeAccountOf(client, dispute)
    const postings = [
      {
        kind: 'representment',
        debit: moneyAccount('disputes', 0),
        credit: network,
        amountPiasters: dispute.amountPiasters,
      },
    ] as const
    const commands = await requestPostings(client, { reference, requestedBy: actor, postings })
    const wait = { stallMs, ...(signal === undefined ? {} : { signal }) }
    journalId = (await awaitPostings(client, { reference, commands }, wait)).journalIds[0]
  }
  await client.query('begin')
  try {
    const { rowCount } = await client.query(
      "update dispute set state = 'represented' where id = $1 and state in ('raised', 'sent')",
      [dispute.id],
    )
    if (rowCount === 1) {
      const words = `item ${number} of file ${fileId}, ${amountPiasters} piasters`
      await noteDisputeEvent(
        client,
        dispute.id,
        'represented',
        actor,
        words,
        journalId === undefined ? [] : [journalId],
      )
    }
    await noteRepresented(client, fileId, number, journalId)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}
