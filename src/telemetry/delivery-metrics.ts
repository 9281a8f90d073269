import { Gauge, type Registry } from 'prom-client'

/** Metrics of the delivery of clearing files. */
export interface DeliveryMetrics {
  readonly waiting: Gauge
  readonly failed: Gauge
  readonly oldestUndeliveredSeconds: Gauge
  readonly acknowledgementsOverdue: Gauge
  readonly fetchedWaiting: Gauge
  readonly fetchesRefused: Gauge
  readonly certificateExpiry: Gauge
}

/** Makes the metrics of the delivery of clearing files on a registry. */
export function createDeliveryMetrics(registry: Registry): DeliveryMetrics {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] })
  return {
    waiting: gauge('mizan_clearing_deliveries_waiting', 'Clearing files that wait to be delivered'),
    failed: gauge('mizan_clearing_deliveries_failed', 'Clearing files whose delivery somebody has to see to'),
    oldestUndeliveredSeconds: gauge(
      'mizan_clearing_oldest_undelivered_seconds',
      'Age of the oldest delivery that is not done; 0 = none',
    ),
    acknowledgementsOverdue: gauge(
      'mizan_clearing_acknowledgements_overdue',
      'Delivered clearing files whose receivers have not answered in time',
    ),
    fetchedWaiting: gauge('mizan_clearing_fetched_waiting', 'Fetched files that wait for who takes them'),
    fetchesRefused: gauge(
      'mizan_clearing_fetches_refused',
      'Files of partners that are refused as they were last put there',
    ),
    certificateExpiry: gauge(
      'mizan_clearing_certificate_expiry_timestamp_seconds',
      'End of the first certificate for clearing files that no newer one follows, seconds since 1970 UTC; 0 = none',
    ),
  }
}
