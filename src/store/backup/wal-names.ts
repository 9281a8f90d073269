/**
 * Names of PostgreSQL's journal files: a segment is the timeline and the segment's number, 24 hex digits; `.history`
 * files say where a timeline left the one before. See "WAL Internals" and xlog_internal.h of PostgreSQL.
 */

/** Where a timeline left another: up to `lsn` it is the other's journal. */
export interface TimelineStep {
  readonly timeline: number
  readonly lsn: bigint
}

const SEGMENT = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$/
const LSN = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/
const XLOG_FILE_BYTES = 0x1_0000_0000n

/** A place in the journal as PostgreSQL writes it, `1/A0000028`, as a number of bytes. */
export function parseLsn(text: string): bigint {
  const match = LSN.exec(text)
  if (match === null) throw new RangeError(`${text} is no place in the journal`)
  return (BigInt(`0x${match[1]}`) << 32n) + BigInt(`0x${match[2]}`)
}

/** A segment's timeline and number; undefined when the name is not one of a segment. */
export function parseSegment(
  name: string,
  segmentBytes: number,
): { readonly timeline: number; readonly number: bigint } | undefined {
  const match = SEGMENT.exec(name)
  if (match === null) return undefined
  const perFile = XLOG_FILE_BYTES / BigInt(segmentBytes)
  const number = BigInt(`0x${match[2]}`) * perFile + BigInt(`0x${match[3]}`)
  return { timeline: Number.parseInt(match[1] ?? '', 16), number }
}

/** The name of a segment. */
export function segmentName(timeline: number, number: bigint, segmentBytes: number): string {
  const perFile = XLOG_FILE_BYTES / BigInt(segmentBytes)
  const hex = (value: bigint) => value.toString(16).toUpperCase().padStart(8, '0')
  return hex(BigInt(timeline)) + hex(number / perFile) + hex(number % perFile)
}

/** A segment as messages name it: a long run of digits would be masked as what may be a card's data. */
export function segmentInWords(name: string | undefined): string {
  return (name ?? 'none').replace(/^(.{8})(.{8})(.{8})/, '$1-$2-$3')
}

/** Timeline of a history file; undefined when the name is not one. */
export function parseHistoryName(name: string): number | undefined {
  const match = /^([0-9A-F]{8})\.history$/.exec(name)
  return match === null ? undefined : Number.parseInt(match[1] ?? '', 16)
}

/** Lines of a history file: the timelines before this one, oldest first, each with the place where it was left. */
export function parseHistory(text: string): TimelineStep[] {
  const steps: TimelineStep[] = []
  for (const line of text.split('\n')) {
    const [timeline, lsn] = line.trim().split(/\s+/)
    if (timeline === undefined || lsn === undefined || !/^\d+$/.test(timeline) || !LSN.test(lsn)) continue
    steps.push({ timeline: Number(timeline), lsn: parseLsn(lsn) })
  }
  return steps
}
