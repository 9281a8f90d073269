import { Counter, Gauge, type Registry } from 'prom-client'

/** Metrics of business days. */
export interface DayMetrics {
  /** Days whose end was asked for and that are not closed. */
  readonly closing: Gauge
  /** Of the oldest of them, the step that it is at. */
  readonly step: Gauge<'step' | 'state'>
  /** How long it has stood there without news; 0 = it is under way. */
  readonly stoppedSeconds: Gauge
  /** How long ago the oldest day that is over and not closed ended; 0 = none. */
  readonly overdueSeconds: Gauge
  readonly closed: Counter
}

/** Makes the metrics of business days on a registry. */
export function createDayMetrics(registry: Registry): DayMetrics {
  const registers = [registry]
  return {
    closing: new Gauge({
      name: 'mizan_business_days_closing',
      help: 'Business days whose end was asked for and that are not closed',
      registers,
    }),
    step: new Gauge({
      name: 'mizan_business_day_step',
      help: '1 for the step that the oldest business day is at, and its state; nothing when none is being closed',
      labelNames: ['step', 'state'],
      registers,
    }),
    stoppedSeconds: new Gauge({
      name: 'mizan_business_day_stopped_seconds',
      help: 'How long the step that the oldest business day is at waits, is blocked or fails for the same reason; 0 = it does not. Blocked or failed: at once to whoever is on call; waiting beyond some hours: nobody releases, or a receiver does not answer. `mizan cutover status` has its words',
      registers,
    }),
    overdueSeconds: new Gauge({
      name: 'mizan_business_day_overdue_seconds',
      help: 'How long ago the oldest business day that is over and not closed ended; 0 = none',
      registers,
    }),
    closed: new Counter({
      name: 'mizan_business_days_closed_total',
      help: 'Business days closed by this process',
      registers,
    }),
  }
}
