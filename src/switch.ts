import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { HealthReport } from './api/health.ts'
import { type HttpServer, startHttpServer } from './api/http-server.ts'
import type { DecisionPolicy } from './authorization/decision.ts'
import { programmeCatalogue } from './benefit/programme-book.ts'
import { shippedProgrammes } from './benefit/shipped-programmes.ts'
import type { Clock } from './calendar.ts'
import type { Config } from './config/config.ts'
import { masterKeySource } from './config/master-key-source.ts'
import type { NetworkLink } from './link/network-link.ts'
import type { Listener } from './link/server.ts'
import { loadMasterKey, type MasterKey } from './security/master-key.ts'
import { requireSelfTest } from './security/self-test.ts'
import { assertNoDemoKeys, installDemoKeys } from './simulator/demo-key-store.ts'
import { loadDemoWorld, writeWorldFile } from './simulator/load-world.ts'
import { cardLaneLookup } from './store/card-lookup.ts'
import { commandInbox } from './store/command-inbox.ts'
import { type DatabaseHandle, openDatabase } from './store/database-location.ts'
import { dueClosingQuery } from './store/due-closings.ts'
import { dueHoldQuery } from './store/due-holds.ts'
import { prepareDatabase } from './store/installation.ts'
import type { ReferenceData } from './store/reference-data.ts'
import { makeDemoUsers, openApi } from './switch-api.ts'
import { openJobs } from './switch-jobs.ts'
import { KeyService, type OpenKeys, openKeys } from './switch-keys.ts'
import { type LinkWiring, openListeners, openNetworkLinks } from './switch-links.ts'
import { openProgrammes } from './switch-programmes.ts'
import { openReferenceData } from './switch-reference.ts'
import * as events from './telemetry/events.ts'
import { keysOpened } from './telemetry/key-events.ts'
import { createLogger, type Logger } from './telemetry/logger.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'
import { writeWholeFile } from './whole-file.ts'
import { Authenticator } from './writer/authenticator.ts'
import { writerTelemetry } from './writer/telemetry.ts'
import { Writer } from './writer/writer.ts'

/** A running switch. */
export interface Switch {
  readonly ports: { readonly ascii: number; readonly visa: number; readonly bcd: number; readonly http: number }
  /** Answers what is in flight, then stops everything. Idempotent. */
  stop(reason: string): Promise<void>
}

const systemClock: Clock = { now: () => Date.now() }
const DRAIN_MS = 10_000

/**
 * Builds and starts the whole switch: database, master data, lanes, listeners, HTTP. It is ready to answer when this
 * resolves; `run/listeners.json` of the data folder then says where.
 * @param clock dates what is decided; a test or a simulation brings its own
 * @throws MizanError with what is wrong and the way out; nothing is left running then
 */
export async function startSwitch(config: Config, version: string, clock: Clock = systemClock): Promise<Switch> {
  const log = createLogger({ level: config.log.level, pretty: config.log.pretty })
  const started: (() => Promise<unknown>)[] = []
  const undo = async () => {
    for (const stop of started.reverse())
      await stop().catch((error) => events.unexpectedError(log, { where: 'stop' }, error))
    started.length = 0
  }
  try {
    return await build(config, version, clock, log, started, undo)
  } catch (error) {
    await undo()
    throw error
  }
}

