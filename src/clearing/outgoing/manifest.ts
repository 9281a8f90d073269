import { type CivilDate, formatDate } from '../../calendar.ts'
import type { ClearingFile } from '../../store/clearing/files.ts'
import type { JournalHead } from '../../store/clearing/journal-heads.ts'

/** What stands in the manifest of a date. */
export interface ManifestSource {
  readonly centre: string
  readonly businessDate: CivilDate
  readonly cycle: number
  readonly sequence: number
  /** Written files, in any order. */
  readonly files: readonly ClearingFile[]
  /** Of the manifest before this one, whatever its date. */
  readonly previousSha256: Buffer | undefined
  /** Of each lane, as of the end of the date. */
  readonly journal: readonly JournalHead[]
}

/** A file as a manifest names it. */
export interface ManifestEntry {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

/** What a manifest says that is held against others. */
export interface ManifestContent {
  readonly previousSha256: string | null
  readonly journal: readonly { readonly lane: number; readonly batch: number; readonly sha256: string }[]
  readonly files: readonly ManifestEntry[]
}

/**
 * The manifest of a date: each file with its bytes, hash, counts and totals, and the hash of the manifest before, so
 * that none can be left out or exchanged without a break in the chain; and where the journal stood, so that no end of
 * it can be cut off, nor all of it be made anew, without a break with what others hold. JSON, two blanks deep; the same
 * files give the same bytes.
 */
export function manifestText(source: ManifestSource): string {
  const { centre, businessDate, cycle, sequence, files, previousSha256, journal } = source
  const sorted = files.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const content = {
    format: 'mizan-manifest-1',
    centre,
    businessDate: formatDate(businessDate),
    cycle,
    sequence,
    previousSha256: previousSha256?.toString('hex') ?? null,
    journal: journal.map(({ lane, seq, hash }) => ({ lane, batch: seq, sha256: hash.toString('hex') })),
    files: sorted.map((file) => ({
      name: file.name,
      type: file.type,
      institution: file.institution,
      bytes: file.bytes,
      sha256: file.sha256?.toString('hex'),
      records: file.records,
      items: file.items,
      grossPiasters: String(file.grossPiasters),
      totals: sortedKeys(file.totals),
    })),
    totals: {
      files: sorted.length,
      bytes: sorted.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
      items: sorted.reduce((sum, { items }) => sum + items, 0),
    },
  }
  return `${JSON.stringify(content, undefined, 2)}\n`
}

/** The database keeps no order of keys. */
function sortedKeys(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
