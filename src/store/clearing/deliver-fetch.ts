import type { Queryable } from '../access-pool.ts'

export const fetchStates = ['fetched', 'handed', 'refused'] as const
export type FetchState = (typeof fetchStates)[number]

/** A file that was found at a partner's place. */
export interface Fetch {
  readonly id: number
  readonly source: string
  readonly name: string
  readonly bytes: number
  /** Undefined of what was not fetched, because it is too large. */
  readonly sha256: Buffer | undefined
  /** When it was last written there, by the clock there. */
  readonly modifiedAtMs: number | undefined
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
  readonly sha256: Buffer | null
  readonly modified_at: Date | null
  readonly state: FetchState
  readonly type: string | null
  readonly clear_name: string | null
  readonly clear_sha256: Buffer | null
  readonly reason: string | null
  readonly words: string | null
  readonly at: Date
}

const columns = 'id, source, name, bytes, sha256, modified_at, state, type, clear_name, clear_sha256, reason, words, at'
const WORDS_MAX = 500

/** What is new of a file that was fetched or refused. */
export interface NewFetch {
  readonly source: string
  readonly name: string
  readonly bytes: number
  readonly sha256?: Buffer
  readonly modifiedAtMs: number | undefined
  readonly state: 'fetched' | 'refused'
  readonly type?: string
  readonly clearName?: string
  readonly clearSha256?: Buffer
  readonly signedBy?: number
  readonly reason?: string
  readonly words?: string
}

/**
 * Notes a file that was found. One that was refused before is as it is found now; one that was taken stays as it was,
 * and only when it was seen is new.
 * @returns it, as it stands
 */
export async function saveFetch(client: Queryable, found: NewFetch): Promise<Fetch> {
  const modifiedAt = found.modifiedAtMs === undefined ? null : new Date(found.modifiedAtMs)
  const { rows } = await client.query<Row>(
    `insert into clearing_fetch as f (source, name, bytes, sha256, modified_at, state, type, clear_name, clear_sha256,
       signed_by, reason, words, ended_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, case when $6 = 'refused' then clock_timestamp() end)
     on conflict (source, name, sha256) do update set (bytes, modified_at, seen_at, state, type, clear_name, clear_sha256,
       signed_by, reason, words, ended_at) = (excluded.bytes, excluded.modified_at, clock_timestamp(), excluded.state,
       excluded.type, excluded.clear_name, excluded.clear_sha256, excluded.signed_by, excluded.reason, excluded.words,
       excluded.ended_at)
     where f.state = 'refused' returning ${columns}`,
    [
      found.source,
      found.name,
      found.bytes,
      found.sha256 ?? null,
      modifiedAt,
      found.state,
      found.type ?? null,
      found.clearName ?? null,
      found.clearSha256 ?? null,
      found.signedBy ?? null,
      found.reason ?? null,
      found.words?.slice(0, WORDS_MAX) ?? null,
    ],
  )
  const [row] = rows
  if (row !== undefined) return fetchOf(row)
  const { rows: seen } = await client.query<Row>(
    `update clearing_fetch set modified_at = $4, seen_at = clock_timestamp()
     where source = $1 and name = $2 and sha256 = $3 returning ${columns}`,
    [found.source, found.name, found.sha256, modifiedAt],
  )
  return fetchOf(seen[0] as Row)
}

/** A file of a source by its name and bytes. */
export async function findFetch(
  client: Queryable,
  { source, name, sha256 }: Pick<NewFetch, 'source' | 'name' | 'sha256'>,
): Promise<Fetch | undefined> {
  const { rows } = await client.query<Row>(
    `select ${columns} from clearing_fetch where source = $1 and name = $2 and sha256 = $3`,
    [source, name, sha256],
  )
  return rows[0] === undefined ? undefined : fetchOf(rows[0])
}

/** The first file of a source that was taken and has this in it, whatever its name and however it was encrypted. */
export async function findContent(client: Queryable, source: string, clearSha256: Buffer): Promise<Fetch | undefined> {
  const { rows } = await client.query<Row>(
    `select ${columns} from clearing_fetch
     where source = $1 and clear_sha256 = $2 and state in ('fetched', 'handed') order by id limit 1`,
    [source, clearSha256],
  )
  return rows[0] === undefined ? undefined : fetchOf(rows[0])
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

/** Files of a source by name, each as it was last seen, to tell those that are known. */
export async function knownFetches(client: Queryable, source: string, names: readonly string[]): Promise<Fetch[]> {
  const { rows } = await client.query<Row>(
    `select distinct on (name) ${columns} from clearing_fetch where source = $1 and name = any ($2)
     order by name, seen_at desc, id desc`,
    [source, names],
  )
  return rows.map(fetchOf)
}

const WAITING_MAX = 10_000

/** Files of a source that are here and wait for who takes them, oldest first. */
export async function waitingFetches(client: Queryable, source: string): Promise<Fetch[]> {
  const { rows } = await client.query<Row>(
    `select ${columns} from clearing_fetch where source = $1 and state = 'fetched' order by id limit ${WAITING_MAX}`,
    [source],
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
    sha256: row.sha256 ?? undefined,
    modifiedAtMs: row.modified_at?.getTime(),
    state: row.state,
    type: row.type ?? undefined,
    clearName: row.clear_name ?? undefined,
    clearSha256: row.clear_sha256 ?? undefined,
    reason: row.reason ?? undefined,
    words: row.words ?? undefined,
    atMs: row.at.getTime(),
  }
}
