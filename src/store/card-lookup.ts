import { byteaArray } from './binary-arrays.ts'
import { type Client, connect } from './connection.ts'

/** Finds the lanes of cards, over a connection of its own that is opened again when it was lost. */
export function cardLaneLookup(url: string): {
  lookup(panIndexes: readonly string[]): Promise<ReadonlyMap<string, number>>
  close(): Promise<void>
} {
  let client: Client | undefined
  return {
    async lookup(panIndexes) {
      client ??= await connect({
        url,
        name: 'mizan card directory',
        role: 'mizan_app',
        pointQueries: true,
        queryTimeoutMs: 2_000,
      })
      try {
        const { rows } = await client.query<{ pan_index: Buffer; lane: number }>({
          name: 'card_lanes',
          text: 'select pan_index, lane from card where pan_index = any ($1::bytea[])',
          values: [byteaArray(panIndexes)],
        })
        return new Map(rows.map((row) => [row.pan_index.toString('latin1'), row.lane]))
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
