import { createHash } from 'node:crypto'
import { isMembershipEvent, membershipEvents } from '../card/membership.ts'
import { MizanError } from '../errors.ts'
import { readDelimited } from '../files/delimited-reader.ts'
import type { FileSource } from '../files/file-source.ts'
import type { Rejection } from '../files/reject-report.ts'
import { type MembershipLine, membershipColumns, membershipRow, type Trailer } from './membership-line.ts'
import {
  type MembershipChunk,
  type MembershipCounts,
  type MembershipOptions,
  MembershipWork,
  noEvents,
} from './membership-work.ts'
import { type PeopleDesk, todayAt } from './people-desk.ts'

/** A membership file that can be read more than once. */
export type MembershipSource = Pick<FileSource, 'name' | 'format' | 'open'>

/** What a file changes, or would change. */
export interface MembershipResult extends MembershipCounts {
  /** 64 hex digits: what the file is known by, whatever its name. */
  readonly sha256: string
  readonly lines: number
  /** Whether all of the file was applied before this call, which then changed nothing. */
  readonly wasApplied: boolean
}

/** A result as it stays with its file: with why lines were rejected, so that the same file again tells it again. */
interface KeptResult extends MembershipResult {
  readonly rejections?: readonly Rejection[]
}

const CHUNK_LINES = 500
/** Lines that an error names. */
const NAMED_LINES = 10
/** Rejections that are kept with a file, to be told again; a file with more is a wrong file. */
const KEPT_REJECTIONS = 5_000

/**
 * Reads a file and says what it would change, without changing anything: each line by the rules of the writer, after those
 * before it.
 * @throws MizanError BAD_INPUT when the file as a whole is wrong: its header, or a trailer that is missing or does not agree
 */
export async function checkMembershipFile(
  desk: PeopleDesk,
  source: MembershipSource,
  options: MembershipOptions = {},
): Promise<MembershipResult> {
  const { sha256, trailer } = await surveyFile(desk, source)
  const work = new MembershipWork(desk, sha256, trailer.lines, options)
  for await (const chunk of chunksOf(desk, source, options)) await work.check(chunk)
  return { sha256, lines: trailer.lines, ...work.counts, wasApplied: false }
}

/**
 * Applies a file: each line is a command under the file's hash and the line's number, so that a file which was applied
 * is not applied again, and one that was interrupted goes on. A running switch carries the commands out.
 * @param actorName up to 64 characters
 * @throws MizanError BAD_INPUT as {@link checkMembershipFile}, and nothing is changed then; LINK_TIMEOUT when no switch
 *   carries the commands out: what was asked for stays in the inbox, and applying the file again goes on from there
 * A file that was applied before tells its rejections again.
 */
export async function applyMembershipFile(
  desk: PeopleDesk,
  source: MembershipSource,
  actorName: string,
  options: MembershipOptions = {},
): Promise<MembershipResult> {
  const { sha256, trailer } = await surveyFile(desk, source)
  if (options.agreedSha256 !== undefined && options.agreedSha256 !== sha256) {
    throw new MizanError('BAD_INPUT', 'the file has changed since it was agreed to')
  }
  const { client } = desk
  const before = await client.query<{ result: KeptResult | null }>(
    'select result from membership_file where sha256 = $1',
    [sha256],
  )
  const applied = before.rows[0]?.result ?? undefined
  if (applied !== undefined) {
    const { rejections = [], ...result } = applied
    for (const rejection of rejections) options.onReject?.(rejection)
    return { ...result, wasApplied: true }
  }
  await client.query(
    'insert into membership_file (sha256, name, lines, started_by) values ($1, $2, $3, $4) on conflict do nothing',
    [sha256, source.name.slice(-200), trailer.lines, actorName],
  )
  const rejections: Rejection[] = []
  const columns = new Set(membershipColumns(source.format).map(({ name }) => name))
  const onReject = (rejection: Rejection) => {
    // A name that is no column may be anything, also what no database keeps.
    const field = columns.has(rejection.field) ? rejection.field : ''
    if (rejections.length < KEPT_REJECTIONS) rejections.push({ ...rejection, field })
    options.onReject?.(rejection)
  }
  const noting = { ...options, onReject }
  const work = new MembershipWork(desk, sha256, trailer.lines, noting)
  for await (const chunk of chunksOf(desk, source, noting)) await work.apply(chunk, actorName)
  const result: MembershipResult = { sha256, lines: trailer.lines, ...work.counts, wasApplied: false }
  await client.query('update membership_file set done_at = now(), result = $2 where sha256 = $1 and done_at is null', [
    sha256,
    JSON.stringify({ ...result, rejections } satisfies KeptResult),
  ])
  return result
}

