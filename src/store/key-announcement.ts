import { MizanError } from '../errors.ts'
import type { Client } from './connection.ts'
import { inAuditedTransaction, type KeyAuthor, type KeyChange, saveAll } from './key-store.ts'
import { type QueuedMessage, queueMessage } from './outbound-message.ts'

/** A key of ours that is sent to its peer. */
export interface KeyAnnouncement {
  readonly name: string
  readonly version: number
  readonly checkValue: string
  /** Steps before it, in the same transaction: where the key is made for it. */
  readonly changes: readonly KeyChange[]
  /** Outbound link. */
  readonly destination: string
  /** The 0800 that brings it, in no dialect. */
  readonly fields: Readonly<Record<number, string>>
}

/**
 * A running switch follows a change of keys within this time: a key is not sent before every process accepts it, since
 * the peer may use it at once.
 */
const KEY_SETTLES_MS = 5_000

/**
 * Queues a key for its peer: together with the key itself, where it is new. From now on what comes in may be under it;
 * nothing is made with it until the peer has confirmed it.
 * @returns number of the queued message
 * @throws MizanError CONFLICT when the same version is on its way already, and as `saveKeys`
 */
export async function announceKey(
  client: Client,
  key: KeyAnnouncement,
  author: KeyAuthor,
  nowMs: number,
): Promise<number> {
  const { name, version, checkValue, changes, destination, fields } = key
  return inAuditedTransaction(client, author, async () => {
    await saveAll(client, changes, author)
    const message: QueuedMessage = {
      destination,
      kind: 'key-exchange',
      mti: '0800',
      fields,
      // The forwarder compares the last word with what the peer computed.
      subject: `${name} v${version} ${checkValue}`,
      queuedBy: author.user,
      notBeforeMs: nowMs + KEY_SETTLES_MS,
    }
    const id = await queueMessage(client, message, nowMs)
    if (id === undefined) {
      throw new MizanError(
        'CONFLICT',
        `${name} version ${version} is queued already; mizan forward list --kind key-exchange`,
      )
    }
    await client.query(
      `insert into key_announcement (name, version, message_id) values ($1, $2, $3)
       on conflict (name, version) do update set message_id = excluded.message_id, confirmed_at = null`,
      [name, version, id],
    )
    await client.query('select note_key_event($1, $2, $3, $4)', ['key-exported', name, version, checkValue])
    return id
  })
}

/** Notes that a peer has a key: it uses it, or somebody says so. Changes nothing where it was not announced. */
export async function confirmAnnouncement(client: Client, name: string, version: number, nowMs: number): Promise<void> {
  await client.query(
    'update key_announcement set confirmed_at = $3 where name = $1 and version = $2 and confirmed_at is null',
    [name, version, new Date(nowMs)],
  )
}
