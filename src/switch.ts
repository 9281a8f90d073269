import { type HealthReport, notReadyOf } from './api/health.ts'
import { type HttpServer, startHttpServer } from './api/http-server.ts'
import type { Clock } from './calendar.ts'
import type { Config } from './config/config.ts'
import type { SwitchPorts } from './switch-active.ts'
import { openApi } from './switch-api.ts'
import { openBase, type SwitchBase } from './switch-base.ts'
import { Parts } from './switch-parts.ts'
import { watchReplication } from './switch-replication.ts'
import { type EndReason, SwitchRoles } from './switch-roles.ts'
import type { ProcessRole } from './telemetry/availability-metrics.ts'
import * as events from './telemetry/events.ts'
import { createLogger } from './telemetry/logger.ts'
import { systemClock } from './timing.ts'

/** A running switch. */
export interface Switch {
  /** Those of links are 0 while it stands by. */
  readonly ports: SwitchPorts
  /** What it does: active answers, standby waits until it may. It changes as processes stand in for each other. */
  readonly role: ProcessRole
  /** Resolves when it has lost its lanes, or handed them over, and does not stand by: the caller stops it then. */
  readonly ended: Promise<EndReason>
  /**
   * Answers what is in flight, then stops everything. Idempotent.
   * @returns whether everything stopped as it should
   */
  stop(reason: string): Promise<boolean>
}

/**
 * Builds and starts the whole switch: database, master data, HTTP, and lanes and listeners unless it stands by. When
 * this resolves it is ready to answer, and `run/listeners.json` of the data folder says where; or it stands by.
 * @param clock dates what is decided; a test or a simulation brings its own
 * @throws MizanError with what is wrong and the way out; nothing is left running then
 */
export async function startSwitch(config: Config, version: string, clock: Clock = systemClock): Promise<Switch> {
  const log = createLogger({ level: config.log.level, pretty: config.log.pretty })
  const parts = new Parts(log)
  const startedMs = performance.now()
  events.switchStarting(log, { version, environment: config.environment, varDir: config.varDir })
  try {
    const base = await openBase({ config, version, clock, log }, parts)
    const replication = watchReplication(base)
    parts.add(() => replication.close())
    await replication.required
    let roles: SwitchRoles | undefined
    const http = await openHttp(base, () => roles, parts)
    const playing = new SwitchRoles(base, http.port)
    roles = playing
    parts.add(() => playing.stop(), config.shutdown.forceMs)
    await playing.start(base.begins)
    const ports = () => playing.active?.ports ?? { ascii: 0, visa: 0, bcd: 0, http: http.port }
    if (playing.role === 'active') {
      const startMs = Math.round(performance.now() - startedMs)
      events.switchStarted(log, { ports: { ...ports() }, pid: process.pid, startMs })
    }
    let stopping: Promise<boolean> | undefined
    return {
      get ports() {
        return ports()
      },
      get role() {
        return playing.role
      },
      ended: playing.ended,
      stop: (reason) => {
        stopping ??= stop(reason, base, parts, async () => {
          await playing.drain()
          // What is asked of the API under way may need the lanes: it ends before them.
          await http.close()
        })
        return stopping
      },
    }
  } catch (error) {
    await parts.stop()
    throw error
  }
}

async function stop(reason: string, { log }: SwitchBase, parts: Parts, drain: () => Promise<void>): Promise<boolean> {
  const startedMs = performance.now()
  events.switchStopping(log, { reason })
  let isDrained = true
  await drain().catch((error: unknown) => {
    isDrained = false
    events.unexpectedError(log, { where: 'drain' }, error)
  })
  const isClean = (await parts.stop()) && isDrained
  events.switchStopped(log, { drainMs: Math.round(performance.now() - startedMs) })
  return isClean
}

/** Health and metrics say from the start on how things are. */
async function openHttp(base: SwitchBase, roles: () => SwitchRoles | undefined, parts: Parts): Promise<HttpServer> {
  const { config, clock, version, log, metrics, database, keys, programmes, reference } = base
  const refresh = { programmes: () => programmes.refresh(), reference: () => reference.watch.poll() }
  const api = openApi({ config, url: database.url, keys, clock, version, refresh })
  parts.add(() => api.close())
  const http = await startHttpServer({
    host: config.http.host,
    port: config.http.port,
    trustedProxies: config.http.trustedProxies,
    plugins: [api.plugin],
    health: () => health(base, roles()),
    metrics: {
      contentType: metrics.contentType,
      render: () => {
        roles()?.active?.sample()
        metrics.availability.ready.set(notReadyOf(health(base, roles())).length === 0 ? 1 : 0)
        return metrics.render()
      },
    },
    log,
  })
  parts.add(() => http.close())
  return http
}

function health({ database, backups }: SwitchBase, roles: SwitchRoles | undefined): HealthReport {
  const sees = roles?.seesDatabase ?? true
  const detail = `PostgreSQL ${Math.floor(database.serverVersion / 10_000)}${sees ? '' : ', heartbeats fail'}`
  const active = roles?.active
  if (active !== undefined) {
    const checks = { ...active.checks(), ...backups.checks() }
    return { checks: { ...checks, database: { ready: sees && checks.database?.ready === true, detail } } }
  }
  const role = roles?.role ?? 'starting'
  return { unready: role, checks: { lanes: { ready: false, detail: role }, database: { ready: sees, detail } } }
}
