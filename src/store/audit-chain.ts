import { createHash } from 'node:crypto'
import type { Client } from './connection.ts'

/** What a verification of the audit found. */
export interface AuditVerification {
  readonly ok: boolean
  /** Events that were read. */
  readonly events: number
  /** The first thing that is wrong, in words; empty when nothing is. */
  readonly detail: string
}

interface ChainRow {
  readonly id: string
  readonly texts: string[]
  readonly hash: Buffer
}

const CHUNK = 1_000
const NO_HASH = Buffer.alloc(32)

/**
 * Computes the hash of every event again and compares it, each with the one before it, and the last with what
 * `audit_head` holds: an event that was changed, taken out, put in or cut off shows. Reads in chunks.
 * @param onProgress called with the number of events so far
 */
export async function verifyAudit(client: Client, onProgress?: (events: number) => void): Promise<AuditVerification> {
  await client.query('begin isolation level repeatable read read only')
  try {
    return await verifyChain(client, onProgress)
  } finally {
    await client.query('rollback')
  }
}

async function verifyChain(client: Client, onProgress?: (events: number) => void): Promise<AuditVerification> {
  let lastId = 0
  let lastHash: Buffer = NO_HASH
  for (;;) {
    const { rows } = await client.query<ChainRow>(
      'select e.id, audit_texts(e) as texts, e.hash from audit_event e where e.id > $1 order by e.id limit $2',
      [lastId, CHUNK],
    )
    for (const row of rows) {
      const id = Number(row.id)
      if (id !== lastId + 1) return broken(lastId, `event ${lastId + 1} is missing`)
      lastHash = hashOf(lastHash, row.texts)
      if (!lastHash.equals(row.hash)) return broken(lastId, `event ${id}, or one before it, was changed`)
      lastId = id
    }
    onProgress?.(lastId)
    if (rows.length < CHUNK) break
  }
  const head = await client.query<{ last_id: string; last_hash: Buffer }>('select last_id, last_hash from audit_head')
  const [row] = head.rows
  if (row === undefined || Number(row.last_id) !== lastId) {
    return broken(lastId, `there were ${row?.last_id ?? 'other'} events, and ${lastId} are left`)
  }
  if (!lastHash.equals(row.last_hash)) return broken(lastId, 'the last event is not the one that was noted last')
  return { ok: true, events: lastId, detail: '' }
}

function broken(events: number, detail: string): AuditVerification {
  return { ok: false, events, detail }
}

/** As `chain_audit_event` of schemas/sql/0008-access.sql computes it. */
function hashOf(before: Buffer, texts: readonly string[]): Buffer {
  const hash = createHash('sha256').update(before)
  for (const text of texts) {
    const bytes = Buffer.from(text, 'utf8')
    hash.update(`${bytes.length}:`).update(bytes)
  }
  return hash.digest()
}
