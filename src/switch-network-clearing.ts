import path from 'node:path'
import { businessDate } from './calendar.ts'
import type { FolderContext } from './clearing/incoming/folder.ts'
import type { ReceiveContext } from './clearing/incoming/receive-context.ts'
import { shippedTolerances } from './clearing/incoming/tolerance.ts'
import { keepEncrypted } from './clearing/protection/keep-encrypted.ts'
import { keySeal } from './clearing/protection/key-seal.ts'
import type { Config } from './config/config.ts'
import { masterKeySource } from './config/master-key-source.ts'
import type { NetworkReceiveJob } from './jobs/network-receive-job.ts'
import { loadMasterKey } from './security/master-key.ts'
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
    readonly acceptsAgain?: () => boolean
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

/** The same for the files that wait in the clearing folder. */
export function folderContext(config: Config, by: Parameters<typeof receiveContext>[1]): FolderContext {
  const { environment, clearing } = config
  const { client, nowMs } = by
  return {
    ...receiveContext(config, by),
    async keep(file, target) {
      const seal = keySeal(await loadMasterKey(masterKeySource(config)))
      const isProduction = environment === 'production'
      await keepEncrypted(client, { seal, nowMs, isProduction, cipher: clearing.delivery.cipher }, file, target)
    },
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
      folderContext(config, {
        client,
        nowMs: clock.now(),
        actor: 'job network-clearing',
        panIndexOf: (pan) => keys.protection.index(pan),
        signal,
      }),
  }
}
