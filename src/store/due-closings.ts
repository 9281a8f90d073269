import { type Client, connect } from './connection.ts'

/** Finds households whose past months are not closed, over a connection of its own. */
export function dueClosingQuery(url: string): {
  due(
    lane: number,
    untilMonth: number,
    afterHousehold: number,
    limit: number,
  ): Promise<{ lane: number; householdId: number; panIndex: string | undefined }[]>
  count(lane: number, untilMonth: number): Promise<number>
  close(): Promise<void>
} {
  let client: Client | undefined
  const query = async <T extends object>(text: string, values: unknown[]): Promise<T[]> => {
    client ??= await connect({ url, name: 'mizan calendar', role: 'mizan_app', queryTimeoutMs: 15_000 })
    try {
      return (await client.query<T>(text, values)).rows
    } catch (error) {
      client.end().catch(() => undefined)
      client = undefined
      throw error
    }
  }
  return {
    async due(lane, untilMonth, afterHousehold, limit) {
      const rows = await query<{ id: string; pan_index: Buffer | null }>(
        `select h.id, c.pan_index
         from household h
         left join lateral (select c.pan_index from card c
           where c.lane = h.lane and c.household_id = h.id order by c.id limit 1) c on true
         where h.lane = $1 and h.id > $3 and h.closed_month < $2 order by h.id limit $4`,
        [lane, untilMonth, afterHousehold, limit],
      )
      return rows.map((row) => ({
        lane,
        householdId: Number(row.id),
        panIndex: row.pan_index?.toString('latin1'),
      }))
    },
    async count(lane, untilMonth) {
      const [row] = await query<{ count: string }>(
        'select count(*) from household where lane = $1 and closed_month < $2',
        [lane, untilMonth],
      )
      return Number(row?.count ?? 0)
    },
    async close() {
      await client?.end().catch(() => undefined)
    },
  }
}
