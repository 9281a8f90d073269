import { formatDate } from '../calendar.ts'
import type { AuthorizationRow, Batch, JournalContent } from './batch.ts'
import { int8Array } from './binary-arrays.ts'
import type { Client } from './connection.ts'
import { RowWriter } from './row-writer.ts'

/** Row types of `commit_batch`, as schemas/sql/0002-writer.sql declares them. */
const rowTypes = [
  'authorization_row',
  'command_row',
  'transfer_row',
  'balance_row',
  'hold_row',
  'hold_ending_row',
  'cash_row',
] as const

/** Numbers of the row types in one database. */
export type RowTypeOids = Readonly<Record<(typeof rowTypes)[number], number>>

/** Asks a database for the numbers of the row types. */
export async function readRowTypes(client: Client): Promise<RowTypeOids> {
  const { rows } = await client.query<{ name: string; oid: number }>(
    'select n as name, n::regtype::oid as oid from unnest($1::text[]) n',
    [rowTypes],
  )
  return Object.fromEntries(rows.map(({ name, oid }) => [name, Number(oid)])) as RowTypeOids
}

export const commitText = `select commit_batch(${Array.from({ length: 17 }, (_, i) => `$${i + 1}`).join(', ')}) as done`

const writer = new RowWriter()

/** The journal rows of a batch as arrays of their row types. */
export interface JournalArrays {
  readonly authorizations: Buffer
  readonly commands: Buffer
  readonly transfers: Buffer
  readonly holds: Buffer
  readonly holdEndings: Buffer
}

/** Writes the journal rows of a batch as PostgreSQL reads them. */
export function journalArrays(content: JournalContent, oids: RowTypeOids): JournalArrays {
  return {
    authorizations: writer.array(oids.authorization_row, 28, content.authorizations, putAuthorization),
    commands: writer.array(oids.command_row, 5, content.commands, (to, row) => {
      to.int8(row.id)
      to.text(row.kind)
      to.int8(row.householdId)
      to.int8(row.authorizationId)
      to.text(row.detail)
    }),
    transfers: writer.array(oids.transfer_row, 7, content.transfers, (to, row) => {
      to.int8(row.groupId)
      to.int2(row.leg)
      to.int2(row.kind)
      to.int8(row.debit)
      to.int8(row.credit)
      to.int8(row.amount)
      to.int4(row.period)
    }),
    holds: writer.array(oids.hold_row, 7, content.holds, (to, row) => {
      to.int8(row.id)
      to.int8(row.householdId)
      to.int2(row.kind)
      to.int8(row.debit)
      to.int8(row.credit)
      to.int8(row.amount)
      to.timestamp(row.expiresAtMs)
    }),
    holdEndings: writer.array(oids.hold_ending_row, 4, content.holdEndings, (to, row) => {
      to.int8(row.id)
      to.text(row.ending)
      to.int8(row.captured)
      to.int8(row.byId)
    }),
  }
}

/** Parameters of `commit_batch` for a batch, its journal rows and its hash. */
export function commitParameters(batch: Batch, journal: JournalArrays, hash: Buffer, oids: RowTypeOids): unknown[] {
  const shared = [...batch.sharedBalances].map(([account, posted]) => ({ account, period: 0, posted, held: 0 }))
  return [
    batch.lane,
    batch.epoch,
    batch.seq,
    hash,
    new Date(batch.atMs),
    batch.firstId,
    batch.nextId,
    formatDate(batch.businessDate),
    formatDate(batch.entitlementDate),
    journal.authorizations,
    journal.commands,
    journal.transfers,
    writer.array(oids.balance_row, 4, [...batch.householdBalances, ...shared], (to, row) => {
      to.int8(row.account)
      to.int4(row.period)
      to.int8(row.posted)
      to.int8(row.held)
    }),
    journal.holds,
    journal.holdEndings,
    writer.array(oids.cash_row, 4, batch.cashUsages, (to, row) => {
      to.int8(row.householdId)
      to.int4(row.day)
      to.int8(row.withdrawn)
      to.int4(row.withdrawals)
    }),
    int8Array(batch.stopOldCards),
  ]
}

function putAuthorization(to: RowWriter, row: AuthorizationRow): void {
  to.int8(row.id)
  to.timestamp(row.receivedAtMs)
  to.text(row.link)
  to.text(row.mti)
  to.uuid(row.key)
  to.uuid(row.contentHash)
  to.text(row.acquirer)
  to.text(row.terminal)
  to.text(row.acceptor)
  to.int8(row.outletId)
  to.text(row.stan)
  to.text(row.transmission)
  to.text(row.rrn)
  to.text(row.networkReference)
  to.text(row.panMasked)
  to.int8(row.cardId)
  to.int8(row.householdId)
  to.text(row.transactionType)
  to.text(row.accountCode)
  to.text(row.mcc)
  to.int8(row.amount)
  to.int8(row.approvedAmount)
  to.text(row.result)
  to.text(row.responseCode)
  to.int8(row.originalId)
  to.uuid(row.originalKey)
  to.text(row.answer)
  to.text(row.trace)
}
