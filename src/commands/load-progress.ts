import type { Rejection, RejectReport } from '../files/reject-report.ts'
import type { CommandIo } from './command-io.ts'

const EVERY_MS = 2_000

/**
 * A line on standard error every two seconds: how much is done, how fast, and how long the rest will take.
 * @param what plural, such as `rows`
 * @param share of the work that is done, 0 to 1, when it is known
 */
export function progressLine(
  io: CommandIo,
  what: string,
  nowMs: () => number = () => performance.now(),
): (done: number, share?: number) => void {
  const startedMs = nowMs()
  const isDue = everyTwoSeconds(nowMs)
  return (done, share) => {
    if (!isDue()) return
    const seconds = (nowMs() - startedMs) / 1_000
    const rate = `${done} ${what}, ${Math.round(done / seconds)} a second`
    const left = share === undefined || share <= 0 ? '' : `, ${timeInWords((seconds / share) * (1 - share))} left`
    io.note(`${rate}${left}\n`)
  }
}

/** A line on standard error every two seconds: the step that it is at, and how much of it is done. */
export function stepLine(io: CommandIo): (words: string, done?: number, total?: number) => void {
  const isDue = everyTwoSeconds(() => performance.now())
  return (words, done, total) => {
    if (isDue()) io.note(`${words}${done === undefined || total === undefined ? '' : `, ${done} of ${total}`}\n`)
  }
}

function everyTwoSeconds(nowMs: () => number): () => boolean {
  let nextMs = nowMs() + EVERY_MS
  return () => {
    const atMs = nowMs()
    if (atMs < nextMs) return false
    nextMs = atMs + EVERY_MS
    return true
  }
}

function timeInWords(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  return `${Math.ceil(seconds / 60)} min`
}

/** What was rejected, for people: the first lines, and where all of them are. */
export function rejectionsInWords(report: RejectReport, file: string | undefined): string {
  if (report.count === 0) return ''
  const shown = report.examples.map(lineOf).join('')
  const more = report.count - report.examples.length
  const rest = more > 0 ? `  and ${more} more\n` : ''
  const where = file === undefined ? '  --rejects <file> writes all of them\n' : `  all of them are in ${file}\n`
  return `${shown}${rest}${where}`
}

function lineOf({ line, field, reason }: Rejection): string {
  return `  line ${line}: ${field === '' ? '' : `${field} `}${reason}\n`
}
