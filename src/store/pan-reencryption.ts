import { setTimeout as sleep } from 'node:timers/promises'
import { assert, MizanError } from '../errors.ts'
import type { EncryptedPan, PanProtection } from '../security/pan-protection.ts'
import { byteaArray, int2Array, int8Array } from './binary-arrays.ts'
import type { Client } from './connection.ts'
import { inTransaction } from './transaction.ts'

/** What to re-encrypt, and how. */
export interface PanReencryptionOptions {
  /** Its newest version of `pan-encryption` is the one that all rows come to be under. */
  readonly protection: PanProtection
  /** Rows of one transaction. @default 1000 */
  readonly batchRows?: number
  /** Rest after each transaction, in milliseconds, which leaves the disk to a switch that runs beside. @default 0 */
  readonly pauseMs?: number
  /** Called after each transaction. */
  readonly onProgress?: (progress: PanReencryptionProgress) => void
  /** Stops the work after the transaction that is under way. */
  readonly signal?: AbortSignal
}

export interface PanReencryptionProgress {
  /** Rows that were looked at and are under the version now, or cannot be read. */
  readonly done: number
  /** Rows that were under other versions when the work began; more when cards were added meanwhile. */
  readonly total: number
}

/** A row that stays as it is. */
export interface UnreadablePan {
  readonly lane: number
  readonly cardId: number
  readonly keyVersion: number
  readonly reason: string
}

export interface PanReencryptionResult {
  /** Version that the rows are under now. */
  readonly keyVersion: number
  /** Rows that this call moved. */
  readonly reencrypted: number
  /** Rows under other versions still: those that cannot be read, or what an interruption left. */
  readonly remaining: number
  /** Rows that cannot be read. */
  readonly unreadable: number
  /** The first of them. */
  readonly examples: readonly UnreadablePan[]
}

const BATCH_ROWS = 1_000
const BATCH_ROWS_MAX = 10_000
/** A pass leaves behind what others had locked, and cards that a switch with older keys adds meanwhile. */
const PASSES_MAX = 20
/** Rest before a pass when the last one moved nothing. */
const RETRY_MS = 250
const EXAMPLES_MAX = 20

interface CardRow {
  readonly lane: number
  readonly id: number
  readonly panIndex: Buffer
  readonly encrypted: EncryptedPan
}

/** A row with what it becomes. */
interface Replacement {
  readonly row: CardRow
  readonly pan: string
  readonly encrypted: EncryptedPan
}

/**
 * Brings all card numbers under the newest version of `pan-encryption`, in the order of their keys, each batch in a
 * transaction of its own. Safe beside a running switch: it waits for no row lock, holds its own for one statement and a
 * commit, and writes a row only if it still is as it was read. What a row is under is told by the row itself, so the
 * work may end at any time and a later call goes on with what is left. Each number is decrypted before, and again from
 * the stored bytes before they are committed.
 * @param client a connection of the application's role, for this alone meanwhile
 * @throws MizanError CRYPTO_REFUSED when no version is in use or another becomes the newest meanwhile; BAD_INPUT or
 *   ASSERTION_FAILED when stored bytes do not give the number back: that batch is rolled back
 */
export async function reencryptPans(client: Client, options: PanReencryptionOptions): Promise<PanReencryptionResult> {
  const { batchRows = BATCH_ROWS } = options
  assert(Number.isInteger(batchRows) && batchRows > 0 && batchRows <= BATCH_ROWS_MAX, 'a batch has 1 to 10000 rows')
  return new Reencryption(client, options, batchRows).run()
}

/**
 * How many card numbers are under each version of `pan-encryption`: a version with any may not be revoked. Reads the
 * whole table.
 */
export async function countPansByKeyVersion(client: Client): Promise<ReadonlyMap<number, number>> {
  const { rows } = await client.query<{ key_version: number; count: string }>(
    'select key_version, count(*) from card group by key_version order by key_version',
  )
  return new Map(rows.map((row) => [row.key_version, Number(row.count)]))
}

class Reencryption {
  readonly #client: Client
  readonly #options: PanReencryptionOptions
  readonly #batchRows: number
  readonly #keyVersion: number
  #reencrypted = 0
  #total = 0
  /** Of the pass that is under way. */
  #unreadable = 0
  #examples: UnreadablePan[] = []

  constructor(client: Client, options: PanReencryptionOptions, batchRows: number) {
    this.#client = client
    this.#options = options
    this.#batchRows = batchRows
    this.#keyVersion = options.protection.keyVersion
  }

  async run(): Promise<PanReencryptionResult> {
    let remaining = await this.#countRemaining()
    this.#total = remaining
    for (let pass = 0; pass < PASSES_MAX && remaining > this.#unreadable && !this.#isAborted; pass++) {
      const before = this.#reencrypted
      await this.#pass()
      if (this.#reencrypted === before) await this.#rest(RETRY_MS)
      remaining = await this.#countRemaining()
    }
    return {
      keyVersion: this.#keyVersion,
      reencrypted: this.#reencrypted,
      remaining,
      unreadable: this.#unreadable,
      examples: this.#examples,
    }
  }

  get #isAborted(): boolean {
    return this.#options.signal?.aborted === true
  }