/** Reads the file once: its hash, and whether its trailer agrees. */
async function surveyFile(
  desk: PeopleDesk,
  source: MembershipSource,
): Promise<{ readonly sha256: string; readonly trailer: Trailer }> {
  const hash = createHash('sha256')
  const today = todayAt(desk)
  let trailer: Trailer | undefined
  let lines = 0
  const unreadable: number[] = []
  const events = noEvents()
  const { format } = source
  for await (const row of readDelimited(hashed(source.open(), hash), { format, columns: membershipColumns(format) })) {
    if (trailer !== undefined) throw new MizanError('BAD_INPUT', `line ${row.line} stands behind the trailer`)
    const read = membershipRow(row, format, today)
    if (read.kind === 'trailer') trailer = read.value
    else lines++
    if (read.kind === 'trailer') continue
    // What a faulty line says of its event still counts for the totals.
    const event = read.kind === 'line' ? read.value.event : row.fields.event
    if (event !== undefined && isMembershipEvent(event)) events[event]++
    else unreadable.push(row.line)
  }
  if (trailer === undefined) throw new MizanError('BAD_INPUT', 'the file has no trailer: it may be cut off')
  refuseTotals(trailer, { lines, events }, unreadable)
  return { sha256: hash.digest('hex'), trailer }
}

/**
 * A line whose event cannot be read counts as a line, and may be any event that the trailer has more of: it is rejected by
 * itself. Everything else has to agree.
 * @throws MizanError BAD_INPUT
 */
function refuseTotals(said: Trailer, found: Trailer, unreadable: readonly number[]): void {
  const missing = membershipEvents.map((event) => said.events[event] - found.events[event])
  const isCovered =
    missing.every((count) => count >= 0) && missing.reduce((sum, count) => sum + count, 0) <= unreadable.length
  if (said.lines === found.lines && isCovered) return
  const differences = [
    ...(said.lines === found.lines ? [] : [`lines ${said.lines}, found ${found.lines}`]),
    ...membershipEvents.flatMap((event) =>
      said.events[event] === found.events[event]
        ? []
        : [`${event} ${said.events[event]}, found ${found.events[event]}`],
    ),
  ]
  const named = unreadable.slice(0, NAMED_LINES).join(', ')
  const rest = unreadable.length > NAMED_LINES ? ', …' : ''
  const why = unreadable.length === 0 ? '' : `; lines whose event cannot be read: ${named}${rest}`
  throw new MizanError('BAD_INPUT', `the trailer does not agree: ${differences.join('; ')}${why}`)
}

async function* hashed(
  chunks: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    hash.update(chunk)
    yield chunk
  }
}

async function* chunksOf(
  desk: PeopleDesk,
  { format, open }: MembershipSource,
  { onReject, chunkLines = CHUNK_LINES }: MembershipOptions,
): AsyncGenerator<MembershipChunk, void, undefined> {
  const today = todayAt(desk)
  let lines: MembershipLine[] = []
  let faulty = 0
  for await (const row of readDelimited(open(), { format, columns: membershipColumns(format) })) {
    const read = membershipRow(row, format, today)
    if (read.kind === 'line') lines.push(read.value)
    if (read.kind === 'faulty') {
      faulty++
      for (const fault of read.faults) onReject?.({ line: row.line, ...fault })
    }
    if (lines.length + faulty < chunkLines) continue
    yield { lines, faulty }
    lines = []
    faulty = 0
  }
  if (lines.length + faulty > 0) yield { lines, faulty }
}
