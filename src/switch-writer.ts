import type { DecisionPolicy } from './authorization/decision.ts'
import type { Config } from './config/config.ts'
import { cardLaneLookup } from './store/card-lookup.ts'
import { commandInbox } from './store/command-inbox.ts'
import { dueClosingQuery } from './store/due-closings.ts'
import { dueHoldQuery } from './store/due-holds.ts'
import type { ReferenceData } from './store/reference-data.ts'
import { accountHostPolicy, type OpenAccountHost } from './switch-account-host.ts'
import type { SwitchBase } from './switch-base.ts'
import type { Parts } from './switch-parts.ts'
import * as events from './telemetry/events.ts'
import { MINUTE_MS } from './time-units.ts'
import { Authenticator } from './writer/authenticator.ts'
import type { LaneObserver } from './writer/observer.ts'
import { writerTelemetry } from './writer/telemetry.ts'
import { Writer } from './writer/writer.ts'

/** How the lanes are taken. */
export interface LaneOptions {
  /** By lane: only while they are under these epochs. @default whatever they are under */
  readonly expectedEpochs?: readonly number[]
  /** Another process has taken a lane over; may be called before the writer has started, and more than once. */
  readonly onFenced: () => void
  /** A defect ended a lane; as {@link onFenced}. */
  readonly onFailed: () => void
}

/**
 * Takes the lanes over, and decides what they are given from then on.
 * @param parts gets what is to be stopped
 * @throws MizanError LANE_FENCED when another process was faster; STORE_UNAVAILABLE
 */
export async function startWriter(
  base: SwitchBase,
  accountHost: OpenAccountHost | undefined,
  options: LaneOptions,
  parts: Parts,
): Promise<Writer> {
  const { config, clock, log, metrics, database, keys, reference, programmes } = base
  const directory = cardLaneLookup(database.url)
  parts.add(() => directory.close())
  const holds = dueHoldQuery(database.url)
  parts.add(() => holds.close())
  const closings = dueClosingQuery(database.url)
  parts.add(() => closings.close())
  const inbox = commandInbox(database.url)
  parts.add(() => inbox.close())
  const writer = new Writer({
    url: database.url,
    laneCount: config.lanes.count,
    limits: {
      ringCapacity: config.lanes.ringCapacity,
      queueMs: config.lanes.queueMs,
      batchMax: config.lanes.batchMax,
      cacheHouseholds: Math.ceil(config.lanes.cacheHouseholds / config.lanes.count),
      recentKeys: config.lanes.recentKeys,
      matchingDays: config.lanes.matchingDays,
      cutoverMinutes: config.businessDay.cutoverMinutes,
    },
    authenticator: new Authenticator(keys.module),
    rules: {
      programmesOn: programmes.on,
      policy: policyOf(config, reference.data),
      outletByAcceptor: reference.data.outletByAcceptor,
    },
    clock,
    observer: lossesTold(writerTelemetry(metrics, log), options),
    timeBudgetMs: config.lanes.timeBudgetMs,
    commitTimeoutMs: config.database.statementTimeoutMs,
    lookup: directory.lookup,
    dueHolds: holds.query,
    dueClosings: closings,
    closingsPerSecond: config.lanes.closingsPerSecond,
    inbox,
    host: accountHost?.access,
  })
  parts.add(() => writer.stop())
  await writer.start(options.expectedEpochs)
  for (const lane of writer.lanes) {
    metrics.laneEpoch.set({ lane: lane.lane }, lane.epoch)
    events.laneStarted(log, { lane: lane.lane, epoch: lane.epoch, lastSeq: lane.lastSeq })
  }
  return writer
}

function codeRulesOf({ verification: { oneTimeCode } }: Config): DecisionPolicy['oneTimeCode'] {
  const { validMinutes, triesMax, perDayMax } = oneTimeCode
  return { validMs: validMinutes * MINUTE_MS, triesMax, perDayMax }
}

/** An observer that also says that a lane was lost, to another process or by a defect. */
function lossesTold(observer: LaneObserver, { onFenced, onFailed }: LaneOptions): LaneObserver {
  return {
    ...observer,
    laneFenced(lane, epoch) {
      observer.laneFenced?.(lane, epoch)
      onFenced()
    },
    laneFailed(lane, error) {
      observer.laneFailed?.(lane, error)
      onFailed()
    },
  }
}

function policyOf(config: Config, reference: ReferenceData): DecisionPolicy {
  return {
    withdrawalDailyPiasters: config.limits.withdrawalDailyPiasters,
    withdrawalDailyCount: config.limits.withdrawalDailyCount,
    purchaseSinglePiasters: config.limits.purchaseSinglePiasters ?? Number.MAX_SAFE_INTEGER,
    holdDays: config.limits.holdDays,
    pinTriesMax: config.verification.pinTriesMax,
    oneTimeCode: codeRulesOf(config),
    chipDataRequired: config.verification.chipDataRequired,
    pinRequired: (type) => config.verification.pinRequiredFor.includes(type),
    serviceLiveFrom: reference.serviceLiveFrom,
    accountHost: accountHostPolicy(config),
  }
}