  async #countRemaining(): Promise<number> {
    const counts = await countPansByKeyVersion(this.#client)
    let remaining = 0
    for (const [version, count] of counts) if (version !== this.#keyVersion) remaining += count
    return remaining
  }

  async #pass(): Promise<void> {
    this.#unreadable = 0
    this.#examples = []
    let after: Pick<CardRow, 'lane' | 'id'> = { lane: -1, id: 0 }
    while (!this.#isAborted) {
      const last = await inTransaction(this.#client, () => this.#batch(after), beginText)
      if (last === undefined) return
      after = last
      const done = this.#reencrypted + this.#unreadable
      this.#options.onProgress?.({ done, total: Math.max(this.#total, done) })
      await this.#rest(this.#options.pauseMs ?? 0)
    }
  }

  /** @returns the last row that was looked at; undefined when there are no more */
  async #batch(after: Pick<CardRow, 'lane' | 'id'>): Promise<CardRow | undefined> {
    const rows = await this.#nextRows(after)
    await this.#replace(rows.flatMap((row) => this.#replacementOf(row)))
    return rows.at(-1)
  }

  async #rest(ms: number): Promise<void> {
    const { signal } = this.#options
    if (ms > 0) await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
  }

  async #nextRows(after: Pick<CardRow, 'lane' | 'id'>): Promise<CardRow[]> {
    const { rows } = await this.#client.query<{
      lane: number
      id: string
      pan_index: Buffer
      pan_encrypted: Buffer
      key_version: number
    }>({
      name: 'reencryption_rows',
      text: `select lane, id, pan_index, pan_encrypted, key_version from card
             where (lane, id) > ($1::smallint, $2::bigint) and key_version <> $3::smallint
             order by lane, id limit $4`,
      values: [after.lane, after.id, this.#keyVersion, this.#batchRows],
    })
    return rows.map((row) => ({
      lane: row.lane,
      id: Number(row.id),
      panIndex: row.pan_index,
      encrypted: { keyVersion: row.key_version, bytes: row.pan_encrypted },
    }))
  }

  #replacementOf(row: CardRow): Replacement[] {
    const { protection } = this.#options
    let pan: string
    try {
      pan = protection.decrypt(row.encrypted, row.panIndex)
    } catch (error) {
      if (!(error instanceof MizanError)) throw error
      this.#unreadable++
      if (this.#examples.length < EXAMPLES_MAX) {
        const { lane, id: cardId, encrypted } = row
        this.#examples.push({ lane, cardId, keyVersion: encrypted.keyVersion, reason: error.message })
      }
      return []
    }
    const encrypted = protection.encrypt(pan)
    if (encrypted.keyVersion !== this.#keyVersion) {
      throw new MizanError(
        'CRYPTO_REFUSED',
        'another version of pan-encryption became the newest meanwhile: start again',
      )
    }
    return [{ row, pan, encrypted }]
  }

  /** Writes what is still as it was read and that nobody has locked; another pass comes for the rest. */
  async #replace(replacements: readonly Replacement[]): Promise<void> {
    if (replacements.length === 0) return
    const byKey = new Map(replacements.map((one) => [`${one.row.lane} ${one.row.id}`, one]))
    const { rows } = await this.#client.query<{ key: string; pan_encrypted: Buffer; key_version: number }>({
      name: 'reencryption_replace',
      text: replaceText,
      values: [
        int2Array(replacements.map(({ row }) => row.lane)),
        int8Array(replacements.map(({ row }) => row.id)),
        int2Array(replacements.map(({ row }) => row.encrypted.keyVersion)),
        byteaArray(replacements.map(({ row }) => row.encrypted.bytes.toString('latin1'))),
        byteaArray(replacements.map(({ encrypted }) => encrypted.bytes.toString('latin1'))),
        this.#keyVersion,
      ],
    })
    for (const { key, pan_encrypted: bytes, key_version: keyVersion } of rows) {
      const replacement = byKey.get(key)
      assert(replacement !== undefined, 'only rows of the batch were written')
      const { row, pan } = replacement
      const isBack = this.#options.protection.decrypt({ keyVersion, bytes }, row.panIndex) === pan
      assert(isBack, `what was stored for card ${row.id} of lane ${row.lane} gives its number back`)
    }
    this.#reencrypted += rows.length
  }
}

/** A batch is found by the primary key, whatever the statistics of a table that is changing say. */
const beginText =
  'begin; set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_hashjoin = off; ' +
  'set local enable_mergejoin = off'

/** SKIP LOCKED: who never waits for a row is part of no deadlock. The condition is checked again on the locked row. */
const replaceText = `
  with mine as (
    select c.lane, c.id, n.encrypted
    from unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::bytea[], $5::bytea[])
      n (lane, id, version_before, before, encrypted)
    join card c on c.lane = n.lane and c.id = n.id
    where c.pan_encrypted = n.before and c.key_version = n.version_before
    for no key update of c skip locked)
  update card c set pan_encrypted = m.encrypted, key_version = $6
  from mine m where c.lane = m.lane and c.id = m.id
  returning c.lane || ' ' || c.id as key, c.pan_encrypted, c.key_version`
