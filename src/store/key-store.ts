import { assert, MizanError } from '../errors.ts'
import { canBecome, type KeyRecord, type KeyStatus } from '../security/keys/key-record.ts'
import type { KeyName } from '../security/security-module.ts'
import { type Client, refusalOf } from './connection.ts'
import { inTransaction } from './transaction.ts'

/** More keys than any configuration has; beyond it something is wrong with the data. */
const KEYS_MAX = 10_000

/** A key as it lies in the store. */
export interface StoredKey extends KeyRecord {
  readonly createdAtMs: number
  readonly createdBy: string
}

/** All keys at one moment. */
export interface KeySnapshot {
  /** Goes up with each change of a key. */
  readonly generation: number
  /** By name, then version. */
  readonly keys: readonly StoredKey[]
}

/** In whose name something is done, for the audit. */
export interface KeyAuthor {
  /** Operating-system user, or the part of the program. */
  readonly user: string
  /** Custodians who were logged in. */
  readonly custodians?: readonly string[]
  /** What else is worth knowing; never a secret. */
  readonly detail?: string
}

/** One step of a change; the steps of one call are done together or not at all. */
export type KeyChange =
  | { readonly kind: 'insert'; readonly key: KeyRecord }
  | { readonly kind: 'status'; readonly name: KeyName; readonly version: number; readonly status: KeyStatus }
  | {
      readonly kind: 'validity'
      readonly name: KeyName
      readonly version: number
      readonly validFromMs: number
      readonly validToMs: number | undefined
    }

/** What was done, as it was noted. */
export interface KeyEvent {
  readonly atMs: number
  readonly actor: string
  readonly custodians: readonly string[]
  readonly action: string
  readonly name: string
  readonly version: number | undefined
  readonly checkValue: string | undefined
  readonly detail: string
}

interface KeyRow {
  generation: string
  name: string | null
  version: number
  // What the texts say is checked against the block when a key is opened.
  usage: KeyRecord['usage']
  algorithm: KeyRecord['algorithm']
  mode_of_use: KeyRecord['modeOfUse']
  exportability: KeyRecord['exportability']
  check_value: string
  block: string
  status: KeyStatus
  valid_from: Date
  valid_to: Date | null
  created_at: Date
  created_by: string
  announced: boolean
}

/**
 * Reads all keys and the generation they are of, as of one moment.
 * @throws MizanError STORE_SCHEMA_MISMATCH when the database has no key store yet
 */
export async function readKeys(client: Client): Promise<KeySnapshot> {
  const { rows } = await asCatalogued('the keys cannot be read', () =>
    client.query<KeyRow>(
      `select g.generation, k.name, k.version, k.usage, k.algorithm, k.mode_of_use, k.exportability, k.check_value,
              k.block, k.status, k.valid_from, k.valid_to, k.created_at, k.created_by,
              exists (select from key_announcement a where a.name = k.name and a.version = k.version
                      and a.confirmed_at is null) as announced
       from security_generation g left join security_key k on true
       order by k.name, k.version limit ${KEYS_MAX + 1}`,
    ),
  )
  if (rows.length > KEYS_MAX) throw new MizanError('STORE_REJECTED', `there are more than ${KEYS_MAX} keys`)
  return { generation: Number(rows[0]?.generation ?? 0), keys: rows.flatMap(storedKey) }
}

function storedKey(row: KeyRow): StoredKey[] {
  // Without keys the generation comes alone.
  if (row.name === null) return []
  return [
    {
      name: row.name,
      version: row.version,
      usage: row.usage,
      algorithm: row.algorithm,
      modeOfUse: row.mode_of_use,
      exportability: row.exportability,
      checkValue: row.check_value,
      block: row.block,
      status: row.status,
      validFromMs: row.valid_from.getTime(),
      validToMs: row.valid_to?.getTime(),
      createdAtMs: row.created_at.getTime(),
      createdBy: row.created_by,
      ...(row.announced ? { announced: true } : {}),
    },
  ]
}

/** Reads the generation alone: what a running switch asks once a second. */
export async function readKeyGeneration(client: Client): Promise<number> {
  const { rows } = await client.query<{ generation: string }>('select generation from security_generation')
  return Number(rows[0]?.generation ?? 0)
}

/**
 * Changes keys in one transaction; the database notes each step in the name of the author (`key_event`).
 * @throws MizanError CRYPTO_REFUSED when a key's life does not go that way; NOT_FOUND for a key that is not there;
 *   STORE_REJECTED when the database refuses a row, such as a version that another program has just made
 */
export async function saveKeys(client: Client, changes: readonly KeyChange[], author: KeyAuthor): Promise<void> {
  await inAuditedTransaction(client, author, () => saveAll(client, changes, author))
}

/** The steps of {@link saveKeys}, within a transaction of {@link inAuditedTransaction}. */
export async function saveAll(client: Client, changes: readonly KeyChange[], author: KeyAuthor): Promise<void> {
  for (const change of changes) await save(client, change, author)
}

