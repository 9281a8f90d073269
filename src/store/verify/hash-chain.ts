import { batchHash } from '../batch-hash.ts'
import type { Client } from '../connection.ts'
import { EXAMPLES_MAX, type LedgerCheck } from './check.ts'
import { readBatches } from './journal-reader.ts'

const GENESIS = Buffer.alloc(32)

/**
 * Invariant 7: recomputes each batch's hash from its rows and the stored hash before it, so that a changed row shows at
 * its own batch and not at every later one. Rows that name no batch at all are outside the chain and reported too.
 */
export const hashChainCheck: LedgerCheck = {
  name: 'hash-chain',
  holds: 'the rows of every batch give the hash that was stored with it',
  lookFurther: 'The journal was changed after it was written: compare the batch with a backup or a replica.',
  async run(client) {
    const { rows: lanes } = await client.query<{ lane: number }>('select distinct lane from batch order by lane')
    const examples: string[] = []
    const heads: string[] = []
    let checked = 0
    let violations = 0
    const report = (count: number, what: string) => {
      violations += count
      if (examples.length < EXAMPLES_MAX) examples.push(what)
    }
    for (const { lane } of lanes) {
      let previous: Buffer = GENESIS
      for await (const { content, storedHash, disagreements } of readBatches(client, lane)) {
        checked++
        const intact = disagreements === 0 && batchHash(previous, content).equals(storedHash)
        if (!intact) report(1, `lane ${lane} batch ${content.seq} of ${new Date(content.atMs).toISOString()}`)
        previous = storedHash
      }
      heads.push(`lane ${lane} ${previous.toString('hex').slice(0, 16)}`)
    }
    for (const { name, rows } of await strayRows(client)) report(rows, `${rows} row(s) of ${name} name no batch`)
    return { checked, violations, examples, note: `heads: ${heads.join(', ') || 'none yet'}` }
  },
}

async function strayRows(client: Client): Promise<{ name: string; rows: number }[]> {
  const tables = ['authorization_journal', 'command_journal', 'transfer', 'hold', 'hold_event']
  const text = tables
    .map(
      (table) => `select '${table}' as name, count(*)::integer as rows from ${table} t
        where not exists (select from batch b where b.lane = t.lane and b.seq = t.batch_seq)`,
    )
    .join(' union all ')
  const { rows } = await client.query<{ name: string; rows: number }>(text)
  return rows.filter((row) => row.rows > 0)
}
