import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'

const TEXT_MAX = 500

/** What a receiver answered. */
export interface Acknowledgement {
  readonly fileId: number
  readonly state: 'accepted' | 'rejected'
  readonly reason?: string
  /** File or message that said so. */
  readonly source: string
}

/**
 * Notes what a receiver answered since the file was sent; the same answer again changes nothing.
 * @returns whether it is new
 * @throws MizanError CONFLICT when the receiver said the opposite before
 */
export async function noteAcknowledgement(client: Queryable, said: Acknowledgement): Promise<boolean> {
  const { rowCount } = await client.query(
    `insert into clearing_acknowledgement (file_id, state, reason, source) values ($1, $2, $3, $4) on conflict do nothing`,
    [said.fileId, said.state, said.reason?.slice(0, TEXT_MAX) ?? null, said.source],
  )
  if (rowCount !== 0) return true
  const { rows } = await client.query<{ state: string }>(
    'select state from clearing_acknowledgement where file_id = $1 and set_aside_at is null',
    [said.fileId],
  )
  if (rows[0]?.state === said.state) return false
  throw new MizanError('CONFLICT', `${said.source} says ${said.state}; the receiver said ${rows[0]?.state} before`)
}
