import { parseDate } from '../../src/calendar.ts'
import { type Batch, noRows } from '../../src/store/batch.ts'
import type { Commit, CommitOutcome, LanePosition } from '../../src/store/lane-journal.ts'

/** When the batches of tests are made. */
export const atMs = Date.UTC(2026, 10, 18, 9)

/** The next batch of a lane, with one command in it. */
export function batchAfter({ epoch, lastSeq, nextId }: LanePosition): Batch {
  return {
    lane: 0,
    seq: lastSeq + 1,
    epoch,
    firstId: nextId,
    nextId: nextId + 64,
    atMs,
    businessDate: parseDate('2026-11-18'),
    entitlementDate: parseDate('2026-11-18'),
    ...noRows,
    commands: [{ id: nextId, kind: 'test', householdId: undefined, authorizationId: undefined, detail: '{}' }],
  }
}

/** What became of a commit, with its hash. */
export async function ended({ hash, outcome }: Commit): Promise<CommitOutcome & { readonly hash: Buffer }> {
  return { ...(await outcome), hash }
}
