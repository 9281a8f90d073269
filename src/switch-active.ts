import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HealthCheck } from './api/health.ts'
import type { Config } from './config/config.ts'
import type { NetworkLink } from './link/network-link.ts'
import type { Listener } from './link/server.ts'
import type { LaneEpoch } from './store/availability.ts'
import { NetworkCutovers } from './store/network-cutover.ts'
import { type OpenAccountHost, openAccountHost } from './switch-account-host.ts'
import { openBackground } from './switch-background.ts'
import type { SwitchBase } from './switch-base.ts'
import { type OpenDays, openDays } from './switch-clearing.ts'
import { openClearingReconciliation } from './switch-clearing-reconciliation.ts'
import { type Forwarding, openForwarding } from './switch-forward.ts'
import { openJobs } from './switch-jobs.ts'
import { type LinkWiring, openListeners, openNetworkLinks } from './switch-links.ts'
import { Parts, within } from './switch-parts.ts'
import { openReceiving } from './switch-receiving.ts'
import { openReconciliation } from './switch-reconciliation.ts'
import { watchSettlement } from './switch-settlement.ts'
import { type LaneOptions, startWriter } from './switch-writer.ts'
import * as events from './telemetry/events.ts'
import { networkCutover } from './telemetry/forward-events.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { writeWholeFile } from './whole-file.ts'
import type { Writer } from './writer/writer.ts'

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

/**
 * Takes the lanes over, opens the links and starts the jobs; `run/listeners.json` of the data folder then says where.
 * @throws MizanError LANE_FENCED when another process was faster, or what else is wrong; nothing is left running then
 */
export async function activate(base: SwitchBase, httpPort: number, options: LaneOptions): Promise<ActiveSwitch> {
  const parts = new Parts(base.log)
  try {
    return await open(base, httpPort, options, parts)
  } catch (error) {
    await parts.stop()
    throw error
  }
}

/** What an active switch consists of, as far as whoever runs it asks. */
interface Opened {
  readonly base: SwitchBase
  readonly parts: Parts
  readonly writer: Writer
  readonly accountHost: OpenAccountHost | undefined
  readonly listeners: readonly Listener[]
  readonly networkLinks: readonly NetworkLink[]
  readonly sending: Forwarding
  /** What ends while the links fall silent. */
  readonly helpers: readonly (() => Promise<unknown>)[]
}

async function open(base: SwitchBase, httpPort: number, options: LaneOptions, parts: Parts): Promise<ActiveSwitch> {
  const { config, clock, log, metrics, database, keys, programmes } = base
  const accountHost = await openAccountHost(base)
  parts.add(() => accountHost?.close())
  const writer = await startWriter(base, accountHost, options, parts)
  const background = openBackground(base, parts)
  const days = openDays(base, parts, background)
  const links = await openLinks(base, { writer, days }, parts)
  accountHost?.attach(links.networkLinks)
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
  const helpers = [() => links.sending.close(), () => days.close(), async () => jobs?.close()]
  return runningSwitch({ base, parts, writer, accountHost, ...links, helpers }, httpPort)
}

/** Opens the links, to listen and of our own, and what is sent over these. */
async function openLinks(
  base: SwitchBase,
  { writer, days }: { readonly writer: Writer; readonly days: OpenDays },
  parts: Parts,
): Promise<Pick<Opened, 'listeners' | 'networkLinks' | 'sending'>> {
  const { config, clock, log, metrics, database, keys } = base
  const cutovers = new NetworkCutovers(database.url)
  parts.add(() => cutovers.close())
  const onReconciliation = openReconciliation(base, () => writer.businessDate, parts)
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
    onReconciliation,
    onLinkChange: (name) => forwarding?.linkChanged(name),
  }
  const listeners = await openListeners(wiring)
  parts.add(() => Promise.all(listeners.map((listener) => listener.close())))
  const networkLinks = openNetworkLinks(wiring)
  parts.add(() => {
    for (const link of networkLinks) link.close()
  })
  const sending = openForwarding(base, networkLinks)
  forwarding = sending
  parts.add(() => sending.close())
  return { listeners, networkLinks, sending }
}

/** Says where the switch answers, and gives what it is asked and stopped by. */
function runningSwitch(opened: Opened, httpPort: number): ActiveSwitch {
  const { base, parts, writer, accountHost, listeners, networkLinks, sending, helpers } = opened
  const { config, log, metrics } = base
  const ports = portsOf(listeners, httpPort)
  const announcement = announce(config.varDir, ports)
  const withdraw = () => rmSync(announcement, { force: true })
  parts.add(withdraw)
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

interface Drained extends Pick<Opened, 'listeners' | 'networkLinks' | 'helpers'> {
  /** Takes back the word that the switch answers. */
  readonly withdraw: () => void
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
