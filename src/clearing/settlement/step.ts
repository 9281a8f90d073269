import { civilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { formatPiasters } from '../../money.ts'
import { findLaterRun } from '../../store/clearing/settlement-runs.ts'
import { connect } from '../../store/connection.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { settlementDone, settlementNeedsData } from '../../telemetry/settlement-events.ts'
import type { DayStep } from '../day/step.ts'
import type { SettlementIdentity } from './files.ts'
import { settleRun } from './run.ts'

/** What the step is made of. */
export interface SettleStepOptions {
  readonly identity: SettlementIdentity
  /** Minutes after Cairo midnight at which the business day ends. */
  readonly cutoverMinutes: number
  /** How long to wait for the writer while nothing moves, in milliseconds. */
  readonly writerStallMs: number
}

/**
 * Step `settle` of a business day: works out what is payable, posts it and writes the instructions of the day; two
 * people let them go later.
 */
export function settleStep(options: SettleStepOptions): DayStep {
  return {
    name: 'settle',
    description: 'work out what is payable to outlets and institutions, post it, and write the payment instructions',
    async run({ businessDate, url, folder, signal, log, nowMs, progress }) {
      const client = await connect({ url, name: 'mizan settlement', role: 'mizan_app' })
      try {
        const later = await findLaterRun(client, businessDate)
        if (later !== undefined) return { state: 'done', words: `settled with ${formatDate(later.businessDate)}` }
        const key = { businessDate, cycle: 1, madeOn: civilDate(nowMs()) }
        const { run, postings, files } = await settleRun(client, { ...key, ...options, folder, signal, progress })
        report(log, formatDate(businessDate), { totals: run.totals, postings, files: files.length })
        const { payouts = 0, payoutPiasters = '0', nets = 0 } = run.totals
        const words =
          `${payouts} payout(s) of ${formatPiasters(BigInt(String(payoutPiasters)))} EGP and ${nets} net position(s), ` +
          `${postings} posting(s), ${files.length} file(s) to be released`
        return {
          state: 'done',
          words,
          detail: { ...(run.totals as Record<string, never>), files: files.map(({ name }) => name) },
        }
      } catch (error) {
        if (error instanceof MizanError && error.code === 'WRITER_SILENT') {
          return { state: 'waiting', words: `${error.message}: it goes on when a switch runs (mizan start)` }
        }
        throw error
      } finally {
        await client.end().catch(() => undefined)
      }
    },
  }
}

interface Made {
  readonly totals: Readonly<Record<string, unknown>>
  readonly postings: number
  readonly files: number
}

function report(log: Logger, businessDate: string, { totals, postings, files }: Made): void {
  const [payouts, nets] = [Number(totals.payouts ?? 0), Number(totals.nets ?? 0)]
  settlementDone(log, { businessDate, payouts, nets, postings, files })
  const withoutTariff = Number(totals.withoutTariff ?? 0)
  const waiting = (totals.waiting ?? {}) as Readonly<Record<string, { readonly accounts: number }>>
  const accountsWithoutBank = ['no-account', 'no-bank', 'no-institution'].reduce(
    (sum, note) => sum + (waiting[note]?.accounts ?? 0),
    0,
  )
  if (withoutTariff + accountsWithoutBank > 0) {
    settlementNeedsData(log, { businessDate, withoutTariff, accountsWithoutBank })
  }
}
