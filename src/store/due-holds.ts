import { type Client, connect } from './connection.ts'

/** Finds open holds past their time over a connection of its own. */
export function dueHoldQuery(url: string): {
  query(
    afterMs: number,
    untilMs: number,
    limit: number,
  ): Promise<{ holdId: number; panIndex: string; lane: number; expiresAtMs: number }[]>
  close(): Promise<void>
} {
  let client: Client | undefined
  return {
    async query(afterMs, untilMs, limit) {
      client ??= await connect({ url, name: 'mizan hold sweep', role: 'mizan_app', queryTimeoutMs: 15_000 })
      try {
        const { rows } = await client.query<{ id: string; lane: number; pan_index: Buffer; expires_at: Date }>(
          `select o.id, o.lane, o.expires_at, c.pan_index
           from hold o
           cross join lateral (select c.pan_index from card c
             where c.lane = o.lane and c.household_id = o.household_id order by c.id limit 1) c
           where o.expires_at > $1 and o.expires_at <= $2
             and not exists (select from hold_event e where e.lane = o.lane and e.id = o.id and e.ending is not null)
           order by o.expires_at limit $3`,
          [new Date(afterMs), new Date(untilMs), limit],
        )
        return rows.map((row) => ({
          holdId: Number(row.id),
          lane: row.lane,
          panIndex: row.pan_index.toString('latin1'),
          expiresAtMs: row.expires_at.getTime(),
        }))
      } catch (error) {
        client.end().catch(() => undefined)
        client = undefined
        throw error
      }
    },
    async close() {
      await client?.end().catch(() => undefined)
    },
  }
}
