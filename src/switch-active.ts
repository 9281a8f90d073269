import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HealthCheck } from './api/health.ts'
import type { DecisionPolicy } from './authorization/decision.ts'
import type { Config } from './config/config.ts'
import type { NetworkLink } from './link/network-link.ts'
import type { Listener } from './link/server.ts'
import type { LaneEpoch } from './store/availability.ts'
import { cardLaneLookup } from './store/card-lookup.ts'
import { commandInbox } from './store/command-inbox.ts'
import { dueClosingQuery } from './store/due-closings.ts'
import { dueHoldQuery } from './store/due-holds.ts'
import { NetworkCutovers } from './store/network-cutover.ts'
import type { ReferenceData } from './store/reference-data.ts'
import { accountHostPolicy, type OpenAccountHost, openAccountHost } from './switch-account-host.ts'
import { openBackground } from './switch-background.ts'
import type { SwitchBase } from './switch-base.ts'
import { openDays } from './switch-clearing.ts'
import { openClearingReconciliation } from './switch-clearing-reconciliation.ts'
import { type Forwarding, openForwarding } from './switch-forward.ts'
import { openJobs } from './switch-jobs.ts'
import { type LinkWiring, openListeners, openNetworkLinks } from './switch-links.ts'
import { Parts, within } from './switch-parts.ts'
import { openReceiving } from './switch-receiving.ts'
import { openReconciliation } from './switch-reconciliation.ts'
import { watchSettlement } from './switch-settlement.ts'
import * as events from './telemetry/events.ts'
import { networkCutover } from './telemetry/forward-events.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { writeWholeFile } from './whole-file.ts'
import { Authenticator } from './writer/authenticator.ts'
import type { LaneObserver } from './writer/observer.ts'
import { writerTelemetry } from './writer/telemetry.ts'
import { Writer } from './writer/writer.ts'

/** Ports by name; 0 = not open. */
export interface SwitchPorts {
  readonly ascii: number
  readonly visa: number
  readonly bcd: number
  readonly http: number
}

/** A switch that writes its lanes and answers. */
export interface ActiveSwitch {
  readonly ports: SwitchPorts
  /** What must work for it to be ready. */
  checks(): Readonly<Record<string, HealthCheck>>
  /** Brings the gauges that are read, not counted, up to date. */
  sample(): void
  /** The lanes with their epochs; one that recovers is not running. */
  lanes(): readonly (LaneEpoch & { readonly running: boolean })[]
  /**
   * Closes the links in order and ends the jobs; the lanes go on for whoever else asks. Idempotent.
   * @param drainMs how long links may take to fall silent. @default that of the configuration
   */
  drain(drainMs?: number): Promise<void>
  /**
   * Drains, then stops all this. Idempotent.
   * @param hurry how long links may take to fall silent, and all of it together. @default as long as it takes
   * @returns whether everything stopped as it should
   */
  stop(hurry?: { readonly drainMs: number; readonly allMs: number }): Promise<boolean>
}

/** How the lanes are taken. */
export interface ActivateOptions {
  /** By lane: only while they are under these epochs. @default whatever they are under */
  readonly expectedEpochs?: readonly number[]
  /** Another process has taken a lane over; may be called before {@link activate} resolves, and more than once. */
  readonly onFenced: () => void
  /** A defect ended a lane; as {@link onFenced}. */
  readonly onFailed: () => void
}

/**
 * Takes the lanes over, opens the links and starts the jobs; `run/listeners.json` of the data folder then says where.
 * @throws MizanError LANE_FENCED when another process was faster, or what else is wrong; nothing is left running then
 */
export async function activate(base: SwitchBase, httpPort: number, options: ActivateOptions): Promise<ActiveSwitch> {
  const parts = new Parts(base.log)
  try {
    return await open(base, httpPort, options, parts)
  } catch (error) {
    await parts.stop()
    throw error
  }
}

