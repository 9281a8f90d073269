import { Gauge, type Registry } from 'prom-client'
import { FastCounter } from './counters.ts'

/** Metrics of the messages that Mizan itself sends, by destination. */
export interface ForwardMetrics {
  readonly waiting: Gauge<'destination'>
  readonly oldestSeconds: Gauge<'destination'>
  readonly dead: Gauge<'destination'>
  /** By destination and event: sent, acknowledged, refused, put-off, timeout, link-lost, late, given-up. */
  readonly events: FastCounter
}

/** Makes the metrics of forwarding on a registry. */
export function createForwardMetrics(registry: Registry): ForwardMetrics {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['destination'] as const, registers: [registry] })
  return {
    waiting: gauge('mizan_outbound_waiting', 'Messages of our own that are not answered yet, up to 100,000'),
    oldestSeconds: gauge('mizan_outbound_oldest_seconds', 'Age of the oldest message of our own that is not answered'),
    dead: gauge('mizan_outbound_dead', 'Dead letters that nobody has seen to, up to 100,000'),
    events: new FastCounter(registry, 'mizan_outbound_events_total', 'Sendings and what came of them', [
      'destination',
      'event',
    ]),
  }
}