async function build(
  config: Config,
  version: string,
  clock: Clock,
  log: Logger,
  started: (() => Promise<unknown>)[],
  undo: () => Promise<void>,
): Promise<Switch> {
  const startedMs = performance.now()
  events.switchStarting(log, { version, environment: config.environment, varDir: config.varDir })
  const metrics = createMetrics()
  requireSelfTest()
  const masterKey = await loadMasterKey(masterKeySource(config))
  const database = await openDatabase(config, { onLog: (step) => events.databaseProgress(log, { step }) })
  started.push(() => database.close())
  const keys = await prepare(config, database, masterKey, clock, log)
  const { data: reference, watch: referenceWatch } = await openReferenceData(database.url, metrics, log)
  started.push(() => referenceWatch.close())
  const programmes = await openProgrammes(database.url, metrics, log)
  started.push(() => programmes.close())

  const directory = cardLaneLookup(database.url)
  started.push(() => directory.close())
  const holds = dueHoldQuery(database.url)
  started.push(() => holds.close())
  const closings = dueClosingQuery(database.url)
  started.push(() => closings.close())
  const inbox = commandInbox(database.url)
  started.push(() => inbox.close())
  const writer = new Writer({
    url: database.url,
    laneCount: config.lanes.count,
    limits: {
      ringCapacity: config.lanes.ringCapacity,
      batchMax: config.lanes.batchMax,
      cacheHouseholds: Math.ceil(config.lanes.cacheHouseholds / config.lanes.count),
      recentKeys: config.lanes.recentKeys,
      matchingDays: config.lanes.matchingDays,
      cutoverMinutes: config.businessDay.cutoverMinutes,
    },
    authenticator: new Authenticator(keys.module),
    rules: {
      programmesOn: programmes.on,
      policy: policyOf(config, reference),
      outletByAcceptor: reference.outletByAcceptor,
    },
    clock,
    observer: writerTelemetry(metrics, log),
    timeBudgetMs: config.lanes.timeBudgetMs,
    commitTimeoutMs: config.database.statementTimeoutMs,
    lookup: directory.lookup,
    dueHolds: holds.query,
    dueClosings: closings,
    closingsPerSecond: config.lanes.closingsPerSecond,
    inbox,
  })
  await writer.start()
  started.push(() => writer.stop())
  for (const lane of writer.lanes) {
    metrics.laneEpoch.set({ lane: lane.lane }, lane.epoch)
    events.laneStarted(log, { lane: lane.lane, epoch: lane.epoch, lastSeq: lane.lastSeq })
  }

  const keyService = new KeyService(database.url, keys, clock, log)
  started.push(() => keyService.close())
  const wiring: LinkWiring = {
    config,
    decider: writer,
    panIndexOf: (pan) => keys.protection.index(pan),
    metrics,
    log,
    clock,
    security: keys.module,
    onKeyExchange: keyService.takeZoneKey,
  }
  const listeners = await openListeners(wiring)
  started.push(() => Promise.all(listeners.map((listener) => listener.drain(DRAIN_MS))))
  const networkLinks = openNetworkLinks(wiring)
  started.push(() => Promise.all(networkLinks.map((link) => link.drain(DRAIN_MS))))
  const refresh = { programmes: () => programmes.refresh(), reference: () => referenceWatch.poll() }
  const api = openApi({ config, url: database.url, keys, clock, version, refresh })
  started.push(() => api.close())
  const http = await startHttpServer({
    host: config.http.host,
    port: config.http.port,
    trustedProxies: config.http.trustedProxies,
    plugins: [api.plugin],
    health: () => health(writer, listeners, database),
    metrics: {
      contentType: metrics.contentType,
      render: () => {
        sampleLinks(metrics, listeners, networkLinks)
        return metrics.render()
      },
    },
    log,
  })
  started.push(() => http.close())
  const jobs = openJobs({
    config,
    url: database.url,
    jobs: [],
    keys,
    programmesOn: programmes.on,
    clock,
    metrics: metrics.notifications,
    log,
  })
  started.push(async () => jobs?.close())
  const ports = portsOf(listeners, http)
  const announcement = announce(config.varDir, ports)
  started.push(async () => rmSync(announcement, { force: true }))
  events.switchStarted(log, { ports, pid: process.pid, startMs: Math.round(performance.now() - startedMs) })

  let stopping: Promise<void> | undefined
  return {
    ports,
    stop: (reason) => {
      stopping ??= stop(reason, log, undo)
      return stopping
    },
  }
}

