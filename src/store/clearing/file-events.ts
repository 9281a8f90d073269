import type { Queryable } from '../access-pool.ts'

const EVENTS_MAX = 1_000

/** Something that happened to a file. */
export interface FileEvent {
  readonly id: number
  readonly atMs: number
  readonly actor: string
  readonly action: string
  /** States of the file before and after; undefined of what changed none. */
  readonly from: string | undefined
  readonly to: string | undefined
  readonly detail: Readonly<Record<string, unknown>>
}

/** Adds to a file's history what changes no state, such as an attempt to deliver it. */
export async function noteFileEvent(
  client: Queryable,
  fileId: number,
  event: {
    readonly action: string
    readonly actor: string
    readonly from?: string
    readonly to?: string
    readonly detail?: Readonly<Record<string, unknown>> | undefined
  },
): Promise<void> {
  await client.query(
    `insert into clearing_file_event (file_id, actor, action, from_state, to_state, detail) values ($1, $2, $3, $4, $5, $6)`,
    [fileId, event.actor, event.action, event.from ?? null, event.to ?? null, JSON.stringify(event.detail ?? {})],
  )
}

/** A file's history, oldest first. */
export async function fileEvents(client: Queryable, fileId: number): Promise<FileEvent[]> {
  const { rows } = await client.query<{
    id: string
    at: Date
    actor: string
    action: string
    from_state: string | null
    to_state: string | null
    detail: Record<string, unknown>
  }>(
    `select id, at, actor, action, from_state, to_state, detail from clearing_file_event where file_id = $1
     order by id limit ${EVENTS_MAX}`,
    [fileId],
  )
  return rows.map((row) => ({
    id: Number(row.id),
    atMs: row.at.getTime(),
    actor: row.actor,
    action: row.action,
    from: row.from_state ?? undefined,
    to: row.to_state ?? undefined,
    detail: row.detail,
  }))
}