async function open(base: SwitchBase, httpPort: number, options: ActivateOptions, parts: Parts): Promise<ActiveSwitch> {
  const { config, clock, log, metrics, database, keys, programmes } = base
  const accountHost = await openAccountHost(base)
  parts.add(() => accountHost?.close())
  const writer = await startWriter(base, accountHost, options, parts)
  const cutovers = new NetworkCutovers(database.url)
  parts.add(() => cutovers.close())
  const reconcile = openReconciliation(base, () => writer.businessDate, parts)
  const background = openBackground(base, parts)
  const days = openDays(base, parts, background)
  let forwarding: Forwarding | undefined
  const wiring: LinkWiring = {
    config,
    decider: writer,
    panIndexOf: (pan) => keys.protection.index(pan),
    metrics,
    log,
    clock,
    security: keys.module,
    onKeyExchange: base.keyService.takeZoneKey,
    onCutover: async (cutover) => {
      const isNew = await cutovers.note(cutover)
      await days.onNetworkCutover(cutover)
      if (isNew) networkCutover(log, { link: cutover.link, settlementDate: cutover.settlementDate ?? '' })
    },
    onReconciliation: reconcile,
    onLinkChange: (name) => forwarding?.linkChanged(name),
  }
  const listeners = await openListeners(wiring)
  parts.add(() => Promise.all(listeners.map((listener) => listener.close())))
  const networkLinks = openNetworkLinks(wiring)
  accountHost?.attach(networkLinks)
  parts.add(() => {
    for (const link of networkLinks) link.close()
  })
  const sending = openForwarding(base, networkLinks)
  forwarding = sending
  parts.add(() => sending.close())
  watchSettlement(base, parts)
  const jobs = openJobs({
    config,
    url: database.url,
    jobs: [
      ...base.backups.jobs,
      ...days.jobs,
      ...openClearingReconciliation(base, parts),
      ...openReceiving(base, background),
    ],
    keys,
    programmesOn: programmes.on,
    clock,
    metrics: metrics.notifications,
    log,
  })
  parts.add(() => jobs?.close())
  const ports = portsOf(listeners, httpPort)
  const announcement = announce(config.varDir, ports)
  const withdraw = () => rmSync(announcement, { force: true })
  parts.add(withdraw)
  const helpers = [() => sending.close(), () => days.close(), async () => jobs?.close()]
  let draining: Promise<void> | undefined
  const drain = (drainMs?: number) => {
    const hurried = drainMs === undefined ? {} : { noticeMs: 0, drainMs }
    draining ??= drainAll({ ...config.shutdown, ...hurried }, { withdraw, listeners, networkLinks, helpers })
    return draining
  }
  return {
    ports,
    checks: () => ({ ...sending.checks(), ...checksOf(writer, listeners, accountHost) }),
    sample: () => {
      sampleLinks(metrics, listeners, networkLinks)
      sending.sample()
      metrics.host.inFlight.set(writer.lanes.reduce((sum, lane) => sum + lane.atHost, 0))
      if (accountHost !== undefined) metrics.host.up.set(accountHost.state === 'up' ? 1 : 0)
    },
    lanes: () => writer.lanes.map(({ lane, epoch, state }) => ({ lane, epoch, running: state === 'running' })),
    drain,
    stop: async (hurry) => {
      const endMs = performance.now() + (hurry?.allMs ?? Number.POSITIVE_INFINITY)
      const drained = drain(hurry?.drainMs)
      const isDrained = await (hurry === undefined ? drained : within(hurry.allMs, () => drained)).then(
        () => true,
        (error: unknown) => {
          events.unexpectedError(log, { where: 'drain' }, error)
          return false
        },
      )
      return (await parts.stop(endMs - performance.now())) && isDrained
    },
  }
}

interface Drained {
  /** Takes back the word that the switch answers. */
  readonly withdraw: () => void
  readonly listeners: readonly Listener[]
  readonly networkLinks: readonly NetworkLink[]
  /** What ends meanwhile. */
  readonly helpers: readonly (() => Promise<unknown>)[]
}

/**
 * Closes links that have fallen silent. Those that the switch opened itself come last: what is in flight may still need
 * them.
 */
async function drainAll(
  { noticeMs, quietMs, drainMs }: Config['shutdown'],
  { withdraw, listeners, networkLinks, helpers }: Drained,
): Promise<void> {
  withdraw()
  if (noticeMs > 0) await sleep(noticeMs)
  const ended = await Promise.allSettled([
    ...listeners.map((listener) => listener.drain(drainMs, quietMs)),
    ...helpers.map((end) => end()),
  ])
  await Promise.all(networkLinks.map((link) => link.drain(drainMs, quietMs)))
  for (const one of ended) if (one.status === 'rejected') throw one.reason
}

async function startWriter(
  base: SwitchBase,
  accountHost: OpenAccountHost | undefined,
  options: ActivateOptions,
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
  return { validMs: validMinutes * 60_000, triesMax, perDayMax }
}

/** An observer that also says that a lane was lost, to another process or by a defect. */
function lossesTold(
  observer: LaneObserver,
  { onFenced, onFailed }: Pick<ActivateOptions, 'onFenced' | 'onFailed'>,
): LaneObserver {
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

function checksOf(
  writer: Writer,
  listeners: readonly Listener[],
  accountHost: OpenAccountHost | undefined,
): Record<string, HealthCheck> {
  const checks: Record<string, HealthCheck> = {}
  for (const lane of writer.lanes) {
    checks[`lane ${lane.lane}`] = { ready: lane.state === 'running', detail: lane.state }
  }
  for (const { name, port } of listeners) checks[`listener ${name}`] = { ready: true, detail: `port ${port}` }
  // Without it stand-in decides: that is no reason to send nobody here.
  if (accountHost !== undefined) checks['account host'] = { ready: true, detail: accountHost.state }
  checks.database = { ready: writer.ready }
  return checks
}

/** The states of links, read when the metrics are asked for. */
function sampleLinks(metrics: Metrics, listeners: readonly Listener[], networkLinks: readonly NetworkLink[]): void {
  for (const listener of listeners) {
    const counts: Record<string, number> = { 'signed-on': 0, 'signed-off': 0, draining: 0 }
    for (const { state } of listener.links()) counts[state] = (counts[state] ?? 0) + 1
    for (const state in counts) metrics.links.set({ listener: listener.name, state }, counts[state] ?? 0)
    metrics.linkUp.set({ link: listener.name }, 1)
  }
  for (const link of networkLinks) metrics.linkUp.set({ link: link.name }, link.state === 'up' ? 1 : 0)
}

function portsOf(listeners: readonly Listener[], http: number): SwitchPorts {
  const port = (name: string) => listeners.find((listener) => listener.name === name)?.port ?? 0
  return { ascii: port('ascii'), visa: port('visa'), bcd: port('bcd'), http }
}

/** Says where the switch listens, for whoever waits for it. */
function announce(varDir: string, ports: SwitchPorts): string {
  const file = path.join(varDir, 'run', 'listeners.json')
  mkdirSync(path.dirname(file), { recursive: true })
  writeWholeFile(file, `${JSON.stringify({ ...ports, pid: process.pid })}\n`)
  return file
}