async function stop(reason: string, log: Logger, undo: () => Promise<void>): Promise<void> {
  const startedMs = performance.now()
  events.switchStopping(log, { reason })
  await undo()
  events.switchStopped(log, { drainMs: Math.round(performance.now() - startedMs) })
}

async function prepare(
  config: Config,
  database: DatabaseHandle,
  masterKey: MasterKey,
  clock: Clock,
  log: Logger,
): Promise<OpenKeys> {
  const beganMs = performance.now()
  const installation = await prepareDatabase(database.url, config.lanes.count)
  for (const name of installation.migrations) {
    events.migrationApplied(log, { name, tookMs: Math.round(performance.now() - beganMs) })
  }
  const { environment, demo } = config
  const makesDemo = installation.isNew && demo.enabled
  const keys = await openKeys({
    url: database.url,
    masterKey,
    clock,
    ...(environment === 'production' ? { check: (records) => assertNoDemoKeys(records, [demo.seed]) } : {}),
    ...(makesDemo
      ? { install: (client, module) => installDemoKeys(client, module, { seed: demo.seed, environment }) }
      : {}),
  })
  keysOpened(log, { keys: keys.count, custody: masterKey.description, module: keys.module.description })
  if (!makesDemo) return keys
  const worldMs = performance.now()
  const world = {
    seed: config.demo.seed,
    households: config.demo.households,
    nowMs: clock.now(),
    // Those that a new database begins with.
    programmes: programmeCatalogue(shippedProgrammes),
  }
  await loadDemoWorld({
    ...world,
    url: database.url,
    laneCount: config.lanes.count,
    withCases: true,
    cutoverMinutes: config.businessDay.cutoverMinutes,
    protection: keys.protection,
  })
  await makeDemoUsers(config, database.url)
  const file = writeWorldFile(config.varDir, world)
  const tookMs = Math.round(performance.now() - worldMs)
  events.demoWorldMade(log, { households: config.demo.households, file, tookMs })
  return keys
}

function policyOf(config: Config, reference: ReferenceData): DecisionPolicy {
  return {
    withdrawalDailyPiasters: config.limits.withdrawalDailyPiasters,
    withdrawalDailyCount: config.limits.withdrawalDailyCount,
    purchaseSinglePiasters: config.limits.purchaseSinglePiasters ?? Number.MAX_SAFE_INTEGER,
    holdDays: config.limits.holdDays,
    pinTriesMax: config.verification.pinTriesMax,
    chipDataRequired: config.verification.chipDataRequired,
    pinRequired: (type) => config.verification.pinRequiredFor.includes(type),
    serviceLiveFrom: reference.serviceLiveFrom,
  }
}

function health(writer: Writer, listeners: readonly Listener[], database: DatabaseHandle): HealthReport {
  const checks: Record<string, { ready: boolean; detail?: string }> = {}
  for (const lane of writer.lanes) {
    checks[`lane ${lane.lane}`] = { ready: lane.state === 'running', detail: lane.state }
  }
  for (const listener of listeners)
    checks[`listener ${listener.name}`] = { ready: true, detail: `port ${listener.port}` }
  checks.database = { ready: writer.ready, detail: `PostgreSQL ${Math.floor(database.serverVersion / 10_000)}` }
  return { checks }
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

function portsOf(listeners: readonly Listener[], http: HttpServer): Switch['ports'] {
  const port = (name: string) => listeners.find((listener) => listener.name === name)?.port ?? 0
  return { ascii: port('ascii'), visa: port('visa'), bcd: port('bcd'), http: http.port }
}

/** Says where the switch listens, for whoever waits for it. */
function announce(varDir: string, ports: Switch['ports']): string {
  const file = path.join(varDir, 'run', 'listeners.json')
  mkdirSync(path.dirname(file), { recursive: true })
  writeWholeFile(file, `${JSON.stringify({ ...ports, pid: process.pid })}\n`)
  return file
}
