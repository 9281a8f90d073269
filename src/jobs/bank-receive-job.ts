import { type BankReceiveContext, bookTaken, type ReceivedBankFile } from '../clearing/bank/receive.ts'
import { isBankFileWaiting, receiveBankFolder } from '../clearing/bank/receive-folder.ts'
import { onConnection } from '../clearing/delivery/day-files.ts'
import type { RefusalCause } from '../clearing/iso20022/refusal.ts'
import { describeError } from '../errors.ts'
import { storedStatements } from '../store/clearing/bank-postings.ts'
import { type Client, connect } from '../store/connection.ts'
import * as events from '../telemetry/bank-events.ts'
import type { BankMetrics } from '../telemetry/bank-metrics.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { WaitedForJob } from './waited-for-job.ts'

export interface BankReceiveJob {
  readonly url: string
  /** The clearing folder. */
  readonly folder: string
  readonly log: Logger
  readonly metrics: BankMetrics
  /** What receiving goes by now. */
  contextOf(client: Client, signal: AbortSignal): BankReceiveContext
}

const CONNECTION = 'mizan bank files'

/** The job that receives what settlement banks put into the clearing folder, and books what was not booked yet. */
export function bankReceiveJob({ url, folder, log, metrics, contextOf }: BankReceiveJob): WaitedForJob {
  return {
    name: 'bank-files',
    cron: '*/5 * * * *',
    description: 'receive statements and answers of settlement banks from clearing/in, and book them',
    async look() {
      if (await isBankFileWaiting(folder)) return
      const toBook = await onConnection(url, CONNECTION, storedStatements)
      return toBook.length > 0 ? undefined : 'no file of a bank waits'
    },
    async run(signal) {
      const client = await connect({ url, name: CONNECTION, role: 'mizan_app' })
      const context = contextOf(client, signal)
      try {
        await bookTaken(context)
        const { received, refused, unread } = await receiveBankFolder(context)
        for (const one of received) noteReceived(one, log, metrics)
        for (const one of refused) noteRefused(one, log, metrics)
        for (const one of unread) events.bankFileUnread(log, one)
        const waiting = unread.length === 0 ? '' : `, ${unread.length} could not be read`
        return `${received.length} file(s) of banks received, ${refused.length} refused${waiting}`
      } catch (error) {
        if (!signal.aborted) events.bankFilesWait(log, { folder: context.folder }, error)
        throw new Error(`stopped: ${describeError(error)}`, { cause: error })
      } finally {
        await client.end()
      }
    },
  }
}

/** Says that a file was refused, and why. */
export function noteRefused(
  { file, reason, refusal }: { readonly file: string; readonly reason: string; readonly refusal: RefusalCause },
  log: Logger,
  metrics: BankMetrics | undefined,
): void {
  metrics?.files.child(refusal).inc()
  events.bankFileRefused(log, { file, reason })
}

/** Says what became of a file. A command has no metrics. */
export function noteReceived(one: ReceivedBankFile, log: Logger, metrics: BankMetrics | undefined): void {
  metrics?.files.child(one.outcome).inc()
  if (one.outcome === 'repeated') {
    events.bankFileRepeated(log, { file: one.name, before: one.before?.name ?? '' })
    return
  }
  for (const { matched, known, suspense } of one.reports) {
    metrics?.entries.child('matched').inc(matched)
    metrics?.entries.child('known').inc(known)
    metrics?.entries.child('suspense').inc(suspense)
  }
  const { answers = 0, applied = 0, unknown = 0, unexpected = 0 } = one.answers ?? {}
  metrics?.answers.child('applied').inc(applied)
  metrics?.answers.child('unknown').inc(unknown)
  metrics?.answers.child('unexpected').inc(unexpected)
  events.bankFileTaken(log, {
    file: one.name,
    schema: one.schema ?? '',
    registered: one.registered ?? '',
    entries: one.reports.reduce((sum, { entries }) => sum + entries, 0),
    suspense: one.reports.reduce((sum, { suspense }) => sum + suspense, 0),
    answers,
    unexpected,
  })
}
