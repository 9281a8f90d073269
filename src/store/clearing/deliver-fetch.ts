import type { Queryable } from '../access-pool.ts'

export const fetchStates = ['fetched', 'handed', 'refused'] as const
export type FetchState = (typeof fetchStates)[number]

/** A file that was found at a partner's place. */
export interface Fetch {
  readonly id: number
  readonly source: string
  readonly name: string
  readonly bytes: number
  readonly sha256: Buffer
  readonly state: FetchState
  readonly type: string | undefined
  /** Name of the clear file in `in/`. */
  readonly clearName: string | undefined
  readonly clearSha256: Buffer | undefined
  readonly reason: string | undefined
  readonly words: string | undefined
  readonly atMs: number
}

interface Row {
  readonly id: string
  readonly source: string
  readonly name: string
  readonly bytes: string
  readonly sha256: Buffer
  readonly state: FetchState
  readonly type: string | null
  readonly clear_name: string | null
  readonly clear_sha256: Buffer | null
  readonly reason: string | null
  readonly words: string | null
  readonly at: Date
}

const columns = 'id, source, name, bytes, sha256, state, type, clear_name, clear_sha256, reason, words, at'
const WORDS_MAX = 500

/** What is new of a file that was fetched or refused. */
export interface NewFetch {
  readonly source: string
  readonly name: string
  readonly bytes: number
  readonly sha256: Buffer
  readonly state: 'fetched' | 'refused'
  readonly type?: string
  readonly clearName?: string
  readonly clearSha256?: Buffer
  readonly signedBy?: number
  readonly reason?: string
  readonly words?: string
}

/** Notes a file that was found; one that was noted before stays as it was. @returns it, as it stands */
export async function saveFetch(client: Queryable, found: NewFetch): Promise<Fetch> {
  await client.query(
    `insert into clearing_fetch (source, name, bytes, sha256, state, type, clear_name, clear_sha256, signed_by, reason, words,
       ended_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, case when $5 = 'refused' then clock_timestamp() end)
     on conflict do nothing`,
    [
      found.source,
      found.name,
      found.bytes,
      found.sha256,
      found.state,
      found.type ?? null,
      found.clearName ?? null,
      found.clearSha256 ?? null,
      found.signedBy ?? null,
      found.reason ?? null,
      found.words?.slice(0, WORDS_MAX) ?? null,
    ],
  )
  const { rows } = await client.query<Row>(
    `select ${columns} from clearing_fetch where source = $1 and name = $2 and sha256 = $3`,
    [found.source, found.name, found.sha256],
  )
  return fetchOf(rows[0] as Row)
}

/** Notes what the receiver of a fetched file made of it. */
export async function endFetch(
  client: Queryable,
  id: number,
  end: { readonly state: 'handed' | 'refused'; readonly words: string; readonly reason?: string },
): Promise<void> {
  await client.query(
    `update clearing_fetch set state = $2, words = $3, reason = $4, ended_at = clock_timestamp() where id = $1`,
    [id, end.state, end.words.slice(0, WORDS_MAX), end.reason ?? null],
  )
}

/** Files of a source by name, to tell those that are known. */
export async function knownFetches(client: Queryable, source: string, names: readonly string[]): Promise<Fetch[]> {
  const { rows } = await client.query<Row>(
    `select ${columns} from clearing_fetch where source = $1 and name = any ($2) order by id`,
    [source, names],
  )
  return rows.map(fetchOf)
}

/** What was found, the newest first. */
export async function listFetches(
  client: Queryable,
  filter: { readonly state?: FetchState; readonly beforeId?: number; readonly limit: number },
): Promise<Fetch[]> {
  const { rows } = await client.query<Row>(
    `select ${columns} from clearing_fetch where ($1::text is null or state = $1) and ($2::bigint is null or id < $2)
     order by id desc limit $3`,
    [filter.state ?? null, filter.beforeId ?? null, filter.limit],
  )
  return rows.map(fetchOf)
}

function fetchOf(row: Row): Fetch {
  return {
    id: Number(row.id),
    source: row.source,
    name: row.name,
    bytes: Number(row.bytes),
    sha256: row.sha256,
    state: row.state,
    type: row.type ?? undefined,
    clearName: row.clear_name ?? undefined,
    clearSha256: row.clear_sha256 ?? undefined,
    reason: row.reason ?? undefined,
    words: row.words ?? undefined,
    atMs: row.at.getTime(),
  }
}
