import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'
import {
  type ClearingFile,
  type FileContent,
  type FileKey,
  type FileRow,
  type FileState,
  type FileType,
  fileColumns,
  fileOf,
} from './clearing-file.ts'
import { noteFileEvent } from './file-events.ts'

export type { ClearingFile, FileContent, FileKey, FileState, FileType } from './clearing-file.ts'

/** A file that begins its life. */
export interface NewFile extends FileKey {
  /** Of a file that was given its id before it came into the register. */
  readonly id?: number
  /** @default {@link fileName} */
  readonly name?: string
  /** @default {@link outgoingPath} */
  readonly path?: string
  readonly state: FileState
  readonly content?: FileContent
  /** The file that it corrects. */
  readonly correctsId?: number
}

const LIST_MAX = 1_000

/** `UC.CTF.400000.20261122.1.001`, with `.xml` behind it where the content is XML. */
export function fileName({ type, institution, businessDate, cycle, sequence }: FileKey, ending = ''): string {
  return `UC.${type}.${institution}.${businessDate}.${cycle}.${String(sequence).padStart(3, '0')}${ending}`
}

/** Where a file of a name stands, relative to the clearing folder. */
export function outgoingPath(businessDate: CivilDate, name: string): string {
  return `out/${formatDate(businessDate)}/${name}`
}

/**
 * Puts a file into the register, or finds that it is there already: a step that is run again gets the same file.
 * @param actor who does it: a step, or `user:NAME`
 * @throws MizanError CONFLICT when the same file was registered with another content or name
 */
export async function registerFile(client: Queryable, file: NewFile, actor: string): Promise<ClearingFile> {
  const name = file.name ?? fileName(file)
  const { content } = file
  const [row] = await insertFile(client, file, name)
  if (row !== undefined) {
    const made = fileOf(row)
    await noteFileEvent(client, made.id, { action: 'registered', actor, to: made.state })
    return made
  }
  const known = (await findFileByKey(client, file)) ?? (await findFile(client, name))
  if (known === undefined || known.name !== name || (file.id !== undefined && known.id !== file.id)) {
    throw new MizanError('CONFLICT', `the file ${name} stands in the register as ${known?.name ?? 'another'}`)
  }
  if (content !== undefined && known.sha256?.equals(content.sha256) === false) {
    throw new MizanError('CONFLICT', `the file ${name} was registered before with another content`)
  }
  return known
}

const begun = `direction, type, institution, business_date, cycle, sequence, name, path, state, bytes, sha256, records, items,
  gross_piasters, totals, previous_sha256, corrects_id`
const begunValues = '$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17'

const insertNew = `insert into clearing_file (${begun}) values (${begunValues})
  on conflict do nothing returning ${fileColumns}`

/** The register gives ids itself; one that it gave before the file came must be said to be meant. */
const insertWithId = `insert into clearing_file (${begun}, id) overriding system value values (${begunValues}, $18)
  on conflict do nothing returning ${fileColumns}`

/** @returns no row when the register has the file's key, name or id already */
async function insertFile(client: Queryable, file: NewFile, name: string): Promise<FileRow[]> {
  const { content } = file
  const values = [
    file.direction,
    file.type,
    file.institution,
    formatDate(file.businessDate),
    file.cycle,
    file.sequence,
    name,
    file.path ?? outgoingPath(file.businessDate, name),
    file.state,
    content?.bytes ?? null,
    content?.sha256 ?? null,
    content?.records ?? null,
    content?.items ?? 0,
    String(content?.grossPiasters ?? 0n),
    JSON.stringify(content?.totals ?? {}),
    content?.previousSha256 ?? null,
    file.correctsId ?? null,
  ]
  const { rows } =
    file.id === undefined
      ? await client.query<FileRow>(insertNew, values)
      : await client.query<FileRow>(insertWithId, [...values, file.id])
  return rows
}

/**
 * Notes what was written under a file's name: it goes from `selected` to `written`. A file that was written before
 * keeps its state and must have the same bytes.
 * @throws MizanError CONFLICT when they are others; NOT_FOUND
 */
export async function recordWritten(
  client: Queryable,
  id: number,
  content: FileContent,
  actor: string,
): Promise<ClearingFile> {
  const { rows } = await client.query<FileRow>(
    `update clearing_file set state = 'written', bytes = $2, sha256 = $3, records = $4, items = $5, gross_piasters = $6,
       totals = $7, previous_sha256 = $8
     where id = $1 and state = 'selected' returning ${fileColumns}`,
    [
      id,
      content.bytes,
      content.sha256,
      content.records,
      content.items,
      String(content.grossPiasters),
      JSON.stringify(content.totals),
      content.previousSha256 ?? null,
    ],
  )
  const [row] = rows
  if (row !== undefined) {
    await noteFileEvent(client, id, { action: 'written', actor, from: 'selected', to: 'written' })
    return fileOf(row)
  }
  const known = await readFile(client, id)
  if (known.sha256?.equals(content.sha256) !== true) {
    throw new MizanError('CONFLICT', `the file ${known.name} was written before with other bytes; a file never changes`)
  }
  return known
}

