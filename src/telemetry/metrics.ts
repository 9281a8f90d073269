import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { createAvailabilityMetrics } from './availability-metrics.ts'
import { createBackupMetrics } from './backup-metrics.ts'
import { createBankMetrics } from './bank-metrics.ts'
import { createReconciliationMetrics } from './clearing-reconciliation-metrics.ts'
import { type CounterChild, FastCounter, FastHistogram, type HistogramChild } from './counters.ts'
import { createDayMetrics } from './day-metrics.ts'
import { createDeliveryMetrics } from './delivery-metrics.ts'
import { createForwardMetrics } from './forward-metrics.ts'
import { createHostMetrics } from './host-metrics.ts'
import { createNetworkClearingMetrics } from './network-clearing-metrics.ts'
import { createNotificationMetrics } from './notification-metrics.ts'
import { createSettlementMetrics } from './settlement-metrics.ts'

/** Stages of a request, in order; `total` runs from the frame's last byte to the answer's first. */
const stages = ['decode', 'queue', 'prefetch', 'decide', 'commit', 'encode', 'total'] as const
export type Stage = (typeof stages)[number]

/** Upper bounds in seconds: 50 µs to 5 s for the latencies of a link, and below that for the codec and the decision. */
const STAGE_BUCKETS = [
  0.000002, 0.000005, 0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
  0.2, 0.5, 1, 2, 5,
]
const COMMIT_BUCKETS = [0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 96, 128, 256, 512, 1024]

export type Metrics = ReturnType<typeof createMetrics>

/** Counters of one link, resolved; see {@link Metrics.link}. */
export interface LinkMetrics {
  /** Counts a request by its MTI. */
  request(mti: string): void
  /** Counts an answer by its DE39. */
  response(code: string): void
  /** Counts bytes that could not be framed or decoded. */
  frameRefused(reason: string): void
}

/**
 * Makes the metrics on a registry of their own; docs/metrics.md describes each. Histograms, and the counters of the
 * hot path, are cheap: some tens of nanoseconds an observation. Gauges are set about once a batch.
 */
