import type { Client } from './connection.ts'
import { inTransaction } from './transaction.ts'

/** Where jobs put what they tell: beyond the lanes of the writer. */
export const JOB_LANE = 64

/** A row of the outbox that nobody has looked at yet. */
export interface OutboxRow {
  readonly id: number
  readonly householdId: number
  readonly template: string
  readonly createdAtMs: number
  /** Groups of templates that the household does not want. */
  readonly optOuts: readonly string[]
}

/** What becomes of a row of the outbox. */
export interface Dispatched {
  readonly row: OutboxRow
  readonly group: string
  readonly important: boolean
  readonly state: 'waiting' | 'suppressed' | 'failed'
  readonly reason: string | undefined
  /** When it may go, for one that waits. */
  readonly nextAtMs: number
}

/** Statements within the transaction of whoever calls, in the form that the queue's package wants. */
export interface TransactionPort {
  executeSql(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/**
 * Lanes whose outbox holds rows that nobody has looked at. One step into the index for each lane: compared and ordered
 * as a pair, lane and id can be read from that index alone, where a condition on each made the planner read every
 * notification.
 */
export async function lanesWithNews(client: Client): Promise<number[]> {
  const { rows } = await client.query<{ lane: number }>(
    `select l.lane from (select lane from lane union all select ${JOB_LANE}) l
     left join notification_position p on p.lane = l.lane
     cross join lateral (
       select n.lane from notification n where (n.lane, n.id) > (l.lane, coalesce(p.last_id, 0))
       order by n.lane, n.id limit 1) n
     where n.lane = l.lane order by l.lane`,
  )
  return rows.map(({ lane }) => lane)
}

/**
 * Takes the next rows of a lane's outbox in order: writes down what becomes of each, makes the jobs of those that wait,
 * and moves the lane's position, all in one transaction. So each row is taken once, whatever dies in between. It does
 * not wait for the disk, which the lanes want: a server that dies may have the last rows taken again, as if they never
 * had been, and whatever is written down of a message afterwards makes this durable too.
 * @param decide says what becomes of the rows
 * @param enqueue makes the jobs through the transaction
 * @returns what was done; nothing when another process is at this lane
 */
export async function takeFromOutbox(
  client: Client,
  lane: number,
  limit: number,
  decide: (rows: readonly OutboxRow[]) => readonly Dispatched[],
  enqueue: (waiting: readonly Dispatched[], port: TransactionPort) => Promise<void>,
): Promise<readonly Dispatched[]> {
  const take = async () => {
    const lastId = await lockPosition(client, lane)
    if (lastId === undefined) return []
    const rows = await readOutbox(client, lane, lastId, limit)
    const newest = rows.at(-1)
    if (newest === undefined) return []
    const dispatched = decide(rows)
    await insertDeliveries(client, dispatched)
    const waiting = dispatched.filter(({ state }) => state === 'waiting')
    if (waiting.length > 0) await enqueue(waiting, transactionPort(client))
    await client.query('update notification_position set last_id = $2 where lane = $1', [lane, newest.id])
    return dispatched
  }
  return inTransaction(client, take, 'begin; set local synchronous_commit = off')
}

/** The last id that was taken of a lane, for us alone; undefined when another process is at this lane. */
async function lockPosition(client: Client, lane: number): Promise<string | undefined> {
  const { rows } = await client.query<{ last_id: string }>(
    'select last_id from notification_position where lane = $1 for update skip locked',
    [lane],
  )
  if (rows[0] !== undefined) return rows[0].last_id
  const first = await client.query(
    'insert into notification_position (lane, last_id) values ($1, 0) on conflict do nothing',
    [lane],
  )
  return first.rowCount === 1 ? '0' : undefined
}

/** The transaction that is open on a connection, for the queue's package. */
export function transactionPort(client: Client): TransactionPort {
  return { executeSql: (text, values) => client.query(text, values) }
}

async function readOutbox(client: Client, lane: number, after: string, limit: number): Promise<OutboxRow[]> {
  const { rows } = await client.query<{
    id: string
    household_id: string
    template: string
    created_at: Date
    opt_outs: string[] | null
  }>({
    name: 'outbox_rows',
    text: `select n.id, n.household_id, n.template, n.created_at, p.opt_outs
     from notification n left join notification_preference p on p.household_id = n.household_id
     where (n.lane, n.id) > ($1::smallint, $2::bigint) and n.lane <= $1 order by n.lane, n.id limit $3`,
    values: [lane, after, limit],
  })
  return rows.map((row) => ({
    id: Number(row.id),
    householdId: Number(row.household_id),
    template: row.template,
    createdAtMs: row.created_at.getTime(),
    optOuts: row.opt_outs ?? [],
  }))
}

async function insertDeliveries(client: Client, dispatched: readonly Dispatched[]): Promise<void> {
  const at = (ms: number) => new Date(ms)
  await client.query({
    name: 'outbox_deliveries',
    text: `insert into notification_delivery
       (id, household_id, template, template_group, important, state, reason, next_at, created_at, ended_at)
     select u.id, u.household_id, u.template, u.template_group, u.important, u.state, u.reason,
            case u.state when 'waiting' then u.at end, u.created_at, case when u.state <> 'waiting' then u.at end
     from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::text[],
                 $8::timestamptz[], $9::timestamptz[])
       u(id, household_id, template, template_group, important, state, reason, at, created_at)`,
    values: [
      dispatched.map(({ row }) => row.id),
      dispatched.map(({ row }) => row.householdId),
      dispatched.map(({ row }) => row.template),
      dispatched.map(({ group }) => group),
      dispatched.map(({ important }) => important),
      dispatched.map(({ state }) => state),
      dispatched.map(({ reason }) => reason ?? null),
      dispatched.map(({ nextAtMs }) => at(nextAtMs)),
      dispatched.map(({ row }) => at(row.createdAtMs)),
    ],
  })
}
