import { parseDate } from '../calendar.ts'
import type { LanePosition } from './lane-journal.ts'

/** A row of `take_lane`. */
export interface PositionRow {
  readonly epoch: string
  readonly last_seq: string
  readonly last_hash: Buffer
  readonly next_id: string
  readonly open_date: string
}

/** Where a lane stands, as the database says it. */
export function positionOf(row: PositionRow): LanePosition {
  return {
    epoch: Number(row.epoch),
    lastSeq: Number(row.last_seq),
    lastHash: row.last_hash,
    nextId: Number(row.next_id),
    openDate: parseDate(row.open_date),
  }
}
