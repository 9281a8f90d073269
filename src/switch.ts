import type { HealthReport } from './api/health.ts'
import { type HttpServer, startHttpServer } from './api/http-server.ts'
import type { Clock } from './calendar.ts'
import type { Config } from './config/config.ts'
import { type ActiveSwitch, activate, type SwitchPorts } from './switch-active.ts'
import { openApi } from './switch-api.ts'
import { openBase, type SwitchBase } from './switch-base.ts'
import { Parts } from './switch-parts.ts'
import * as events from './telemetry/events.ts'
import { createLogger } from './telemetry/logger.ts'

/** A running switch. */
export interface Switch {
  readonly ports: SwitchPorts
  /** Answers what is in flight, then stops everything. Idempotent. */
  stop(reason: string): Promise<void>
}

const systemClock: Clock = { now: () => Date.now() }

/**
 * Builds and starts the whole switch: database, master data, HTTP, lanes, listeners. It is ready to answer when this
 * resolves; `run/listeners.json` of the data folder then says where.
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
    let active: ActiveSwitch | undefined
    const http = await openHttp(base, () => active, parts)
    active = await activate(base, http.port)
    parts.add(() => active?.stop())
    const { ports } = active
    events.switchStarted(log, {
      ports: { ...ports },
      pid: process.pid,
      startMs: Math.round(performance.now() - startedMs),
    })
    let stopping: Promise<void> | undefined
    return {
      ports,
      stop: (reason) => {
        stopping ??= stop(reason, base, parts)
        return stopping
      },
    }
  } catch (error) {
    await parts.stop()
    throw error
  }
}

async function stop(reason: string, { log }: SwitchBase, parts: Parts): Promise<void> {
  const startedMs = performance.now()
  events.switchStopping(log, { reason })
  await parts.stop()
  events.switchStopped(log, { drainMs: Math.round(performance.now() - startedMs) })
}

/** Health and metrics say from the start on how things are. */
async function openHttp(base: SwitchBase, active: () => ActiveSwitch | undefined, parts: Parts): Promise<HttpServer> {
  const { config, clock, version, log, metrics, database, keys, programmes, reference } = base
  const refresh = { programmes: () => programmes.refresh(), reference: () => reference.watch.poll() }
  const api = openApi({ config, url: database.url, keys, clock, version, refresh })
  parts.add(() => api.close())
  const http = await startHttpServer({
    host: config.http.host,
    port: config.http.port,
    trustedProxies: config.http.trustedProxies,
    plugins: [api.plugin],
    health: () => health(base, active()),
    metrics: {
      contentType: metrics.contentType,
      render: () => {
        active()?.sample()
        return metrics.render()
      },
    },
    log,
  })
  parts.add(() => http.close())
  return http
}

function health({ database }: SwitchBase, active: ActiveSwitch | undefined): HealthReport {
  if (active === undefined) return { checks: { switch: { ready: false, detail: 'starting' } } }
  const checks = { ...active.checks() }
  const detail = `PostgreSQL ${Math.floor(database.serverVersion / 10_000)}`
  return { checks: { ...checks, database: { ready: checks.database?.ready === true, detail } } }
}
