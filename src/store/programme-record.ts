import { createHash } from 'node:crypto'
import { checkProgramme, problemsInWords } from '../benefit/programme-check.ts'
import type { ProgrammeFile, ProgrammeKind } from '../benefit/programme-schema.ts'
import { MizanError } from '../errors.ts'

export const programmeStates = ['draft', 'submitted', 'published', 'withdrawn'] as const
export type ProgrammeState = (typeof programmeStates)[number]

/** Who did a step of a version, and when. */
export interface ProgrammeStep {
  readonly by: string
  readonly at: Date
}

/** A version as it stands in the database, without its content. */
export interface ProgrammeVersion {
  readonly code: string
  readonly version: number
  readonly number: number
  readonly kind: ProgrammeKind
  readonly name: { readonly en: string; readonly ar: string }
  /** yyyy-mm-dd */
  readonly effectiveFrom: string
  readonly effectiveTo: string | undefined
  readonly state: ProgrammeState
  readonly note: string
  /** SHA-256 of its content. */
  readonly checksum: string
  readonly created: ProgrammeStep
  readonly submitted: ProgrammeStep | undefined
  readonly published: ProgrammeStep | undefined
  readonly withdrawn: ProgrammeStep | undefined
}

/** A version with its content. */
export interface StoredProgramme extends ProgrammeVersion {
  readonly file: ProgrammeFile
}

/** A row of the view `programmes`, without the content. */
export interface ProgrammeRow {
  readonly code: string
  readonly version: number
  readonly number: number
  readonly kind: ProgrammeKind
  readonly name: string
  readonly name_ar: string
  readonly effective_from: string
  readonly effective_to: string | null
  readonly state: ProgrammeState
  readonly note: string
  readonly checksum: string
  readonly created_by: string
  readonly created_at: Date
  readonly submitted_by: string | null
  readonly submitted_at: Date | null
  readonly published_by: string | null
  readonly published_at: Date | null
  readonly withdrawn_by: string | null
  readonly withdrawn_at: Date | null
}

/** Columns of {@link ProgrammeRow}. */
export const programmeColumns = `code, version, number, kind, name, name_ar, effective_from, effective_to, state, note,
  checksum, created_by, created_at, submitted_by, submitted_at, published_by, published_at, withdrawn_by, withdrawn_at`

/** A row as the program has it. */
export function versionOf(row: ProgrammeRow): ProgrammeVersion {
  const step = (by: string | null, at: Date | null) => (by === null || at === null ? undefined : { by, at })
  return {
    code: row.code,
    version: row.version,
    number: row.number,
    kind: row.kind,
    name: { en: row.name, ar: row.name_ar },
    effectiveFrom: row.effective_from,
    effectiveTo: row.effective_to ?? undefined,
    state: row.state,
    note: row.note,
    checksum: row.checksum,
    created: { by: row.created_by, at: row.created_at },
    submitted: step(row.submitted_by, row.submitted_at),
    published: step(row.published_by, row.published_at),
    withdrawn: step(row.withdrawn_by, row.withdrawn_at),
  }
}

/** SHA-256 of a content, whatever the order of its keys: the database keeps its own. */
export function checksumOf(content: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(inOrder(content)))
    .digest('hex')
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, inOrder(inner)]))
}

/**
 * A version with its content, which must be what its checksum says and pass today's checks.
 * @throws MizanError PROGRAMME_INVALID naming the version
 */
export function storedProgramme(row: ProgrammeRow & { readonly content: unknown }): StoredProgramme {
  const version = versionOf(row)
  const { file, problems } = checkProgramme(row.content)
  const isWhole = checksumOf(row.content) === version.checksum
  if (file !== undefined && isWhole) return { ...version, file }
  const why = isWhole ? problemsInWords(problems) : 'its content is not what its checksum says'
  throw new MizanError('PROGRAMME_INVALID', `${version.code} version ${version.version} in the database: ${why}`)
}