/** A change of a file's state. */
export interface FileMove {
  readonly from: readonly FileState[]
  readonly to: FileState
  /** What happened, in lower case with hyphens, such as `released`. */
  readonly action: string
  readonly actor: string
  readonly detail?: Readonly<Record<string, unknown>>
}

/**
 * Moves a file from one state to another and writes that into its history. A file that is where it should go already
 * stays so, without another event.
 * @throws MizanError CONFLICT when it is in a state that the move does not start from; NOT_FOUND
 */
export async function moveFile(client: Queryable, id: number, move: FileMove): Promise<ClearingFile> {
  const before = await readFile(client, id)
  if (before.state === move.to) return before
  const { rows } = await client.query<FileRow>(
    `update clearing_file set state = $3 where id = $1 and state = any ($2) returning ${fileColumns}`,
    [id, move.from, move.to],
  )
  const [row] = rows
  if (row === undefined) {
    const now = await readFile(client, id)
    if (now.state === move.to) return now
    throw new MizanError(
      'CONFLICT',
      `the file ${now.name} is ${now.state}; ${move.action} needs ${move.from.join(' or ')}`,
    )
  }
  const { action, actor, to, detail } = move
  await noteFileEvent(client, id, { action, actor, from: before.state, to, detail })
  return fileOf(row)
}

/** @throws MizanError NOT_FOUND */
export async function readFile(client: Queryable, id: number): Promise<ClearingFile> {
  const { rows } = await client.query<FileRow>(`select ${fileColumns} from clearing_file where id = $1`, [id])
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no clearing file ${id}`)
  return fileOf(row)
}

/** A file by its name. */
export async function findFile(client: Queryable, name: string): Promise<ClearingFile | undefined> {
  const { rows } = await client.query<FileRow>(`select ${fileColumns} from clearing_file where name = $1`, [name])
  return rows[0] === undefined ? undefined : fileOf(rows[0])
}

/** A file by what tells it from all others. */
export async function findFileByKey(client: Queryable, key: FileKey): Promise<ClearingFile | undefined> {
  const { rows } = await client.query<FileRow>(
    `select ${fileColumns} from clearing_file
     where direction = $1 and type = $2 and institution = $3 and business_date = $4 and cycle = $5 and sequence = $6`,
    [key.direction, key.type, key.institution, formatDate(key.businessDate), key.cycle, key.sequence],
  )
  return rows[0] === undefined ? undefined : fileOf(rows[0])
}

/**
 * The manifest that was written last, whatever its date; undefined when there is none.
 * @param beforeId of one: the manifest that was written before that
 */
export async function lastManifest(client: Queryable, beforeId?: number): Promise<ClearingFile | undefined> {
  const { rows } = await client.query<FileRow>(
    `select ${fileColumns} from clearing_file where direction = 'out' and type = 'MAN' and ($1::bigint is null or id < $1)
     order by id desc limit 1`,
    [beforeId ?? null],
  )
  return rows[0] === undefined ? undefined : fileOf(rows[0])
}

/** Which files are wanted; what is absent does not matter. */
export interface FileFilter {
  readonly businessDate?: CivilDate
  readonly direction?: 'out' | 'in'
  readonly types?: readonly FileType[]
  readonly states?: readonly FileState[]
  /** Only those with a smaller id, for the next page. */
  readonly beforeId?: number
  /** At most 1,000. @default 1000 */
  readonly limit?: number
}

/** Files, the newest first: a page of them. */
export async function listFiles(client: Queryable, filter: FileFilter = {}): Promise<ClearingFile[]> {
  const { rows } = await client.query<FileRow>(
    `select ${fileColumns} from clearing_file
     where ($1::date is null or business_date = $1) and ($2::text is null or direction = $2)
       and ($3::text[] is null or type = any ($3)) and ($4::text[] is null or state = any ($4))
       and ($5::bigint is null or id < $5)
     order by id desc limit $6`,
    [
      filter.businessDate === undefined ? null : formatDate(filter.businessDate),
      filter.direction ?? null,
      filter.types ?? null,
      filter.states ?? null,
      filter.beforeId ?? null,
      Math.min(filter.limit ?? LIST_MAX, LIST_MAX),
    ],
  )
  return rows.map(fileOf)
}

/** All files that are wanted, however many, the newest first. */
export async function listAllFiles(
  client: Queryable,
  filter: Omit<FileFilter, 'beforeId' | 'limit'>,
): Promise<ClearingFile[]> {
  const found: ClearingFile[] = []
  for (let last: ClearingFile | undefined; ; ) {
    const page = await listFiles(client, last === undefined ? filter : { ...filter, beforeId: last.id })
    found.push(...page)
    last = page.at(-1)
    if (page.length < LIST_MAX) return found
  }
}
