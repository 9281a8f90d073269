import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseHistory, parseHistoryName, parseLsn, parseSegment, segmentName, type TimelineStep } from './wal-names.ts'

/** Where the journal of a backup begins. */
export interface ChainStart {
  readonly timeline: number
  readonly segmentBytes: number
  readonly startSegment: string
  readonly stopSegment: string
  readonly stopLsn: string
}

/** The journal that follows a backup, as far as it is whole. */
export interface JournalChain {
  /** Timeline at its end. */
  readonly timeline: number
  /** Segments in a row from the backup's first. */
  readonly segments: number
  readonly lastSegment: string | undefined
  /** Whether it has all that the backup needs to be consistent. */
  readonly isComplete: boolean
  /** The segment that is not there, though later ones are or the backup needs it. */
  readonly missing: string | undefined
  /** Segments cut short: they have another size than they should. */
  readonly torn: readonly string[]
}

interface Found {
  readonly sizes: ReadonlyMap<string, number>
  readonly histories: ReadonlyMap<number, readonly TimelineStep[]>
}

/**
 * Follows the journal of a backup through folders of segments, over the timelines that restores have begun.
 * @param folders the archive, then others that may hold what was not archived yet
 */
export function followJournal(folders: readonly string[], start: ChainStart): JournalChain {
  const { segmentBytes } = start
  const found = readFolders(folders)
  const timeline = newestTimeline(found, start)
  const steps = found.histories.get(timeline) ?? []
  const size = BigInt(segmentBytes)
  const timelineOf = (number: bigint) =>
    steps.find(({ timeline: one, lsn }) => one >= start.timeline && number < lsn / size)?.timeline ?? timeline
  const nameOf = (number: bigint) => segmentName(timelineOf(number), number, segmentBytes)
  const torn: string[] = []
  const first = parseSegment(start.startSegment, segmentBytes)?.number ?? 0n
  let next = first
  for (let bytes = found.sizes.get(nameOf(next)); bytes !== undefined; bytes = found.sizes.get(nameOf(next))) {
    if (bytes !== segmentBytes) torn.push(nameOf(next))
    next++
  }
  const needed = parseSegment(start.stopSegment, segmentBytes)?.number ?? 0n
  const isComplete = next > needed
  const isGap = !isComplete || hasLater(found, timelineOf, next, segmentBytes)
  return {
    timeline,
    segments: Number(next - first),
    lastSegment: next > first ? nameOf(next - 1n) : undefined,
    isComplete,
    missing: isGap ? nameOf(next) : undefined,
    torn,
  }
}

function readFolders(folders: readonly string[]): Found {
  const sizes = new Map<string, number>()
  const histories = new Map<number, TimelineStep[]>()
  for (const folder of folders) {
    if (!existsSync(folder)) continue
    for (const name of readdirSync(folder)) {
      const timeline = parseHistoryName(name)
      if (timeline !== undefined) histories.set(timeline, parseHistory(readFileSync(path.join(folder, name), 'utf8')))
      else if (name.length === 24 && !sizes.has(name)) {
        const bytes = statSync(path.join(folder, name), { throwIfNoEntry: false })?.size
        if (bytes !== undefined) sizes.set(name, bytes)
      }
    }
  }
  return { sizes, histories }
}

/** The newest timeline that comes from the backup's, left after the backup had ended; as recovery chooses it. */
function newestTimeline({ histories }: Found, { timeline, stopLsn }: ChainStart): number {
  const end = parseLsn(stopLsn)
  const candidates = [...histories.keys()].sort((a, b) => b - a)
  const comesFrom = (one: number) =>
    histories.get(one)?.some((step) => step.timeline === timeline && step.lsn >= end) === true
  return candidates.find(comesFrom) ?? timeline
}

function hasLater(
  { sizes }: Found,
  timelineOf: (number: bigint) => number,
  next: bigint,
  segmentBytes: number,
): boolean {
  for (const name of sizes.keys()) {
    const segment = parseSegment(name, segmentBytes)
    if (segment !== undefined && segment.number > next && timelineOf(segment.number) === segment.timeline) return true
  }
  return false
}

/**
 * Removes segments that no backup needs any more: those before the first segment of the oldest kept one, on whatever
 * timeline. Histories stay: they are small, and recovery asks for them.
 * @returns names and bytes of what was removed, or would be
 */
export function pruneArchive(
  folder: string,
  oldestNeeded: string,
  dryRun: boolean,
): { readonly files: number; readonly bytes: number } {
  let files = 0
  let bytes = 0
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    // Segments, and what belongs to one: .partial of an ended timeline, .backup of a base backup.
    if (!/^[0-9A-F]{24}(\.|$)/.test(name)) continue
    if (name.slice(8, 24) >= oldestNeeded.slice(8, 24)) continue
    const file = path.join(folder, name)
    bytes += statSync(file).size
    files++
    if (!dryRun) rmSync(file, { force: true })
  }
  return { files, bytes }
}
