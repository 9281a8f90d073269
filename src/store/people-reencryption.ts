import { setTimeout as sleep } from 'node:timers/promises'
import { MizanError } from '../errors.ts'
import type { PersonalData } from '../security/personal-data.ts'
import { byteaArray, int8Array } from './binary-arrays.ts'
import type { Client } from './connection.ts'

/** What to re-encrypt, and how. */
export interface PeopleReencryptionOptions {
  /** Its newest version of `pan-encryption` is the one that all people come to be under. */
  readonly personal: PersonalData
  /** Rows of one statement. @default 500 */
  readonly batchRows?: number
  /** Rest after each statement, in milliseconds. @default 0 */
  readonly pauseMs?: number
  /** Stops the work after the statement that is under way. */
  readonly signal?: AbortSignal
}

export interface PeopleReencryptionResult {
  /** People that this call brought under the newest version. */
  readonly reencrypted: number
  /** People under other versions still: those that cannot be read, or what an interruption left. */
  readonly remaining: number
  readonly unreadable: number
}

const BATCH_ROWS = 500

interface PersonRow {
  readonly id: string
  readonly id_index: Buffer
  readonly sealed: Buffer
  readonly key_version: number
}

/**
 * Brings what is sealed of people under the newest version of `pan-encryption`, in the order of their numbers. Like the
 * re-encryption of card numbers it may end at any time and be called again; a person who is changed meanwhile is left
 * to the next call, being under the newest version then.
 * @throws MizanError CRYPTO_REFUSED when no version is in use
 */
export async function reencryptPeople(
  client: Client,
  options: PeopleReencryptionOptions,
): Promise<PeopleReencryptionResult> {
  const { personal, batchRows = BATCH_ROWS, pauseMs = 0, signal } = options
  const { keyVersion } = personal
  let reencrypted = 0
  let unreadable = 0
  for (let afterId = 0; signal?.aborted !== true; ) {
    const { rows } = await client.query<PersonRow>(
      `select id, id_index, sealed, key_version from person where id > $1 and key_version <> $2 order by id limit $3`,
      [afterId, keyVersion, batchRows],
    )
    const sealed = rows.map((row) => sealedAnew(personal, row))
    const moved = rows.flatMap((row, at) => (sealed[at] === undefined ? [] : [{ row, bytes: sealed[at] }]))
    unreadable += rows.length - moved.length
    reencrypted += await replace(client, keyVersion, moved)
    const last = rows.at(-1)
    if (last === undefined) break
    afterId = Number(last.id)
    if (pauseMs > 0) await sleep(pauseMs)
  }
  const left = await client.query<{ count: number }>(
    'select count(*)::integer as count from person where key_version <> $1',
    [keyVersion],
  )
  return { reencrypted, remaining: left.rows[0]?.count ?? 0, unreadable }
}

/** @returns undefined when it cannot be read */
function sealedAnew(personal: PersonalData, row: PersonRow): Buffer | undefined {
  const { sealed: bytes, key_version: keyVersion, id_index: index } = row
  try {
    const text = personal.open({ keyVersion, bytes }, index)
    const sealed = personal.seal(text, index)
    return personal.open(sealed, index) === text ? sealed.bytes : undefined
  } catch (error) {
    if (error instanceof MizanError) return undefined
    throw error
  }
}

async function replace(
  client: Client,
  keyVersion: number,
  moved: readonly { readonly row: PersonRow; readonly bytes: Buffer }[],
): Promise<number> {
  if (moved.length === 0) return 0
  const { rowCount } = await client.query(
    `update person p set sealed = n.sealed, key_version = $4
     from unnest($1::bigint[], $2::bytea[], $3::bytea[]) n(id, before, sealed)
     where p.id = n.id and p.sealed = n.before`,
    [
      int8Array(moved.map(({ row }) => Number(row.id))),
      byteaArray(moved.map(({ row }) => row.sealed.toString('latin1'))),
      byteaArray(moved.map(({ bytes }) => bytes.toString('latin1'))),
      keyVersion,
    ],
  )
  return rowCount ?? 0
}
