import type { Client } from './connection.ts'
import { type TransactionPort, transactionPort } from './notification-outbox.ts'
import { inTransaction } from './transaction.ts'

/** States of a delivery; all but `waiting` are ends. */
export const deliveryStates = ['waiting', 'sent', 'failed', 'dead', 'suppressed'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** Which job is meant: one of an earlier turn has nothing to do any more. */
export interface DeliveryTurn {
  readonly id: number
  readonly turn: number
}

/** A message whose turn has come. */
export interface DueDelivery extends DeliveryTurn {
  readonly lane: number
  readonly householdId: number
  readonly template: string
  readonly detail: Readonly<Record<string, unknown>>
  readonly createdAtMs: number
  readonly attempts: number
  readonly resends: number
  readonly optOuts: readonly string[]
  readonly language: 'ar' | 'en' | undefined
  readonly digits: 'arab' | 'latn' | undefined
  /** Unimportant messages that the household got since the beginning of its hour. */
  readonly recent: number
}

/** What came of a message's turn. */
export interface DeliveryOutcome {
  readonly due: DeliveryTurn
  readonly state: DeliveryState
  readonly reason?: string
  /** Whether a sending was begun. */
  readonly attempted: boolean
  /** When it ended, or when it is tried again. */
  readonly atMs: number
  readonly providerReference?: string
  /** SHA-256 of the text. */
  readonly textHash?: Buffer
  readonly parts?: number
  /** Never holds a number or a text. */
  readonly error?: string
}

/**
 * Reads the messages of jobs; those whose turn is over are left out.
 * @param sinceMs beginning of the time over which `recent` is counted
 */
export async function readDue(client: Client, jobs: readonly DeliveryTurn[], sinceMs: number): Promise<DueDelivery[]> {
  const { rows } = await client.query<{
    id: string
    turn: number
    lane: number
    household_id: string
    template: string
    detail: Record<string, unknown>
    created_at: Date
    attempts: number
    resends: number
    opt_outs: string[] | null
    language: DueDelivery['language'] | null
    digits: DueDelivery['digits'] | null
    recent: number
  }>({
    name: 'deliveries_due',
    text: `select d.id, d.turn, n.lane, d.household_id, d.template, n.detail, d.created_at, d.attempts, d.resends,
            p.opt_outs, p.language, p.digits,
            (select count(*)::integer from notification_delivery r where r.household_id = d.household_id
               and r.ended_at > $3 and r.state = 'sent' and not r.important) as recent
     from unnest($1::bigint[], $2::integer[]) j(id, turn)
     join notification_delivery d on d.id = j.id and d.turn = j.turn and d.state = 'waiting'
     join notification n on n.id = d.id
     left join notification_preference p on p.household_id = d.household_id
     order by d.important desc, d.id`,
    values: [jobs.map(({ id }) => id), jobs.map(({ turn }) => turn), new Date(sinceMs)],
  })
  return rows.map((row) => ({
    id: Number(row.id),
    turn: row.turn,
    lane: row.lane,
    householdId: Number(row.household_id),
    template: row.template,
    detail: row.detail,
    createdAtMs: row.created_at.getTime(),
    attempts: row.attempts,
    resends: row.resends,
    optOuts: row.opt_outs ?? [],
    language: row.language ?? undefined,
    digits: row.digits ?? undefined,
    recent: row.recent,
  }))
}

/**
 * Writes down what came of messages, and makes the jobs of those that wait again, in one transaction.
 * @param enqueue gets the next turns
 */
export async function recordOutcomes(
  client: Client,
  outcomes: readonly DeliveryOutcome[],
  enqueue: (
    waiting: readonly (DeliveryTurn & { important: boolean; atMs: number })[],
    port: TransactionPort,
  ) => Promise<void>,
): Promise<void> {
  if (outcomes.length === 0) return
  await inTransaction(client, async () => {
    const { rows } = await client.query<{ id: string; turn: number; important: boolean; next_at: Date | null }>({
      name: 'delivery_outcomes',
      text: `update notification_delivery d set
         state = u.state, reason = u.reason, attempts = d.attempts + u.attempted::integer,
         turn = d.turn + (u.state = 'waiting')::integer,
         next_at = case u.state when 'waiting' then u.at end,
         ended_at = case when u.state <> 'waiting' then u.at end,
         provider_reference = u.provider_reference, error = u.error,
         text_hash = coalesce(u.text_hash, d.text_hash), parts = coalesce(u.parts, d.parts)
       from unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::boolean[], $6::timestamptz[], $7::text[],
                   $8::bytea[], $9::smallint[], $10::text[])
         u(id, turn, state, reason, attempted, at, provider_reference, text_hash, parts, error)
       where d.id = u.id and d.turn = u.turn and d.state = 'waiting'
       returning d.id, d.turn, d.important, d.next_at`,
      values: [
        outcomes.map(({ due }) => due.id),
        outcomes.map(({ due }) => due.turn),
        outcomes.map(({ state }) => state),
        outcomes.map(({ reason }) => reason ?? null),
        outcomes.map(({ attempted }) => attempted),
        outcomes.map(({ atMs }) => new Date(atMs)),
        outcomes.map(({ providerReference }) => providerReference?.slice(0, REFERENCE_MAX) ?? null),
        outcomes.map(({ textHash }) => textHash ?? null),
        outcomes.map(({ parts }) => parts ?? null),
        outcomes.map(({ error }) => error?.slice(0, ERROR_MAX) ?? null),
      ],
    })
    const waiting = rows.flatMap(({ id, turn, important, next_at: nextAt }) =>
      nextAt === null ? [] : [{ id: Number(id), turn, important, atMs: nextAt.getTime() }],
    )
    if (waiting.length > 0) await enqueue(waiting, transactionPort(client))
  })
}

const REFERENCE_MAX = 128
const ERROR_MAX = 300

/** Ends messages that wait although their jobs are given up, such as those that cost the process its life. */
export async function endAbandoned(client: Client, jobs: readonly DeliveryTurn[], nowMs: number): Promise<number> {
  const { rowCount } = await client.query(
    `update notification_delivery d set state = 'dead', reason = 'job-given-up', next_at = null, ended_at = $3
     from unnest($1::bigint[], $2::integer[]) j(id, turn)
     where d.id = j.id and d.turn = j.turn and d.state = 'waiting'`,
    [jobs.map(({ id }) => id), jobs.map(({ turn }) => turn), new Date(nowMs)],
  )
  return rowCount ?? 0
}

/** What waits, or a part of it. */
export interface DeliveryBacklog {
  readonly waiting: number
  readonly oldestAtMs?: number | undefined
  /** The last message of it; undefined when it is empty. */
  readonly last?: WaitingPlace | undefined
}

/** Where a message stands among those that wait, the oldest first. */
export interface WaitingPlace {
  /** As the database writes it: a Date has not all of its digits. */
  readonly createdAt: string
  readonly id: string
}

/** Counts what waits behind a message, or from the oldest on, up to a limit. */
export async function readBacklog(
  client: Client,
  after: WaitingPlace | undefined,
  limit: number,
): Promise<DeliveryBacklog> {
  const { rows } = await client.query<{
    waiting: number
    oldest: Date | null
    newest: string | null
    id: string | null
  }>({
    name: 'delivery_backlog',
    text: `with part as (
       select created_at, id from notification_delivery
       where state = 'waiting' and (created_at, id) > ($1::timestamptz, $2::bigint) order by created_at, id limit $3)
     select count(*)::integer as waiting, min(created_at) as oldest, max(created_at)::text as newest,
            (select max(id) from part where created_at = (select max(created_at) from part)) as id
     from part`,
    values: [after?.createdAt ?? '-infinity', after?.id ?? 0, limit],
  })
  const [row] = rows
  const last = row?.newest == null || row.id === null ? undefined : { createdAt: row.newest, id: row.id }
  return { waiting: row?.waiting ?? 0, oldestAtMs: row?.oldest?.getTime(), last }
}

/** Deletes deliveries that ended before a time, with their rows of the outbox, a bounded number at once. */
export async function purgeNotifications(client: Client, beforeMs: number, limit: number): Promise<number> {
  const { rows } = await client.query<{ gone: number }>('select purge_notifications($1, $2) as gone', [
    new Date(beforeMs),
    limit,
  ])
  return rows[0]?.gone ?? 0
}
