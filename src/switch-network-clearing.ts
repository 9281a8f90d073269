import path from 'node:path'
import { businessDate } from './calendar.ts'
import type { ReceiveContext } from './clearing/incoming/receive.ts'
import { shippedTolerances } from './clearing/incoming/tolerance.ts'
import type { Config } from './config/config.ts'
import type { NetworkReceiveJob } from './jobs/network-receive-job.ts'
import type { Client } from './store/connection.ts'
import type { ReceivingWiring } from './switch-receiving.ts'

/** What receiving files of the network goes by, as the configuration says; for the switch and for commands. */
export function receiveContext(
  config: Config,
  by: {
    readonly client: Client
    readonly nowMs: number
    readonly actor: string
    readonly panIndexOf: (pan: string) => string
    readonly signal?: AbortSignal
    /** Whether the same file may be given again; see {@link ReceiveContext}. */
    readonly acceptsAgain?: boolean
    readonly onProgress?: (done: number, total: number) => void
  },
): ReceiveContext {
  const { clearing, businessDay } = config
  const { lateAfterDays, forcePostMaxPiasters, overTolerance, writerStallMs } = clearing.incoming
  const { nowMs, ...rest } = by
  return {
    ...rest,
    policy: { tolerances: shippedTolerances(), lateAfterDays, forcePostMaxPiasters, overTolerance },
    today: businessDate(nowMs, businessDay.cutoverMinutes),
    processingBin: clearing.processingBin,
    isProduction: !clearing.testFiles,
    batchItems: clearing.batchItems,
    stallMs: writerStallMs,
  }
}

/** Where files of the network arrive. */
export function networkFolder({ varDir, clearing }: Config): string {
  return path.resolve(varDir, clearing.folder, 'in')
}

/** What the job needs that receives the network's files. */
export function networkReceiving({
  config,
  url,
  keys,
  clock,
  log,
  networkClearing,
}: ReceivingWiring): NetworkReceiveJob {
  return {
    url,
    folder: networkFolder(config),
    log,
    metrics: networkClearing,
    contextOf: (client, signal) =>
      receiveContext(config, {
        client,
        nowMs: clock.now(),
        actor: 'job network-clearing',
        panIndexOf: (pan) => keys.protection.index(pan),
        signal,
      }),
  }
}
