import t from 'tap'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import type { BatchReport } from '../../src/writer/observer.ts'
import { writerTelemetry } from '../../src/writer/telemetry.ts'

const report: BatchReport = {
  outcome: 'committed',
  seq: 7,
  size: 4,
  queueMs: 1,
  prefetchMs: 1,
  decideMs: 4,
  commitMs: 2,
  depth: 0,
  room: 9,
  cachedHouseholds: 10,
  cacheHits: 1,
  cacheMisses: 1,
}

t.test('a batch of chores alone says nothing about requests', async (t) => {
  const metrics = createMetrics()
  const telemetry = writerTelemetry(metrics, createLogger({ level: 'silent', pretty: false }))
  telemetry.batchDone?.(0, report)
  telemetry.batchDone?.(0, { ...report, seq: 8, size: 0 })
  const text = await metrics.render()
  const figure = (name: string) => {
    const line = text.split('\n').find((one) => one.startsWith(`${name} `))
    return line === undefined ? undefined : Number(line.slice(name.length + 1))
  }
  t.equal(figure('mizan_stage_seconds_sum{stage="decide"}'), 0.001, 'a request took a millisecond')
  t.equal(figure('mizan_stage_seconds_count{stage="decide"}'), 1)
  t.equal(figure('mizan_stage_seconds_count{stage="commit"}'), 2)
  t.equal(figure('mizan_batch_size_count'), 1)
  t.equal(figure('mizan_lane_last_seq{lane="0"}'), 8)
})
