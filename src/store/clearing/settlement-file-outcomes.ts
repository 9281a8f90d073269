import type { Client } from '../connection.ts'
import type { InstructionState } from './settlement-instructions.ts'
import { type InstructionNews, isBound, OPEN, type PaymentStatus } from './settlement-outcomes.ts'
import { type RejectedInstruction, type RejectionNews, rejectInstructions } from './settlement-rejection.ts'

/** What a status of a whole message came to. */
export interface FileOutcome {
  /** Instructions. */
  readonly changed: number
  /** Instructions with which it does not go. */
  readonly bound: number
}

/**
 * Takes a status of a whole message (group status of pain.002 or pacs.002). Of a rejection all payments of the message have to be
 * such that they can be rejected; else nothing of it is done. Anything else counts for those that were released and not rejected before.
 * @param messageId MsgId of our file
 * @returns undefined when no file of ours has this id
 */
export async function applyFileStatus(
  client: Client,
  news: Omit<InstructionNews, 'endToEndId'> & { readonly messageId: string; readonly status: PaymentStatus },
): Promise<FileOutcome | undefined> {
  const { rows: files } = await client.query<{ id: string }>(
    `select id from clearing_file where direction = 'out' and type in ('PAY', 'NET') and totals ->> 'messageId' = $1`,
    [news.messageId],
  )
  const [file] = files
  if (file === undefined) return undefined
  if (news.status !== 'RJCT') return acceptFile(client, file.id, news)
  return rejectFile(client, file.id, news)
}

/** The same as each of its payments by itself, in a few statements for each thousand. */
async function rejectFile(client: Client, fileId: string, news: RejectionNews): Promise<FileOutcome> {
  const { rows } = await client.query<{
    id: string
    end_to_end_id: string
    purpose: RejectedInstruction['purpose']
    bank: number
    is_bound: boolean
  }>(
    `select i.id, i.end_to_end_id, i.purpose, i.bank, not i.state = any ($2) or ${isBound} as is_bound
     from settlement_instruction i where i.file_id = $1 and i.state <> 'rejected' order by i.end_to_end_id for update of i`,
    [fileId, OPEN],
  )
  const bound = rows.filter(({ is_bound }) => is_bound).length
  if (bound > 0) return { changed: 0, bound }
  const rejected = rows.map(({ id, end_to_end_id: endToEndId, purpose, bank }) => ({
    id: Number(id),
    endToEndId,
    purpose,
    bank,
  }))
  await rejectInstructions(client, rejected, news)
  return { changed: rows.length, bound }
}

/** The same as each of its payments by itself, at once: a file has tens of thousands, and no posting goes with it. */
async function acceptFile(
  client: Client,
  fileId: string,
  { status, reasonCode, reason, source }: Omit<InstructionNews, 'endToEndId'> & { readonly status: PaymentStatus },
): Promise<FileOutcome> {
  if (status === 'PART') return { changed: 0, bound: 0 }
  const after: InstructionState = status === 'PDNG' ? 'sent' : 'accepted'
  if (status === 'ACSC') {
    const confirm = `update settlement_instruction set is_confirmed = true where file_id = $1 and state = any ($2)`
    await client.query(`${confirm} and not is_confirmed`, [fileId, OPEN])
  }
  const { rowCount } = await client.query(
    `with changed as (
       update settlement_instruction set state = $2, reason_code = coalesce($3, reason_code), reason = coalesce($4, reason)
       where file_id = $1 and state in ('released', 'sent') and state <> $2 returning id, end_to_end_id)
     insert into settlement_instruction_event (instruction_id, state, source, reason_code, reason)
     select id, $2, $5, $3, $4 from changed order by end_to_end_id`,
    [fileId, after, reasonCode ?? null, reason?.slice(0, 500) ?? null, source],
  )
  const against = await client.query<{ n: number }>(
    `select count(*)::int as n from settlement_instruction where file_id = $1 and state in ('prepared', 'rejected')`,
    [fileId],
  )
  return { changed: rowCount ?? 0, bound: against.rows[0]?.n ?? 0 }
}
