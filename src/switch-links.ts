import { readFileSync } from 'node:fs'
import type { Clock } from './calendar.ts'
import type { Config, ListenerConfig, TlsConfig } from './config/config.ts'
import { MizanError } from './errors.ts'
import type { Dialect } from './iso8583/dialect.ts'
import { dialects } from './iso8583/dialects.ts'
import type { ClientLink } from './link/client.ts'
import type { ClientOptions, ClientTls } from './link/client-options.ts'
import { type Decider, Exchange, type ExchangeObserver } from './link/exchange.ts'
import { startNetworkLink } from './link/network-link.ts'
import { type Listener, type ListenerTls, startListener } from './link/server.ts'
import { exchangeTelemetry, linkTelemetry } from './link/telemetry.ts'
import * as events from './telemetry/events.ts'
import type { Logger } from './telemetry/logger.ts'
import type { Metrics } from './telemetry/metrics.ts'

/** What the composition root hands to the links. */
export interface LinkWiring {
  readonly config: Config
  readonly decider: Decider
  readonly panIndexOf: (pan: string) => string
  readonly metrics: Metrics
  readonly log: Logger
  readonly clock: Clock
}

const LISTENERS = ['ascii', 'visa', 'bcd'] as const
const OUTBOUND_BYTES_MAX = 1_048_576
const OUTBOUND_IN_FLIGHT_MAX = 512
const FRAME_BYTES_MAX = 4_096
const VISA_FRAME_BYTES_MAX = 2_048
const NEUTRAL_TPDU = { id: 0x60, destination: 0, source: 0 }

/** What answers the messages of one link name. */
function exchangeFor(
  wiring: LinkWiring,
  name: string,
  dialectName: string,
  observer: ExchangeObserver,
): { exchange: Exchange; dialect: Dialect } {
  const dialect = dialects[dialectName]
  if (dialect === undefined) throw new MizanError('CONFIG_INVALID', `${name}: there is no dialect ${dialectName}`)
  const { panIndexOf, decider } = wiring
  return { dialect, exchange: new Exchange({ link: { name, panIndexOf }, dialect, decider, observer }) }
}

/** Starts the links that the switch opens itself; each connects, and connects again after any failure. */
export function openNetworkLinks(wiring: LinkWiring): ClientLink[] {
  const { config, metrics, log, clock } = wiring
  const observer = exchangeTelemetry(metrics, log)
  return config.outbound.map((settings) => {
    const { name, host, port, framing, signOn, timeoutMs, echoIntervalMs, backoff, tls } = settings
    const { dialect, exchange } = exchangeFor(wiring, name, settings.dialect, observer)
    const client: ClientOptions = {
      name,
      host,
      port,
      framing,
      maxFrameBytes: framing === 'visa' ? VISA_FRAME_BYTES_MAX : FRAME_BYTES_MAX,
      maxOutboundBytes: OUTBOUND_BYTES_MAX,
      maxInFlight: OUTBOUND_IN_FLIGHT_MAX,
      connectTimeoutMs: timeoutMs,
      backoff: { initialMs: backoff.minMs, maxMs: backoff.maxMs, jitter: 0.2 },
      ...(settings.tpdu ? { tpdu: NEUTRAL_TPDU } : {}),
      ...(echoIntervalMs > 0 ? { echoIdleMs: echoIntervalMs } : {}),
      ...(tls === undefined ? {} : { tls: readClientTls(tls) }),
    }
    const linkObserver = linkTelemetry(metrics, log)
    return startNetworkLink({ client, dialect, exchange, signOn, timeoutMs, observer: linkObserver, now: clock.now })
  })
}

function readClientTls(tls: TlsConfig): ClientTls {
  return {
    key: readFileSync(tls.keyFile),
    cert: readFileSync(tls.certFile),
    ...(tls.caFile === undefined ? {} : { ca: readFileSync(tls.caFile) }),
  }
}

/** Opens the listeners of the configuration, or none at all. @throws MizanError CONFIG_INVALID */
export async function openListeners(wiring: LinkWiring): Promise<Listener[]> {
  const { config, metrics, log, clock } = wiring
  const observer = exchangeTelemetry(metrics, log)
  const linkObserver = linkTelemetry(metrics, log)
  const opened: Listener[] = []
  try {
    for (const name of LISTENERS) {
      const settings = config.listeners[name]
      if (!settings.enabled) continue
      const { dialect, exchange } = exchangeFor(wiring, name, settings.dialect, observer)
      const options = listenerOptions(name, settings)
      const listener = await startListener(options, (request) => exchange.handle(request), linkObserver, clock)
      opened.push(listener)
      const { host, framing } = settings
      const tls = settings.tls !== undefined
      events.listenerOpened(log, { listener: name, host, port: listener.port, dialect: dialect.name, framing, tls })
    }
    return opened
  } catch (error) {
    await Promise.all(opened.map((listener) => listener.close()))
    throw error
  }
}

function listenerOptions(name: string, settings: ListenerConfig) {
  const { host, port, framing, maxFrameBytes, tpdu, requireSignOn, maxConnections } = settings
  const { maxInFlight, idleTimeoutMs, maxOutboundBytes, tls } = settings
  return {
    name,
    host,
    port,
    framing,
    maxFrameBytes,
    tpdu,
    requireSignOn,
    maxConnections,
    maxInFlight,
    idleTimeoutMs,
    maxOutboundBytes,
    ...(tls === undefined ? {} : { tls: readTls(tls) }),
  }
}

function readTls(tls: TlsConfig): ListenerTls {
  return {
    key: readFileSync(tls.keyFile),
    cert: readFileSync(tls.certFile),
    ...(tls.caFile === undefined ? {} : { ca: readFileSync(tls.caFile) }),
    requireClientCertificate: tls.requireClientCertificate,
  }
}
