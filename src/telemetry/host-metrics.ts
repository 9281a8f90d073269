import { Gauge, type Registry } from 'prom-client'
import { FastCounter, FastHistogram, type HistogramChild } from './counters.ts'

const HOST_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]

/** Metrics of accounts that are held at the Post's account host. */
export interface HostMetrics {
  readonly seconds: HistogramChild
  /** By verdict: approved, declined, unanswered, unreachable. */
  readonly verdicts: FastCounter
  readonly up: Gauge
  readonly inFlight: Gauge
  readonly standIns: FastCounter
  readonly standInPiasters: FastCounter
  readonly atRiskPiasters: Gauge
  readonly advicesWaiting: Gauge
  readonly exceptions: Gauge
  readonly exceptionPiasters: Gauge
}

/** Makes the metrics of the account host on a registry. */
export function createHostMetrics(registry: Registry): HostMetrics {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] })
  const counter = (name: string, help: string, labels: string[] = []) => new FastCounter(registry, name, help, labels)
  return {
    seconds: new FastHistogram(
      registry,
      'mizan_account_host_seconds',
      'Time of a request at the account host',
      HOST_BUCKETS,
    ).child(),
    verdicts: counter('mizan_account_host_verdicts_total', 'Requests to the account host by verdict', ['verdict']),
    up: gauge('mizan_account_host_up', 'Whether the account host is asked'),
    inFlight: gauge('mizan_account_host_in_flight', 'Requests that are at the account host'),
    standIns: counter('mizan_stand_in_approvals_total', 'Approvals in the place of the account host'),
    standInPiasters: counter('mizan_stand_in_piasters_total', 'Piasters approved in the place of the account host'),
    atRiskPiasters: gauge(
      'mizan_stand_in_at_risk_piasters',
      'Piasters that accounts at the host paid and that it has not taken yet',
    ),
    advicesWaiting: gauge('mizan_account_host_advices_waiting', 'Advices that the account host has not answered yet'),
    exceptions: gauge('mizan_account_host_exceptions', 'Exceptions with the account host that nobody has resolved'),
    exceptionPiasters: gauge('mizan_account_host_exception_piasters', 'Piasters of those exceptions'),
  }
}
