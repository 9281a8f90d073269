import type { Registry } from 'prom-client'
import { FastCounter } from './counters.ts'

/** Metrics of what the card network sends for clearing. */
export interface NetworkClearingMetrics {
  /** By result: processed, or why it was refused. */
  readonly files: FastCounter
  /** By state: matched, forced, exception, duplicate, rejected, disputed, noted. */
  readonly items: FastCounter
}

/** Makes the metrics of incoming clearing on a registry. */
export function createNetworkClearingMetrics(registry: Registry): NetworkClearingMetrics {
  return {
    files: new FastCounter(
      registry,
      'mizan_network_files_total',
      'Files of the card network that were processed or refused',
      ['result'],
    ),
    items: new FastCounter(
      registry,
      'mizan_network_items_total',
      'Transactions in files of the card network, by what became of them',
      ['state'],
    ),
  }
}
