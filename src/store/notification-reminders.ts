import type { Client } from './connection.ts'
import { JOB_LANE } from './notification-outbox.ts'
import { inTransaction } from './transaction.ts'

/** What is about to lapse. */
export interface Lapsing {
  readonly programmeNumber: number
  /** Kind of the wallet's account, without its owner. */
  readonly walletKind: number
  readonly period: number
  /** The date whose term counts for the period, yyyymmdd. */
  readonly termDate: number
}

/** A household, and what it has of a wallet. */
export interface WalletHolder {
  readonly lane: number
  readonly householdId: number
  readonly members: number
  readonly classes: readonly string[]
  /** Undefined where the period was not touched yet. */
  readonly available: number | undefined
}

/**
 * Reminds the next households of a lane, in order of their numbers: reads them, and writes to the outbox in the same
 * transaction what they are told and how far it got.
 * @param tell the values of the template; undefined when a household is told nothing
 * @returns how many households were looked at, and how many are told; undefined when the lane is done
 */
export async function remindSome(
  client: Client,
  lane: number,
  lapsing: Lapsing,
  template: string,
  limit: number,
  nowMs: number,
  tell: (holder: WalletHolder) => Readonly<Record<string, unknown>> | undefined,
): Promise<{ readonly looked: number; readonly told: number } | undefined> {
  const { programmeNumber, period } = lapsing
  return inTransaction(client, async () => {
    const key = [programmeNumber, period, lane]
    // Held to the end: ids of this lane of the outbox become visible in their order.
    await client.query("select pg_advisory_xact_lock(hashtext('notification'), $1)", [JOB_LANE])
    await client.query(
      `insert into notification_reminder (programme, period, lane, last_household) values ($1, $2, $3, 0)
       on conflict do nothing`,
      key,
    )
    const state = await client.query<{ last_household: string; done: boolean }>(
      'select last_household, done from notification_reminder where programme = $1 and period = $2 and lane = $3',
      key,
    )
    const { last_household: last, done } = state.rows[0] ?? { last_household: '0', done: true }
    if (done) return undefined
    const holders = await readHolders(client, lane, lapsing, last, limit)
    const told = holders.flatMap((holder) => {
      const detail = tell(holder)
      return detail === undefined ? [] : [{ householdId: holder.householdId, detail: JSON.stringify(detail) }]
    })
    await client.query(
      `insert into notification (lane, household_id, template, detail, batch_seq, created_at)
       select $1, u.household_id, $2, u.detail::jsonb, 0, $3 from unnest($4::bigint[], $5::text[]) u(household_id, detail)`,
      [
        JOB_LANE,
        template,
        new Date(nowMs),
        told.map(({ householdId }) => householdId),
        told.map(({ detail }) => detail),
      ],
    )
    await client.query(
      `update notification_reminder set last_household = $4, done = $5
       where programme = $1 and period = $2 and lane = $3`,
      [...key, holders.at(-1)?.householdId ?? last, holders.length < limit],
    )
    return { looked: holders.length, told: told.length }
  })
}

/** Lanes of the writer. */
export async function readLanes(client: Client): Promise<number[]> {
  const { rows } = await client.query<{ lane: number }>('select lane from lane order by lane')
  return rows.map(({ lane }) => lane)
}

/** Households with an active term, and what each has in the wallet. */
async function readHolders(
  client: Client,
  lane: number,
  { walletKind, period, termDate }: Lapsing,
  after: string,
  limit: number,
): Promise<WalletHolder[]> {
  const { rows } = await client.query<{
    id: string
    members: number
    status: string
    classes: string[]
    available: string | null
  }>(
    `select h.id, t.members, t.status, h.classes, b.posted - b.held as available
     from household h
     cross join lateral (
       select t.members, t.status from household_term t where t.lane = h.lane and t.household_id = h.id
       order by t.from_date <= $5 desc, case when t.from_date <= $5 then -t.from_date else t.from_date end limit 1) t
     left join balance b on b.lane = h.lane and b.household_id = h.id and b.period = $3
       and b.account = $4::bigint * 100000000000 + h.id
     where h.lane = $1 and h.id > $2 order by h.id limit $6`,
    [lane, after, period, walletKind, termDate, limit],
  )
  return rows.map(({ id, members, status, classes, available }) => ({
    lane,
    householdId: Number(id),
    members: status === 'active' ? members : 0,
    classes,
    available: available === null ? undefined : Number(available),
  }))
}
