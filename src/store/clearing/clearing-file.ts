import { type CivilDate, parseDate } from '../../calendar.ts'

export const fileTypes = ['CTF', 'ITF', 'SUB', 'OUT', 'MAN', 'PAY', 'NET', 'ACK', 'STM', 'STS', 'RET'] as const
export type FileType = (typeof fileTypes)[number]

/**
 * States of a clearing file. Out: its items are `selected`, it is `written`, `signed`, `released` by two people,
 * `delivered`, and `acknowledged` or `rejected` by the receiver; `superseded` by a correction. In: `received`, and
 * `processed` or `rejected` by us.
 */
export const fileStates = [
  'selected',
  'written',
  'signed',
  'released',
  'delivered',
  'acknowledged',
  'rejected',
  'superseded',
  'received',
  'processed',
] as const
export type FileState = (typeof fileStates)[number]

/** What tells one file from all others. */
export interface FileKey {
  readonly direction: 'out' | 'in'
  readonly type: FileType
  /** Capital letters and digits, and behind a hyphen a part of it, such as a programme: `NBE-01`. */
  readonly institution: string
  readonly businessDate: CivilDate
  /** 1 to 99; days have one cycle unless a part of the room has more. */
  readonly cycle: number
  /** 1, and one more for each correction. */
  readonly sequence: number
}

/** What a file holds, known when it is written or received. */
export interface FileContent {
  readonly bytes: number
  readonly sha256: Buffer
  readonly records: number
  readonly items: number
  readonly grossPiasters: bigint
  /** What else its trailer says. */
  readonly totals: Readonly<Record<string, unknown>>
  /** Of a manifest: the hash of the one before it. */
  readonly previousSha256?: Buffer
}

export interface ClearingFile extends FileKey {
  readonly id: number
  readonly name: string
  /** Relative to the clearing folder. */
  readonly path: string
  readonly state: FileState
  /** Undefined until it is written. */
  readonly bytes: number | undefined
  readonly sha256: Buffer | undefined
  readonly records: number | undefined
  readonly items: number
  readonly grossPiasters: bigint
  readonly totals: Readonly<Record<string, unknown>>
  readonly previousSha256: Buffer | undefined
  /** The file that this one corrects. */
  readonly correctsId: number | undefined
  readonly createdAtMs: number
}

/** How a file stands in the register. */
export interface FileRow {
  readonly id: string
  readonly direction: 'out' | 'in'
  readonly type: FileType
  readonly institution: string
  readonly business_date: string
  readonly cycle: number
  readonly sequence: number
  readonly name: string
  readonly path: string
  readonly state: FileState
  readonly bytes: string | null
  readonly sha256: Buffer | null
  readonly records: string | null
  readonly items: string
  readonly gross_piasters: string
  readonly totals: Record<string, unknown>
  readonly previous_sha256: Buffer | null
  readonly corrects_id: string | null
  readonly created_at: Date
}

/** What of the register makes a {@link FileRow}. */
export const fileColumns = `id, direction, type, institution, business_date, cycle, sequence, name, path, state, bytes, sha256, records,
  items, gross_piasters, totals, previous_sha256, corrects_id, created_at`

/** A file as its row tells it. */
export function fileOf(row: FileRow): ClearingFile {
  return {
    id: Number(row.id),
    direction: row.direction,
    type: row.type,
    institution: row.institution,
    businessDate: parseDate(row.business_date),
    cycle: row.cycle,
    sequence: row.sequence,
    name: row.name,
    path: row.path,
    state: row.state,
    bytes: row.bytes === null ? undefined : Number(row.bytes),
    sha256: row.sha256 ?? undefined,
    records: row.records === null ? undefined : Number(row.records),
    items: Number(row.items),
    grossPiasters: BigInt(row.gross_piasters),
    totals: row.totals,
    previousSha256: row.previous_sha256 ?? undefined,
    correctsId: row.corrects_id === null ? undefined : Number(row.corrects_id),
    createdAtMs: row.created_at.getTime(),
  }
}
