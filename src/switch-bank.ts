import path from 'node:path'
import type { BankReceiveContext } from './clearing/bank/receive.ts'
import type { Config } from './config/config.ts'
import type { BankReceiveJob } from './jobs/bank-receive-job.ts'
import type { Client } from './store/connection.ts'
import type { JobsWiring } from './switch-jobs.ts'
import { bankBalanceDiffers } from './telemetry/bank-events.ts'

/** What receiving files of banks goes by, as the configuration says; for the switch and for commands. */
export function bankContext(
  config: Config,
  by: { readonly client: Client; readonly actor: string; readonly nowMs: () => number; readonly signal?: AbortSignal },
): BankReceiveContext {
  const { folder, bank } = config.clearing
  return {
    ...by,
    folder: path.resolve(config.varDir, folder),
    stallMs: bank.writerStallMs,
    forgives: (code) => new Set(bank.forgive.find((one) => one.bank === code)?.kinds ?? []),
  }
}

/** What the job needs that receives what banks send. */
export function bankReceiving({ config, url, clock, log, bank }: JobsWiring): BankReceiveJob {
  return {
    url,
    log,
    metrics: bank,
    contextOf: (client, signal) => ({
      ...bankContext(config, { client, actor: 'job bank-files', nowMs: () => clock.now(), signal }),
      onDifference: ({ closingPiasters, ledgerPiasters, ...statement }) =>
        bankBalanceDiffers(log, {
          ...statement,
          closingPiasters: String(closingPiasters),
          ledgerPiasters: String(ledgerPiasters),
        }),
    }),
  }
}
