import { Gauge, type Registry } from 'prom-client'
import type { Clock } from './calendar.ts'
import type { CarryOutOptions } from './clearing/carry-out.ts'
import { identityOf } from './clearing/settlement/identity.ts'
import type { Config } from './config/config.ts'
import { bankReceiveJob } from './jobs/bank-receive-job.ts'
import { clearingInboxJob } from './jobs/clearing-inbox-job.ts'
import { clearingRequestJob } from './jobs/clearing-request-job.ts'
import { networkReceiveJob } from './jobs/network-receive-job.ts'
import { programmeSimulationJob } from './jobs/programme-simulation-job.ts'
import type { NamedJob } from './jobs/scheduler.ts'
import type { WaitedForJob } from './jobs/waited-for-job.ts'
import type { Background } from './switch-background.ts'
import { bankReceiving } from './switch-bank.ts'
import type { SwitchBase } from './switch-base.ts'
import { fileStepOptions } from './switch-clearing-files.ts'
import { deliveryOptions, inboxFetching } from './switch-delivery.ts'
import type { OpenKeys } from './switch-keys.ts'
import { networkReceiving } from './switch-network-clearing.ts'
import { type BankMetrics, createBankMetrics } from './telemetry/bank-metrics.ts'
import { FastCounter } from './telemetry/counters.ts'
import { createDeliveryMetrics, type DeliveryMetrics } from './telemetry/delivery-metrics.ts'
import type { Logger } from './telemetry/logger.ts'
import { createNetworkClearingMetrics, type NetworkClearingMetrics } from './telemetry/network-clearing-metrics.ts'

/** What receiving the files of others needs. */
export interface ReceivingWiring {
  readonly config: Config
  readonly url: string
  readonly keys: Pick<OpenKeys, 'protection'>
  readonly clock: Clock
  readonly log: Logger
  readonly networkClearing: NetworkClearingMetrics
  readonly deliveries: DeliveryMetrics
  readonly bank: BankMetrics
}

/** What a run in another process counted there. */
export interface Counted {
  readonly name: string
  readonly values: readonly { readonly labels: Readonly<Record<string, string | number>>; readonly value: number }[]
}

/** How a job ended in another process. */
export interface JobOutcome {
  readonly words?: string
  readonly failure?: string
  readonly counted: readonly Counted[]
}

/**
 * The jobs that take whole files in (of the card network, of partners, of banks), that work on whole business dates,
 * and that read the journal of whole months.
 */
export function receivingJobs(wiring: ReceivingWiring): readonly WaitedForJob[] {
  return [
    networkReceiveJob(networkReceiving(wiring)),
    clearingInboxJob(inboxFetching(wiring)),
    bankReceiveJob(bankReceiving(wiring)),
    clearingRequestJob(carryingOut(wiring)),
    programmeSimulationJob(wiring),
  ]
}

/** What work on whole business dates is done with. */
function carryingOut({
  config,
  url,
  keys,
  clock,
}: Pick<ReceivingWiring, 'config' | 'url' | 'keys' | 'clock'>): CarryOutOptions {
  const { folder, settlement, reconciliation } = config.clearing
  return {
    url,
    folder,
    files: fileStepOptions(config, keys.protection),
    delivery: deliveryOptions(config),
    identity: identityOf(config.clearing),
    cutoverMinutes: config.businessDay.cutoverMinutes,
    writerStallMs: settlement.writerStallMs,
    reconciliation,
    clock,
  }
}

/** The same for a running switch: another process does them where there is one. */
export function openReceiving(
  { config, database, keys, clock, log, metrics }: SwitchBase,
  background: Background | undefined,
): readonly NamedJob[] {
  const jobs = receivingJobs({ config, url: database.url, keys, clock, log, ...metrics })
  return inBackground(jobs, background, metrics.registry)
}

/** The metrics of those jobs, on a registry. */
export function receivingMetrics(registry: Registry): Pick<ReceivingWiring, 'networkClearing' | 'deliveries' | 'bank'> {
  return {
    networkClearing: createNetworkClearingMetrics(registry),
    deliveries: createDeliveryMetrics(registry),
    bank: createBankMetrics(registry),
  }
}

/** The same jobs, run by another process; what that counts is added to what is counted here. */
export function inBackground(
  jobs: readonly WaitedForJob[],
  background: Background | undefined,
  registry: Registry,
): readonly NamedJob[] {
  if (background === undefined) return jobs
  return jobs.map((job) => ({
    ...job,
    async run(signal) {
      // Another process is begun for work alone. Why a look fails is for the run to say.
      const seen = await job.look().catch(() => undefined)
      if (seen !== undefined) return seen
      const { words = '', failure, counted } = await background.run('receive', { job: job.name }, signal)
      addCounted(registry, counted)
      if (failure !== undefined) throw new Error(failure)
      return words
    },
  }))
}

/**
 * Takes the value away that gauges have before anybody sets them: a run tells of those that it set itself, and leaves
 * the others as whoever sets them left them.
 */
export function forgetGauges(registry: Registry): void {
  for (const metric of registry.getMetricsAsArray() as unknown[]) if (metric instanceof Gauge) metric.remove()
}

/** What a registry holds, to be sent to another process. */
export async function countedIn(registry: Registry): Promise<Counted[]> {
  const metrics = await registry.getMetricsAsJSON()
  return metrics.map(({ name, values }) => ({
    name,
    values: values.map(({ labels, value }) => ({ labels: labels as Record<string, string | number>, value })),
  }))
}

/** Counters grow by what came; gauges become it. */
function addCounted(registry: Registry, counted: readonly Counted[]): void {
  for (const { name, values } of counted) {
    const metric: unknown = registry.getSingleMetric(name)
    for (const { labels, value } of values) {
      if (metric instanceof FastCounter) {
        metric.child(...metric.labelNames.map((label) => String(labels[label] ?? ''))).inc(value)
      } else if (metric instanceof Gauge) metric.set(labels, value)
    }
  }
}
