import { MizanError } from '../../errors.ts'
import { type Delivery, resendDelivery } from '../../store/clearing/deliver.ts'
import { noteFileEvent } from '../../store/clearing/file-events.ts'
import { moveFile, readFile } from '../../store/clearing/files.ts'
import type { Client } from '../../store/connection.ts'

/**
 * Has a file delivered once more, the same bytes, to where it goes now, and its receiver answer once more: whatever the
 * receiver said of it before is set aside. The job that delivers does so, or `mizan clearing deliver`. In the caller's
 * transaction.
 * @param by.actor as it stands in the history of the file
 * @throws MizanError NOT_FOUND when there is no such file, or it was never on its way; CONFLICT when another file took
 * its place
 */
export async function resendFile(
  client: Client,
  fileId: number,
  by: { readonly actor: string; readonly reason: string; readonly nowMs: number },
): Promise<Delivery> {
  const { state, name } = await readFile(client, fileId)
  if (state === 'superseded') throw new MizanError('CONFLICT', `another file took the place of ${name}`)
  const delivery = await resendDelivery(client, fileId, by)
  const event = { action: 'resend', actor: by.actor, detail: { reason: by.reason } }
  // It is released and on its way, as before it was first delivered: two people agreed to these very bytes.
  const from = ['delivered', 'acknowledged', 'rejected'] as const
  if (state === 'released') await noteFileEvent(client, fileId, event)
  else await moveFile(client, fileId, { ...event, from, to: 'released' })
  return delivery
}
