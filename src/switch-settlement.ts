import { civilDate } from './calendar.ts'
import { instructionStates } from './store/clearing/settlement-instructions.ts'
import { type SettlementStanding, settlementStanding } from './store/clearing/settlement-standing.ts'
import type { SwitchBase } from './switch-base.ts'
import { lookEachMinute } from './switch-look.ts'
import type { Parts } from './switch-parts.ts'
import type { SettlementMetrics } from './telemetry/settlement-metrics.ts'

/** What ended well is not counted: it would only grow. */
const countedStates = instructionStates.filter((state) => state !== 'settled')

/** Keeps the metrics of settlement current. */
export function watchSettlement(base: SwitchBase, parts: Parts): void {
  const { clock, metrics } = base
  lookEachMinute(base, parts, 'mizan settlement watch', async (client) => {
    setStanding(metrics.settlement, await settlementStanding(client, civilDate(clock.now())), clock.now())
  })
}

/** Sets the metrics of settlement to how it stands. */
export function setStanding(metrics: SettlementMetrics, standing: SettlementStanding, nowMs: number): void {
  for (const state of countedStates) {
    const found = standing.instructions.find((one) => one.state === state)
    metrics.instructions.set({ state }, found?.count ?? 0)
    metrics.instructionPiasters.set({ state }, Number(found?.piasters ?? 0))
  }
  metrics.overdue.set(standing.overdue)
  const { oldestUnreleasedMs } = standing
  metrics.oldestUnreleasedSeconds.set(
    oldestUnreleasedMs === undefined ? 0 : Math.max(0, (nowMs - oldestUnreleasedMs) / 1_000),
  )
  for (const { bankCode: bank, outstandingPiasters, shortPiasters } of standing.funds) {
    metrics.outstandingPiasters.set({ bank }, Number(outstandingPiasters))
    metrics.shortPiasters.set({ bank }, Number(shortPiasters))
  }
  for (const { account, piasters } of standing.unreconciled) {
    metrics.unreconciledPiasters.set({ account }, Number(piasters))
  }
  metrics.suspendedOutlets.set(standing.suspendedOutlets)
  metrics.withoutTariff.set(standing.withoutTariff)
  metrics.accountsWaiting.reset()
  for (const [reason, { accounts }] of Object.entries(standing.waiting)) {
    metrics.accountsWaiting.set({ reason }, accounts)
  }
}
