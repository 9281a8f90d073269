import type { Queryable } from '../access-pool.ts'

/** How delivery stands, for metrics. */
export interface DeliveryStanding {
  readonly waiting: number
  readonly failed: number
  /** Creation of the oldest file that is released and not delivered. */
  readonly oldestUndeliveredMs: number | undefined
  readonly acknowledgementsOverdue: number
  readonly fetchedWaiting: number
  readonly fetchesRefused: number
  /** End of the certificate in use that ends first, where no newer one follows. */
  readonly firstExpiryMs: number | undefined
}

/** Reads how delivery stands. @param nowMs milliseconds since 1970 UTC */
export async function deliveryStanding(client: Queryable, nowMs: number): Promise<DeliveryStanding> {
  const { rows } = await client.query<{
    waiting: string
    failed: string
    oldest: Date | null
    overdue: string
    fetched: string
    refused: string
    expiry: Date | null
  }>(
    `select
       (select count(*) from clearing_delivery where state = 'waiting') as waiting,
       (select count(*) from clearing_delivery where state = 'failed') as failed,
       (select min(created_at) from clearing_delivery where state in ('waiting', 'failed')) as oldest,
       (select count(*) from clearing_delivery d where d.state = 'delivered' and d.acknowledge_by < $1
          and not exists (select from clearing_acknowledgement a where a.file_id = d.file_id and a.set_aside_at is null)) as overdue,
       (select count(*) from clearing_fetch where state = 'fetched') as fetched,
       (select count(*) from clearing_fetch where state = 'refused') as refused,
       (select min(last) from (select max(valid_to) as last from clearing_key where status = 'active'
          group by owner, purpose) k) as expiry`,
    [new Date(nowMs)],
  )
  const row = rows[0]
  return {
    waiting: Number(row?.waiting ?? 0),
    failed: Number(row?.failed ?? 0),
    oldestUndeliveredMs: row?.oldest?.getTime(),
    acknowledgementsOverdue: Number(row?.overdue ?? 0),
    fetchedWaiting: Number(row?.fetched ?? 0),
    fetchesRefused: Number(row?.refused ?? 0),
    firstExpiryMs: row?.expiry?.getTime(),
  }
}

const DELIVERY_LOCK = 7_364_321

/**
 * Takes the right to deliver and to fetch; one connection has it, until it ends or gives it back.
 * @returns whether nobody else had it
 */
export async function takeDeliveryLock(client: Queryable): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>(`select pg_try_advisory_lock(${DELIVERY_LOCK}) as taken`)
  return rows[0]?.taken === true
}

export async function giveDeliveryLock(client: Queryable): Promise<void> {
  await client.query(`select pg_advisory_unlock(${DELIVERY_LOCK})`)
}
