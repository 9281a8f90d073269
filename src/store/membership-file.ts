import { createHash } from 'node:crypto'
import { type MembershipEvent, membershipEvents } from '../card/membership.ts'
import { MizanError } from '../errors.ts'
import { readDelimited } from '../files/delimited-reader.ts'
import type { FileSource } from '../files/file-source.ts'
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

const CHUNK_LINES = 500

/**
 * Reads a file and says what it would change, without changing anything. A later line of the same household is only looked
 * at by itself: what it finds depends on the one before.
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
 * Applies a file: each line is a command under the file's hash and the line's number, so that a file which was applied is
 * not applied again, and one that was interrupted goes on. A running switch carries the commands out.
 * @param actorName up to 64 characters
 * @throws MizanError BAD_INPUT as {@link checkMembershipFile}, and nothing is changed then; LINK_TIMEOUT when no switch
 *   carries the commands out: what was asked for stays in the inbox, and applying the file again goes on from there
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
  const before = await client.query<{ result: MembershipResult | null }>(
    'select result from membership_file where sha256 = $1',
    [sha256],
  )
  const applied = before.rows[0]?.result ?? undefined
  if (applied !== undefined) return { ...applied, wasApplied: true }
  await client.query(
    'insert into membership_file (sha256, name, lines, started_by) values ($1, $2, $3, $4) on conflict do nothing',
    [sha256, source.name.slice(-200), trailer.lines, actorName],
  )
  const work = new MembershipWork(desk, sha256, trailer.lines, options)
  for await (const chunk of chunksOf(desk, source, options)) await work.apply(chunk, actorName)
  const result: MembershipResult = { sha256, lines: trailer.lines, ...work.counts, wasApplied: false }
  await client.query('update membership_file set done_at = now(), result = $2 where sha256 = $1 and done_at is null', [
    sha256,
    JSON.stringify(result),
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
  const events = noEvents()
  const { format } = source
  for await (const row of readDelimited(hashed(source.open(), hash), { format, columns: membershipColumns(format) })) {
    if (trailer !== undefined) throw new MizanError('BAD_INPUT', `line ${row.line} stands behind the trailer`)
    const read = membershipRow(row, format, today)
    if (read.kind === 'trailer') trailer = read.value
    else lines++
    // What a faulty line says of its event still counts for the totals.
    const event = read.kind === 'line' ? read.value.event : row.fields.event
    if (read.kind !== 'trailer' && event !== undefined && Object.hasOwn(events, event))
      events[event as MembershipEvent]++
  }
  if (trailer === undefined) throw new MizanError('BAD_INPUT', 'the file has no trailer: it may be cut off')
  const said = [trailer.lines, ...membershipEvents.map((event) => trailer.events[event])]
  const found = [lines, ...membershipEvents.map((event) => events[event])]
  if (said.join() !== found.join()) {
    const names = ['lines', ...membershipEvents]
    const differences = names.flatMap((name, at) =>
      said[at] === found[at] ? [] : [`${name} ${said[at]}, found ${found[at]}`],
    )
    throw new MizanError('BAD_INPUT', `the trailer does not agree: ${differences.join('; ')}`)
  }
  return { sha256: hash.digest('hex'), trailer }
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