async function save(client: Client, change: KeyChange, author: KeyAuthor): Promise<void> {
  if (change.kind === 'insert') return insert(client, change.key, author)
  const which = `version ${change.version} of ${change.name}`
  const { rows } = await client.query<{ status: KeyStatus }>(
    'select status from security_key where name = $1 and version = $2',
    [change.name, change.version],
  )
  const status = rows[0]?.status
  if (status === undefined) throw new MizanError('NOT_FOUND', `there is no ${which}`)
  if (change.kind === 'status') {
    if (!canBecome(status, change.status)) {
      throw new MizanError('CRYPTO_REFUSED', `${which} is ${status} and cannot become ${change.status}`)
    }
    await client.query('update security_key set status = $3 where name = $1 and version = $2', [
      change.name,
      change.version,
      change.status,
    ])
    return
  }
  const { validFromMs, validToMs } = change
  await client.query('update security_key set valid_from = $3, valid_to = $4 where name = $1 and version = $2', [
    change.name,
    change.version,
    new Date(validFromMs),
    validToMs === undefined ? null : new Date(validToMs),
  ])
}

async function insert(client: Client, key: KeyRecord, author: KeyAuthor): Promise<void> {
  await client.query(
    `insert into security_key (name, version, usage, algorithm, mode_of_use, exportability, check_value, block, status,
                               valid_from, valid_to, created_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      key.name,
      key.version,
      key.usage,
      key.algorithm,
      key.modeOfUse,
      key.exportability,
      key.checkValue,
      key.block,
      key.status,
      new Date(key.validFromMs),
      key.validToMs === undefined ? null : new Date(key.validToMs),
      author.user,
    ],
  )
}

/** Whether card numbers or people rest under a version of their key: without it nobody could read them again. */
export async function hasCardsUnder(client: Client, version: number): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(
    `select exists (select from card where key_version = $1) or exists (select from person where key_version = $1) as found`,
    [version],
  )
  return rows[0]?.found === true
}

/** Notes what left no trace of its own: a key that was exported, a custodian who was not let in. */
export async function noteKeyEvent(
  client: Client,
  event: { readonly action: 'key-exported' | 'custodian-refused'; readonly name: string } & Partial<
    Pick<KeyRecord, 'version' | 'checkValue'>
  >,
  author: KeyAuthor,
): Promise<void> {
  await inAuditedTransaction(client, author, async () => {
    await client.query('select note_key_event($1, $2, $3, $4)', [
      event.action,
      event.name,
      event.version ?? null,
      event.checkValue ?? null,
    ])
  })
}

/**
 * Reads what was noted, the newest first.
 * @param name of a key or custodian; undefined = all
 */
export async function readKeyEvents(client: Client, limit: number, name?: string): Promise<KeyEvent[]> {
  const { rows } = await asCatalogued('the audit of the keys cannot be read', () =>
    client.query<{
      at: Date
      actor: string
      custodians: string[]
      action: string
      name: string
      version: number | null
      check_value: string | null
      detail: string
    }>(
      `select at, actor, custodians, action, name, version, check_value, detail from key_event
       where $2::text is null or name = $2 order by id desc limit $1`,
      [limit, name ?? null],
    ),
  )
  return rows.map((row) => ({
    atMs: row.at.getTime(),
    actor: row.actor,
    custodians: row.custodians,
    action: row.action,
    name: row.name,
    version: row.version ?? undefined,
    checkValue: row.check_value ?? undefined,
    detail: row.detail,
  }))
}

/**
 * Runs `work` in a transaction whose changes are noted in the name of the author.
 * @throws MizanError STORE_REJECTED with what the database says; what `work` throws from the catalogue stays
 */
export async function inAuditedTransaction<T>(client: Client, author: KeyAuthor, work: () => Promise<T>): Promise<T> {
  const custodians = author.custodians ?? []
  assert(
    custodians.every((name) => !name.includes(' ')),
    'names of custodians have no blanks',
  )
  return asCatalogued('the change is refused', () =>
    inTransaction(client, async () => {
      await client.query(
        `select set_config('mizan.actor', $1, true), set_config('mizan.custodians', $2, true),
                set_config('mizan.detail', $3, true)`,
        [author.user, custodians.join(' '), author.detail ?? ''],
      )
      return work()
    }),
  )
}

const UNDEFINED_TABLE = '42P01'
const CHECK_VIOLATION = '23514'

/** Errors of the database in words of the catalogue. */
async function asCatalogued<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const refusal = refusalOf(cause)
    if (refusal === undefined) throw cause
    if (refusal.code === UNDEFINED_TABLE) {
      const detail = 'it has no key store yet; mizan start brings a database up to date'
      throw new MizanError('STORE_SCHEMA_MISMATCH', detail, { cause })
    }
    if (refusal.code === CHECK_VIOLATION && refusal.constraint === 'security_key_life_cycle') {
      throw new MizanError('CRYPTO_REFUSED', `${what}: a key's life does not go that way`, { cause })
    }
    throw new MizanError('STORE_REJECTED', `${what}: ${refusal.constraint || refusal.code}`, { cause })
  }
}
