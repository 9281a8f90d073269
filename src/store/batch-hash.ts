import { createHash } from 'node:crypto'
import type { JournalContent } from './batch.ts'
import { BatchEncoder, type JournalArrays } from './commit-parameters.ts'
import { ROWS_AT } from './row-writer.ts'

const HEAD_FIELDS = 13
const FIELD_BYTES = 8

/**
 * Hash of a batch: SHA-256(previous hash ‖ head ‖ journal rows), architecture.md "Tamper evidence". The head is
 * thirteen numbers of eight bytes, big-endian: lane, number, epoch, first and next id, instant, business and
 * entitlement date, and the rows of each kind. The rows follow in the order authorizations, commands, transfers, holds
 * and what happened to them, each as PostgreSQL's binary format has it (`record_send`), its length before it: the very
 * bytes that were sent to be committed.
 */
export function batchHash(previous: Buffer, content: JournalContent, arrays?: JournalArrays): Buffer {
  const { lane, seq, epoch, firstId, nextId, atMs, businessDate, entitlementDate } = content
  const { authorizations, commands, transfers, holds, holdEvents } = content
  const head = Buffer.allocUnsafe(HEAD_FIELDS * FIELD_BYTES)
  let at = 0
  for (const value of [lane, seq, epoch, firstId, nextId, atMs, businessDate, entitlementDate]) {
    at = head.writeBigInt64BE(BigInt(value), at)
  }
  for (const rows of [authorizations, commands, transfers, holds, holdEvents]) {
    at = head.writeBigInt64BE(BigInt(rows.length), at)
  }
  const journal = arrays ?? verifier.journal(content)
  const digest = createHash('sha256').update(previous).update(head)
  for (const rows of [journal.authorizations, journal.commands, journal.transfers, journal.holds, journal.holdEvents]) {
    digest.update(rows.subarray(ROWS_AT))
  }
  return digest.digest()
}

/** The numbers of the row types differ between databases; they stand in the arrays' heads, which are not hashed. */
const verifier = new BatchEncoder({
  authorization_row: 0,
  command_row: 0,
  transfer_row: 0,
  balance_row: 0,
  hold_row: 0,
  hold_event_row: 0,
  cash_row: 0,
  card_counter_row: 0,
  assertion_row: 0,
  card_status_row: 0,
  command_done_row: 0,
  usage_row: 0,
  notification_row: 0,
  closing_row: 0,
  change_row: 0,
  forward_row: 0,
  one_time_code_row: 0,
})
