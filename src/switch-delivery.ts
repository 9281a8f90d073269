import path from 'node:path'
import type { DayStep } from './clearing/day/step.ts'
import { acknowledgeStep } from './clearing/delivery/acknowledge-step.ts'
import { acknowledgementReceiver } from './clearing/delivery/acknowledgement-file.ts'
import { onConnection } from './clearing/delivery/day-files.ts'
import { deliverStep } from './clearing/delivery/deliver-step.ts'
import { fetchFiles } from './clearing/delivery/fetch-run.ts'
import type { FileReceiver, FileReceivers } from './clearing/delivery/inbox.ts'
import type { DeliveryOptions } from './clearing/delivery/options.ts'
import { signStep } from './clearing/delivery/sign-step.ts'
import { receiveNetworkFile } from './clearing/incoming/receive.ts'
import { type KeySeal, keySeal } from './clearing/protection/key-seal.ts'
import type { Config } from './config/config.ts'
import { masterKeySource } from './config/master-key-source.ts'
import { MizanError } from './errors.ts'
import type { ClearingInboxJobOptions } from './jobs/clearing-inbox-job.ts'
import { loadMasterKey } from './security/master-key.ts'
import { bankFileReceiver } from './switch-bank.ts'
import { receiveContext } from './switch-network-clearing.ts'
import type { ReceivingWiring } from './switch-receiving.ts'
import type { BankMetrics } from './telemetry/bank-metrics.ts'

/** What protection and delivery of clearing files go by, of the configuration. */
export function deliveryOptions(config: Config): DeliveryOptions {
  const { clearing, environment, varDir } = config
  const { delivery } = clearing
  let seal: Promise<KeySeal> | undefined
  return {
    ...delivery,
    folder: clearing.folder,
    isProduction: environment === 'production',
    releaseRequired: clearing.release.required,
    openSeal() {
      seal ??= loadMasterKey(masterKeySource(config)).then(keySeal)
      seal.catch(() => {
        seal = undefined
      })
      return seal
    },
    demoFolder: path.join(varDir, 'demo', 'clearing'),
  }
}

/** What the receivers of partners' files work with. */
export interface ReceiverTools {
  readonly config: Config
  readonly url: string
  readonly nowMs: () => number
  readonly panIndexOf: (pan: string) => string
  /** Of what banks send; a command has none. */
  readonly bank?: BankMetrics | undefined
}

/**
 * Who takes which files of partners: answers in our own format, files of the card network, and what settlement banks
 * send: of those the message says what it is, whatever the type in its name.
 */
export function fileReceivers(options: DeliveryOptions, tools: ReceiverTools): FileReceivers {
  const { config, url, nowMs, panIndexOf, bank: metrics } = tools
  const open = <T>(work: Parameters<typeof onConnection<T>>[2]) => onConnection(url, 'mizan clearing receiver', work)
  const network: FileReceiver = ({ path: file, signal }) =>
    open(async (client) => {
      // A fetch that was cut off gives a file again that is processed: it is answered as it was, and not refused as
      // repeated.
      const by = { client, nowMs: nowMs(), actor: 'job clearing-inbox', panIndexOf, signal, acceptsAgain: () => true }
      const { transactions } = await receiveNetworkFile(file, receiveContext(config, by)).catch(offerAgain)
      return `${transactions} transactions of the network`
    })
  const bank = bankFileReceiver(config, { nowMs, open, metrics })
  const ack = acknowledgementReceiver(options, open)
  return { ACK: ack, CTF: network, ITF: network, STM: bank, STS: bank, RET: bank }
}

/**
 * Another process that receives, or a file before this one that is not done, is no fault of this file: it is offered
 * again. What lies in the file itself is told as `FileRefused`.
 */
function offerAgain(error: unknown): never {
  if (error instanceof MizanError && error.code === 'CONFLICT') throw new Error(error.message, { cause: error })
  throw error
}

/** What the job needs that fetches files of partners. */
export function inboxFetching({
  config,
  url,
  keys,
  clock,
  log,
  deliveries,
  bank,
}: ReceivingWiring): ClearingInboxJobOptions {
  const delivery = deliveryOptions(config)
  const nowMs = () => clock.now()
  const panIndexOf = (pan: string) => keys.protection.index(pan)
  const receivers = fileReceivers(delivery, { config, url, nowMs, panIndexOf, bank })
  return { url, delivery, receivers, metrics: deliveries, nowMs, log }
}

/**
 * The steps of a business day that protect its files and bring them to their receivers. The last one takes answers in
 * our own format itself; whatever else has arrived is the job's.
 */
export function deliverySteps(options: DeliveryOptions): readonly DayStep[] {
  const acknowledge = acknowledgeStep(async (work, url) => {
    const open = <T>(work: Parameters<typeof onConnection<T>>[2]) => onConnection(url, 'mizan clearing receiver', work)
    await fetchFiles(url, options, { ACK: acknowledgementReceiver(options, open) }, work)
  })
  return [signStep(options), deliverStep(options), acknowledge]
}
