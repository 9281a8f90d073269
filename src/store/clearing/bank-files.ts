import { formatDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'
import type { FileKey } from './files.ts'

/** Why a bank's file is refused; see `clearing/iso20022/refusal.ts`. */
type RefusalCause = 'format' | 'account' | 'duplicate' | 'gap' | 'balance' | 'other'

/** A file of a bank that was taken. */
export interface KnownBankFile {
  readonly id: number
  readonly name: string
  readonly receivedAt: Date
  readonly receivedBy: string
}

/** What is kept of a bank's file besides its content. */
export interface BankFileFacts {
  readonly name: string
  readonly bytes: number
  readonly sha256: Buffer
  readonly receivedBy: string
}

/** One program at a time receives files of banks: until the connection ends, or {@link unlockBankFiles}. */
export async function lockBankFiles(client: Queryable): Promise<void> {
  await client.query("select pg_advisory_lock(hashtext('bank_file'))")
}

export async function unlockBankFiles(client: Queryable): Promise<void> {
  await client.query("select pg_advisory_unlock(hashtext('bank_file'))")
}

/** The file with the same bytes that was taken before. */
export async function findBankFile(client: Queryable, sha256: Buffer): Promise<KnownBankFile | undefined> {
  const { rows } = await client.query<{ id: string; name: string; received_at: Date; received_by: string }>(
    "select id, name, received_at, received_by from bank_file where sha256 = $1 and state = 'read'",
    [sha256],
  )
  const [row] = rows
  if (row === undefined) return undefined
  return { id: Number(row.id), name: row.name, receivedAt: row.received_at, receivedBy: row.received_by }
}

/** Notes that the same bytes came again. */
export async function noteRepeat(client: Queryable, id: number): Promise<void> {
  await client.query('update bank_file set repeats = repeats + 1, repeated_at = clock_timestamp() where id = $1', [id])
}

/** A file that is being taken, in the transaction that takes it. @returns its number */
export async function addBankFile(
  client: Queryable,
  facts: BankFileFacts,
  message: { readonly schema: string; readonly messageId: string },
): Promise<number> {
  const { rows } = await client.query<{ id: string }>(
    `insert into bank_file (name, bytes, sha256, received_by, state, schema, message_id) values ($1, $2, $3, $4, 'read', $5, $6)
     returning id`,
    [facts.name, facts.bytes, facts.sha256, facts.receivedBy, message.schema, message.messageId],
  )
  return Number(rows[0]?.id)
}

/** What is known of a file at its end. */
export async function completeBankFile(
  client: Queryable,
  id: number,
  end: { readonly fileId: number; readonly bank: number | undefined; readonly forgiven: readonly unknown[] },
): Promise<void> {
  await client.query('update bank_file set file_id = $2, bank = $3, forgiven = $4 where id = $1', [
    id,
    end.fileId,
    end.bank ?? null,
    JSON.stringify(end.forgiven),
  ])
}

/** Keeps why a file was refused; the same bytes for the same cause are the same refusal. @returns its number */
export async function addRefusedBankFile(
  client: Queryable,
  facts: BankFileFacts,
  refusal: {
    readonly cause: RefusalCause
    readonly reason: string
    readonly schema?: string | undefined
    readonly messageId?: string | undefined
    readonly bank?: number | undefined
  },
): Promise<number> {
  const { rows } = await client.query<{ id: string }>(
    `insert into bank_file (name, bytes, sha256, received_by, state, schema, message_id, bank, cause, reason)
     values ($1, $2, $3, $4, 'refused', $5, $6, $7, $8, $9)
     on conflict (sha256, cause) where state = 'refused' do update
       set repeats = bank_file.repeats + 1, repeated_at = clock_timestamp() returning id`,
    [
      facts.name,
      facts.bytes,
      facts.sha256,
      facts.receivedBy,
      refusal.schema ?? null,
      refusal.messageId ?? null,
      refusal.bank ?? null,
      refusal.cause,
      refusal.reason.slice(0, 500),
    ],
  )
  return Number(rows[0]?.id)
}

/** Number of a settlement bank by its code. */
export async function bankNumber(client: Queryable, code: string): Promise<number | undefined> {
  const { rows } = await client.query<{ number: number }>('select number from settlement_bank where code = $1', [code])
  return rows[0]?.number
}

/** Code of a settlement bank by its number. */
export async function bankCode(client: Queryable, bank: number | undefined): Promise<string | undefined> {
  if (bank === undefined) return undefined
  const { rows } = await client.query<{ code: string }>('select code from settlement_bank where number = $1', [bank])
  return rows[0]?.code
}

/** Numbers of a cycle in the register of clearing files. */
const SEQUENCES = 999

/**
 * The next free place in the register for a file of a kind, institution and date, where one program at a time adds
 * them.
 */
export async function nextIncomingKey(client: Queryable, key: Omit<FileKey, 'cycle' | 'sequence'>): Promise<FileKey> {
  const { rows } = await client.query<{ count: number }>(
    `select count(*)::int as count from clearing_file
     where direction = $1 and type = $2 and institution = $3 and business_date = $4`,
    [key.direction, key.type, key.institution, formatDate(key.businessDate)],
  )
  const count = rows[0]?.count ?? 0
  return { ...key, cycle: 1 + Math.floor(count / SEQUENCES), sequence: 1 + (count % SEQUENCES) }
}
