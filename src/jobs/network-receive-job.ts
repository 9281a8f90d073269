import { type FolderContext, isFileWaiting, receiveFolder } from '../clearing/incoming/folder.ts'
import { describeError } from '../errors.ts'
import type { Client } from '../store/connection.ts'
import { connect } from '../store/connection.ts'
import type { Logger } from '../telemetry/logger.ts'
import * as events from '../telemetry/network-clearing-events.ts'
import type { NetworkClearingMetrics } from '../telemetry/network-clearing-metrics.ts'
import type { WaitedForJob } from './waited-for-job.ts'

export interface NetworkReceiveJob {
  readonly url: string
  /** Where files of the network arrive. */
  readonly folder: string
  readonly log: Logger
  readonly metrics: NetworkClearingMetrics
  /** What receiving goes by now. */
  contextOf(client: Client, signal: AbortSignal): FolderContext
}

/** The job that receives what the card network put into the clearing folder. */
export function networkReceiveJob({ url, folder, log, metrics, contextOf }: NetworkReceiveJob): WaitedForJob {
  return {
    name: 'network-clearing',
    cron: '*/10 * * * *',
    description: 'receive clearing files of the card network from clearing/in',
    look: async () => ((await isFileWaiting(folder)) ? undefined : 'no file of the network waits'),
    async run(signal) {
      const client = await connect({ url, name: 'mizan network clearing', role: 'mizan_app' })
      let [processed, refused] = [0, 0]
      try {
        for await (const outcome of receiveFolder(folder, contextOf(client, signal))) {
          if ('refused' in outcome) {
            refused++
            const { refusal, message } = outcome.refused
            metrics.files.child(refusal).inc()
            events.networkFileRefused(log, { file: outcome.name, refusal, reason: message })
            continue
          }
          processed++
          const { file, transactions, totals, resumed } = outcome.received
          const count = (state: string) => totals.find((one) => one.state === state)?.items ?? 0
          metrics.files.child('processed').inc()
          for (const { state, items } of totals) metrics.items.child(state).inc(items)
          const figures = { exceptions: count('exception') + count('rejected'), duplicates: count('duplicate') }
          events.networkFileProcessed(log, { file: file.name, transactions, ...figures, resumed })
        }
      } catch (error) {
        if (!signal.aborted) events.networkFileWaits(log, { file: folder }, error)
        throw new Error(`stopped: ${describeError(error)}`, { cause: error })
      } finally {
        await client.end()
      }
      return `${processed} file(s) of the network processed, ${refused} refused`
    },
  }
}