export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] })
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new FastCounter(registry, name, help, labelNames)

  const stageSeconds = new FastHistogram(
    registry,
    'mizan_stage_seconds',
    'Time of a request in a stage',
    STAGE_BUCKETS,
    ['stage'],
  )
  const requests = counter('mizan_requests_total', 'Requests by link and MTI', ['link', 'type'])
  const responses = counter('mizan_responses_total', 'Answers by link and DE39', ['link', 'code'])
  const framesRefused = counter('mizan_frames_refused_total', 'Frames refused, by reason', ['listener', 'reason'])
  return {
    registry,
    /** Observers by stage, in seconds: `metrics.stage.decode(seconds)`. */
    stage: stageObservers(stageSeconds),
    requests,
    responses,
    framesRefused,
    /** The counters of a link by name; ask once per link. */
    link: (name: string) => linkMetrics(name, requests, responses, framesRefused),
    /** Requests in a committed batch. */
    batchSize: new FastHistogram(registry, 'mizan_batch_size', 'Requests in a batch', BATCH_BUCKETS).child(),
    /** Time of the commit statement, per batch. */
    commitSeconds: new FastHistogram(registry, 'mizan_commit_seconds', 'Time of a commit', COMMIT_BUCKETS).child(),
    /** By outcome: committed, not_committed, unknown, fenced. */
    batches: counter('mizan_batches_total', 'Batches by outcome', ['outcome']),
    cacheHits: counter('mizan_cache_hits_total', 'Households found in memory').child(),
    cacheMisses: counter('mizan_cache_misses_total', 'Households that had to be read').child(),
    cacheHouseholds: gauge('mizan_cache_households', 'Households in memory', ['lane']),
    cacheFilling: gauge('mizan_cache_filling', '1 while a lane still reads households ahead in its idle turns', [
      'lane',
    ]),
    ringDepth: gauge('mizan_ring_depth', 'Requests that wait in a lane', ['lane']),
    ringRoom: gauge('mizan_ring_room', 'New requests that may wait in a lane at its present speed', ['lane']),
    closingsLeft: gauge('mizan_calendar_households_left', 'Households whose past months are not closed yet', ['lane']),
    laneEpoch: gauge('mizan_lane_epoch', 'Epoch under which a lane is written', ['lane']),
    laneLastSeq: gauge('mizan_lane_last_seq', 'Number of the last committed batch of a lane', ['lane']),
    /** State connected or signed_on. */
    links: gauge('mizan_links', 'Open inbound links by listener and state', ['listener', 'state']),
    /** 1 while the link is usable. */
    tlsCertificateExpiry: gauge(
      'mizan_tls_certificate_expiry_timestamp_seconds',
      "End of a link's own certificate, seconds since 1970 UTC",
      ['link'],
    ),
    linkUp: gauge('mizan_link_up', 'Whether an outbound link or a listener is usable', ['link']),
    referenceOutlets: gauge('mizan_reference_outlets', 'Outlets that decisions know'),
    referenceChanges: counter('mizan_reference_changes_total', 'Changes of outlets and rollout taken over').child(),
    /** A fault counts once until changes can be read again. */
    referenceFailures: counter(
      'mizan_reference_failures_total',
      'Changes of outlets and rollout that could not be read',
    ).child(),
    programmeVersions: gauge('mizan_programme_versions', 'Published versions of programmes that decisions know'),
    programmeChanges: counter('mizan_programme_changes_total', 'Publications and withdrawals taken over').child(),
    /** A fault counts once until programmes can be taken over again. */
    programmeFailures: counter(
      'mizan_programme_failures_total',
      'Publications and withdrawals that could not be taken over',
    ).child(),
    unmatchedResponses: counter(
      'mizan_unmatched_responses_total',
      'Responses from a peer that match no request',
    ).child(),
    /** Reason: ring_full, link_share, in_flight, budget, starting, stopping, fenced, not_signed_on. */
    early91: counter('mizan_early_91_total', 'Requests answered 91 without being processed', ['reason']),
    /** Outcome: asked (no totals in it), agreed, differed, failed. */
    reconciliations: counter('mizan_acquirer_reconciliations_total', 'Reconciliation messages of acquirers', [
      'link',
      'outcome',
    ]),
    /** Answers that no link was left for: kept, and found by the repeat or reversal that follows. */
    undelivered: counter('mizan_undelivered_answers_total', 'Answers that could not be delivered', ['link']),
    forwards: createForwardMetrics(registry),
    bank: createBankMetrics(registry),
    networkClearing: createNetworkClearingMetrics(registry),
    notifications: createNotificationMetrics(registry),
    availability: createAvailabilityMetrics(registry),
    backups: createBackupMetrics(registry),
    days: createDayMetrics(registry),
    host: createHostMetrics(registry),
    reconciliation: createReconciliationMetrics(registry),
    deliveries: createDeliveryMetrics(registry),
    settlement: createSettlementMetrics(registry),
    /** The page in Prometheus' text format. */
    render: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function stageObservers(histogram: FastHistogram): Record<Stage, (seconds: number) => void> {
  const observer = (stage: Stage) => {
    const child: HistogramChild = histogram.child(stage)
    return (seconds: number) => child.observe(seconds)
  }
  return {
    decode: observer('decode'),
    queue: observer('queue'),
    prefetch: observer('prefetch'),
    decide: observer('decide'),
    commit: observer('commit'),
    encode: observer('encode'),
    total: observer('total'),
  }
}

function linkMetrics(
  link: string,
  requests: FastCounter,
  responses: FastCounter,
  framesRefused: FastCounter,
): LinkMetrics {
  const counted = (counter: FastCounter) => {
    const children = new Map<string, CounterChild>()
    return (value: string) => {
      const known = children.get(value)
      if (known !== undefined) return known.inc()
      const child = counter.child(link, value)
      // The counter bounds the label sets; the shortcut must not outgrow it.
      if (children.size < 100) children.set(value, child)
      child.inc()
    }
  }
  return { request: counted(requests), response: counted(responses), frameRefused: counted(framesRefused) }
}
