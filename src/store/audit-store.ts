import type { Queryable } from './access-pool.ts'

/** How something ended that is worth noting. */
export type AuditOutcome = 'done' | 'accepted' | 'looked' | 'denied' | 'refused' | 'failed'

/** Something that was done or looked at. */
export interface AuditEvent {
  /** `user:NAME`, `key:ID`, `system:USER` or `nobody`. */
  readonly actor: string
  /** Address that it came from; `local` on the command line. */
  readonly source: string
  /** Identifies the request in the answer and the log; empty on the command line. */
  readonly requestId: string
  /** Method and route, or the command. */
  readonly action: string
  readonly outcome: AuditOutcome
  /** Households that were looked at or changed, 1,000 at most. */
  readonly households?: readonly number[]
  /** What else is worth knowing, 16 KB of JSON at most; never a card number, name, national ID or secret. */
  readonly detail?: Readonly<Record<string, unknown>>
}

/** An event as it stands in the audit. */
export interface StoredAuditEvent extends Required<AuditEvent> {
  readonly id: number
  readonly atMs: number
}

/** Which events to list; what is absent does not matter. */
export interface AuditFilter {
  readonly householdId?: number
  readonly actor?: string
  readonly action?: string
  readonly fromMs?: number
  readonly toMs?: number
  /** Only events before this one. */
  readonly beforeId?: number
  readonly limit: number
}

interface EventRow {
  readonly id: string
  readonly at: Date
  readonly actor: string
  readonly source: string
  readonly request_id: string
  readonly action: string
  readonly outcome: AuditOutcome
  readonly households: string[]
  readonly detail: Record<string, unknown>
}

const HOUSEHOLDS_MAX = 1_000

/**
 * Notes an event in the audit. Events come one after another, so this belongs at the end of a transaction, after all
 * other locks: whoever else notes something waits for its commit.
 */
export async function noteAudit(client: Queryable, event: AuditEvent): Promise<void> {
  const households = [...new Set(event.households ?? [])].slice(0, HOUSEHOLDS_MAX)
  await client.query(
    `insert into audit_event (actor, source, request_id, action, outcome, households, detail)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [
      event.actor,
      event.source.slice(0, 64),
      event.requestId.slice(0, 64),
      event.action.slice(0, 128),
      event.outcome,
      households,
      JSON.stringify(event.detail ?? {}),
    ],
  )
}

/** Lists events, the newest first. */
export async function listAudit(client: Queryable, filter: AuditFilter): Promise<StoredAuditEvent[]> {
  const { rows } = await client.query<EventRow>(
    `select id, at, actor, source, request_id, action, outcome, households, detail from audit_event
     where ($1::bigint is null or households @> array[$1::bigint]) and ($2::text is null or actor = $2)
       and ($3::text is null or action = $3) and ($4::timestamptz is null or at >= $4)
       and ($5::timestamptz is null or at < $5) and ($6::bigint is null or id < $6)
     order by id desc limit $7`,
    [
      filter.householdId ?? null,
      filter.actor ?? null,
      filter.action ?? null,
      dateOf(filter.fromMs),
      dateOf(filter.toMs),
      filter.beforeId ?? null,
      filter.limit,
    ],
  )
  return rows.map((row) => ({
    id: Number(row.id),
    atMs: row.at.getTime(),
    actor: row.actor,
    source: row.source,
    requestId: row.request_id,
    action: row.action,
    outcome: row.outcome,
    households: row.households.map(Number),
    detail: row.detail,
  }))
}

function dateOf(ms: number | undefined): Date | null {
  return ms === undefined ? null : new Date(ms)
}
