import { MizanError } from '../errors.ts'
import {
  batchFailed,
  laneFailed,
  laneFenced,
  laneRecovered,
  monthClosing,
  unexpectedError,
} from '../telemetry/events.ts'
import { LineLimit } from '../telemetry/line-limit.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { SECOND_MS } from '../time-units.ts'
import { systemTiming } from '../timing.ts'
import type { BatchReport, LaneObserver } from './observer.ts'

/** The same fault of a lane that cannot reach its database is said once in this time. */
const FAULT_QUIET_MS = 5_000
/** A full disk refuses every batch. */
const REFUSALS_PER_SECOND = 10
/** How often the log says how far the closing of a month is. */
const CLOSING_SAY_MS = 60_000

/** Makes the writer's events metrics and log lines. */
export function writerTelemetry(metrics: Metrics, log: Logger): LaneObserver {
  const outcomes = new Map(
    (['committed', 'refused', 'fenced', 'unknown'] as const).map((outcome) => [
      outcome,
      metrics.batches.child(outcome),
    ]),
  )
  const recoveringSinceMs = new Map<number, number>()
  const refusals = new LineLimit(REFUSALS_PER_SECOND)
  let faultSaidMs = Number.NEGATIVE_INFINITY
  let closingSaidMs = Number.NEGATIVE_INFINITY
  const closedMonth = new Map<number, number>()
  /** A batch of chores alone says nothing about requests. */
  const observeRequests = ({ size, queueMs, prefetchMs, decideMs }: BatchReport) => {
    metrics.batchSize.observe(size)
    metrics.stage.queue(queueMs / SECOND_MS)
    metrics.stage.prefetch(prefetchMs / SECOND_MS)
    metrics.stage.decide(decideMs / SECOND_MS / size)
  }
  return {
    batchDone(lane, report) {
      outcomes.get(report.outcome)?.inc()
      if (report.size > 0) observeRequests(report)
      metrics.commitSeconds.observe(report.commitMs / SECOND_MS)
      metrics.stage.commit(report.commitMs / SECOND_MS)
      metrics.ringDepth.set({ lane }, report.depth)
      metrics.ringRoom.set({ lane }, report.room)
      metrics.laneLastSeq.set({ lane }, report.seq)
      metrics.cacheHouseholds.set({ lane }, report.cachedHouseholds)
      if (report.cacheHits > 0) metrics.cacheHits.inc(report.cacheHits)
      if (report.cacheMisses > 0) metrics.cacheMisses.inc(report.cacheMisses)
    },
    batchRefused(lane, seq, size, sqlState, constraint, reason) {
      const error = new MizanError('STORE_REJECTED', `${sqlState} ${constraint} ${reason}`)
      refusals.say((left) => batchFailed(log, { lane, seq, size, outcome: 'not_committed', ...left }, error))
    },
    laneRecovering(lane) {
      if (!recoveringSinceMs.has(lane)) recoveringSinceMs.set(lane, systemTiming.monotonicMs())
    },
    laneRecovered(lane, epoch, lastSeq, committed) {
      const sinceMs = recoveringSinceMs.get(lane) ?? systemTiming.monotonicMs()
      recoveringSinceMs.delete(lane)
      metrics.laneEpoch.set({ lane }, epoch)
      laneRecovered(log, { lane, epoch, lastSeq, committed, tookMs: Math.round(systemTiming.monotonicMs() - sinceMs) })
    },
    laneFenced(lane, epoch) {
      laneFenced(log, { lane, epoch })
    },
    cacheWarmed(lane, households, filling) {
      metrics.cacheHouseholds.set({ lane }, households)
      metrics.cacheFilling.set({ lane }, filling ? 1 : 0)
    },
    laneFault(lane, error) {
      const nowMs = systemTiming.monotonicMs()
      if (nowMs - faultSaidMs < FAULT_QUIET_MS) return
      faultSaidMs = nowMs
      unexpectedError(log, { where: `lane ${lane}` }, error)
    },
    laneFailed(lane, error) {
      laneFailed(log, { lane }, error)
    },
    stoodIn(_lane, piasters) {
      metrics.host.standIns.child().inc()
      metrics.host.standInPiasters.child().inc(piasters)
    },
    closingProgress(lane, progress) {
      const { month, total, handed } = progress
      metrics.closingsLeft.set({ lane }, Math.max(0, total - handed))
      const nowMs = systemTiming.monotonicMs()
      const ends = total > 0 && handed >= total && closedMonth.get(lane) !== month
      if (total === 0 || (!ends && nowMs - closingSaidMs < CLOSING_SAY_MS)) return
      closingSaidMs = nowMs
      if (ends) closedMonth.set(lane, month)
      monthClosing(log, { lane, ...progress })
    },
    early91(_lane, reason) {
      metrics.early91.child(reason).inc()
    },
  }
}
