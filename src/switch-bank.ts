import path from 'node:path'
import type { BankReceiveContext } from './clearing/bank/receive.ts'
import { receivePartnersFile } from './clearing/bank/receive-partner.ts'
import type { FileReceiver } from './clearing/delivery/inbox.ts'
import type { Config } from './config/config.ts'
import { type BankReceiveJob, noteReceived, noteRefused } from './jobs/bank-receive-job.ts'
import type { Client } from './store/connection.ts'
import type { ReceivingWiring } from './switch-receiving.ts'
import { bankBalanceDiffers } from './telemetry/bank-events.ts'
import type { BankMetrics } from './telemetry/bank-metrics.ts'
import type { Logger } from './telemetry/logger.ts'

/** What receiving files of banks goes by, as the configuration says; for the switch and for commands. */
export function bankContext(
  config: Config,
  {
    log,
    ...by
  }: {
    readonly client: Client
    readonly actor: string
    readonly nowMs: () => number
    readonly signal?: AbortSignal
    /** Where a balance that is not the ledger's is told. */
    readonly log?: Logger
  },
): BankReceiveContext {
  const { bank } = config.clearing
  return {
    ...by,
    ...(log === undefined ? {} : { onDifference: differenceTold(log) }),
    folder: clearingFolder(config),
    stallMs: bank.writerStallMs,
    forgives: (code) => new Set(bank.forgive.find((one) => one.bank === code)?.kinds ?? []),
  }
}

function clearingFolder({ varDir, clearing }: Config): string {
  return path.resolve(varDir, clearing.folder)
}

function differenceTold(log: Logger): NonNullable<BankReceiveContext['onDifference']> {
  return ({ closingPiasters, ledgerPiasters, ...statement }) =>
    bankBalanceDiffers(log, {
      ...statement,
      closingPiasters: String(closingPiasters),
      ledgerPiasters: String(ledgerPiasters),
    })
}

/** Who takes what banks put into the places where files of partners are fetched. */
export function bankFileReceiver(
  config: Config,
  by: {
    readonly nowMs: () => number
    readonly open: <T>(work: (client: Client) => Promise<T>) => Promise<T>
    readonly metrics?: BankMetrics | undefined
  },
): FileReceiver {
  const { nowMs, open, metrics } = by
  return ({ log, signal, ...file }) =>
    open((client) =>
      receivePartnersFile(file, bankContext(config, { client, actor: 'job clearing-inbox', nowMs, signal, log }), {
        received: (received) => noteReceived(received, log, metrics),
        refused: ({ message: reason, refusal }) => noteRefused({ file: file.name, reason, refusal }, log, metrics),
      }),
    )
}

/** What the job needs that receives what banks send. */
export function bankReceiving({ config, url, clock, log, bank }: ReceivingWiring): BankReceiveJob {
  return {
    url,
    folder: clearingFolder(config),
    log,
    metrics: bank,
    contextOf: (client, signal) =>
      bankContext(config, { client, actor: 'job bank-files', nowMs: () => clock.now(), signal, log }),
  }
}
