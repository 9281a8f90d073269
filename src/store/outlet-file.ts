import { MizanError } from '../errors.ts'
import { readDelimited } from '../files/delimited-reader.ts'
import { contentHash, type FileSource } from '../files/file-source.ts'
import type { Rejection } from '../files/reject-report.ts'
import type { Client } from './connection.ts'
import { mergeOutlet, type OutletChange } from './outlet-merge.ts'
import type { OutletInput } from './outlet-record.ts'
import { outletColumns, outletOfRow } from './outlet-row.ts'
import { findOutlets, inReferenceTransaction, type SaveOptions, writeOutlets } from './outlet-store.ts'

/** What a file makes of the outlets. */
export interface OutletFileTotals {
  /** Rows of the file, without its header. */
  readonly rows: number
  readonly added: number
  readonly changed: number
  readonly unchanged: number
  /** Rows that were not taken. */
  readonly rejected: number
  /** Outlets whose status, and whose account for settlement, is another than before; of a new one, whichever it has. */
  readonly statusChanged: number
  readonly settlementChanged: number
  /** New or changed terminals. */
  readonly terminals: number
}

export interface OutletFileResult {
  /** SHA-256 of the file, in hexadecimal digits. */
  readonly sha256: string
  readonly totals: OutletFileTotals
  /** When this very file was loaded before, and by whom: it has changed nothing now. */
  readonly loadedBefore: { readonly at: Date; readonly actor: string } | undefined
}

export interface OutletFileOptions extends SaveOptions {
  /** Loads a file that was loaded before: its rows count again over what was changed since. */
  readonly again?: boolean
  readonly onReject: (rejection: Rejection) => void
  /** Called after each thousand rows. */
  readonly onProgress?: (rows: number) => void
}

const CHUNK_ROWS = 1_000
/** More outlets than the country has; the numbers of those that a file has named are kept in memory. */
const ROWS_MAX = 1_000_000

/**
 * Says what a file would change; changes nothing.
 * @throws MizanError BAD_INPUT when it is no outlet file
 */
export async function checkOutletFile(
  client: Client,
  source: FileSource,
  options: OutletFileOptions,
): Promise<OutletFileResult> {
  const hash = await contentHash(source)
  const totals = await readOutlets(client, source, options, async () => undefined)
  return { sha256: hash.toString('hex'), totals, loadedBefore: await findFile(client, hash) }
}

/**
 * Loads a file of outlets and terminals in one transaction: rows that are in order are taken, the others are rejected
 * and told. Outlets and terminals that the file does not name stay as they are, and so do values of empty cells;
 * removal is a status of its own. A file that was loaded before changes nothing.
 * @throws MizanError BAD_INPUT when it is no outlet file; STORE_UNAVAILABLE; nothing is loaded then
 */
export async function loadOutletFile(
  client: Client,
  source: FileSource,
  options: OutletFileOptions,
): Promise<OutletFileResult> {
  const hash = await contentHash(source)
  const sha256 = hash.toString('hex')
  return inReferenceTransaction(client, options, async () => {
    const before = await findFile(client, hash)
    if (before !== undefined && options.again !== true) {
      return { sha256, totals: before.totals, loadedBefore: before }
    }
    const totals = await readOutlets(client, source, options, (merged) =>
      writeOutlets(client, merged, options.actor, hash),
    )
    await client.query(
      `insert into outlet_file (sha256, name, actor, totals) values ($1, $2, $3, $4)
       on conflict (sha256) do update set name = excluded.name, loaded_at = now(), actor = excluded.actor,
         totals = excluded.totals`,
      [hash, source.name.slice(0, 255), options.actor, JSON.stringify(totals)],
    )
    await options.audit?.(client, { action: 'outlet-file', target: sha256, detail: { name: source.name, ...totals } })
    return { sha256, totals, loadedBefore: undefined }
  })
}

async function findFile(client: Client, hash: Buffer) {
  const { rows } = await client.query<{ at: Date; actor: string; totals: OutletFileTotals }>(
    'select loaded_at as at, actor, totals from outlet_file where sha256 = $1',
    [hash],
  )
  return rows[0]
}

interface ReadRow {
  readonly line: number
  readonly input: OutletInput
}

/** Reads a file a thousand rows at a time, and gives `write` what those make of the outlets. */
async function readOutlets(
  client: Client,
  source: FileSource,
  options: OutletFileOptions,
  write: (merged: readonly OutletChange[]) => Promise<void>,
): Promise<OutletFileTotals> {
  const totals = new Totals()
  const lineOf = new Map<string, number>()
  const reason = `file ${source.name}`.slice(0, 200)
  let chunk: ReadRow[] = []
  const reject = (line: number, faults: readonly { readonly field: string; readonly reason: string }[]) => {
    totals.rejected++
    for (const fault of faults) options.onReject({ line, ...fault })
  }
  const flush = async () => {
    const rows = chunk
    chunk = []
    const stored = await findOutlets(
      client,
      rows.map(({ input }) => input.acceptor),
    )
    const merged: OutletChange[] = []
    for (const { line, input } of rows) {
      const one = mergeOutlet(stored.get(input.acceptor), input, options.today)
      if ('kind' in one) merged.push(one)
      else reject(line, one)
    }
    for (const one of merged) totals.count(one)
    await write(merged)
    options.onProgress?.(totals.rows)
  }
  const columns = outletColumns(source.format)
  for await (const row of readDelimited(source.open(), { format: source.format, columns })) {
    if (++totals.rows > ROWS_MAX) throw new MizanError('BAD_INPUT', `the file has more than ${ROWS_MAX} rows: split it`)
    const read = outletOfRow(row, reason)
    const input = 'acceptor' in read ? read : undefined
    const first = input === undefined ? undefined : lineOf.get(input.acceptor)
    if (input === undefined) reject(row.line, read as Exclude<typeof read, OutletInput>)
    else if (first !== undefined) reject(row.line, [{ field: 'acceptor', reason: `stands in line ${first} too` }])
    else {
      lineOf.set(input.acceptor, row.line)
      chunk.push({ line: row.line, input })
    }
    if (chunk.length >= CHUNK_ROWS) await flush()
  }
  await flush()
  return totals.result()
}

class Totals {
  rows = 0
  rejected = 0
  readonly #kinds = { added: 0, changed: 0, unchanged: 0 }
  #statusChanged = 0
  #settlementChanged = 0
  #terminals = 0

  count({ kind, changes, changedTerminals, standing }: OutletChange): void {
    this.#kinds[kind]++
    this.#terminals += changedTerminals.length
    if (standing !== undefined) this.#statusChanged++
    // Of a new outlet too: who names the account of an outlet that is not there yet says where money goes all the same.
    if ((changes.settlementAccount ?? changes.settlementBank) !== undefined) this.#settlementChanged++
  }

  result(): OutletFileTotals {
    return {
      rows: this.rows,
      ...this.#kinds,
      rejected: this.rejected,
      statusChanged: this.#statusChanged,
      settlementChanged: this.#settlementChanged,
      terminals: this.#terminals,
    }
  }
}
