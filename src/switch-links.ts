import type { Clock } from './calendar.ts'
import type { Config, DeepReadonly, ListenerConfig, TlsConfig } from './config/config.ts'
import { MizanError } from './errors.ts'
import type { Dialect } from './iso8583/dialect.ts'
import { dialects } from './iso8583/dialects.ts'
import type { ClientOptions, ClientTls } from './link/client-options.ts'
import type { OnCutover } from './link/cutover.ts'
import { type Decider, Exchange, type ExchangeObserver } from './link/exchange.ts'
import type { OnKeyExchange } from './link/key-exchange.ts'
import { type MacModule, MessageMac } from './link/message-mac.ts'
import { type NetworkLink, startNetworkLink } from './link/network-link.ts'
import type { LinkObserver } from './link/observer.ts'
import type { OnReconciliation } from './link/reconciliation.ts'
import { type Link, type Listener, type ListenerOptions, type ListenerTls, startListener } from './link/server.ts'
import { SignOffNotice } from './link/sign-off-notice.ts'
import { exchangeTelemetry, linkTelemetry } from './link/telemetry.ts'
import { TlsFiles } from './link/tls-files.ts'
import { tlsTelemetry } from './link/tls-telemetry.ts'
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
  /** Makes and checks the MACs; needed by links that require them. */
  readonly security?: MacModule
  /** Takes the zone keys that peers send; absent: a key exchange is answered 12. */
  readonly onKeyExchange?: OnKeyExchange
  /** Takes note of a cutover of a peer; absent: it is answered 12. */
  readonly onCutover?: OnCutover
  /** Finds acquirers' totals; absent: reconciliation messages are answered 12. */
  readonly onReconciliation?: OnReconciliation
  /** The state of an outbound link changed. */
  readonly onLinkChange?: (name: string) => void
}

/** What differs between the links' exchanges. */
interface LinkSettings {
  readonly dialect: string
  readonly mac: 'off' | 'required'
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
  settings: LinkSettings,
  observer: ExchangeObserver,
): { exchange: Exchange; dialect: Dialect; mac: MessageMac | undefined } {
  const dialect = dialects[settings.dialect]
  if (dialect === undefined) throw new MizanError('CONFIG_INVALID', `${name}: there is no dialect ${settings.dialect}`)
  const { panIndexOf, decider, security, onKeyExchange, onCutover, onReconciliation } = wiring
  let mac: MessageMac | undefined
  if (settings.mac === 'required') {
    if (security === undefined) throw new MizanError('CONFIG_INVALID', `${name}: nothing can make a MAC`)
    mac = new MessageMac(dialect, security, name)
  }
  const exchange = new Exchange({
    link: { name, panIndexOf },
    dialect,
    decider,
    observer,
    ...(mac === undefined ? {} : { mac }),
    ...(onKeyExchange === undefined ? {} : { onKeyExchange }),
    ...(onCutover === undefined ? {} : { onCutover }),
    ...(onReconciliation === undefined ? {} : { onReconciliation }),
  })
  return { dialect, exchange, mac }
}

/**
 * Starts the links that the switch opens itself; each connects, and connects again after any failure.
 * @throws MizanError CONFIG_INVALID; no link is left open then
 */
export function openNetworkLinks(wiring: LinkWiring): NetworkLink[] {
  const opened: NetworkLink[] = []
  try {
    for (const settings of wiring.config.outbound) opened.push(openNetworkLink(wiring, settings))
    return opened
  } catch (error) {
    for (const link of opened) link.close()
    throw error
  }
}

function openNetworkLink(wiring: LinkWiring, settings: Config['outbound'][number]): NetworkLink {
  const { metrics, log, clock } = wiring
  const { name, host, port, framing, signOn, timeoutMs, echoIntervalMs, backoff, tls } = settings
  const { dialect, exchange, mac } = exchangeFor(wiring, name, settings, exchangeTelemetry(metrics, log))
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
    ...(tls === undefined ? {} : { tls: clientTls(wiring, name, tls) }),
  }
  const telemetry = linkTelemetry(metrics, log)
  const observer: LinkObserver = {
    ...telemetry,
    stateChanged(link, from, to) {
      telemetry.stateChanged?.(link, from, to)
      wiring.onLinkChange?.(name)
    },
  }
  const now = () => clock.now()
  return startNetworkLink({
    client,
    dialect,
    exchange,
    signOn,
    timeoutMs,
    observer,
    now,
    ...(mac === undefined ? {} : { mac }),
  })
}

function clientTls(wiring: LinkWiring, name: string, tls: Config['outbound'][number]['tls'] & {}): ClientTls {
  const { caFile, pinnedFingerprints } = tls
  // The machine's own list of authorities vouches for the whole Internet.
  if (caFile === undefined && pinnedFingerprints === undefined) {
    throw new MizanError('CONFIG_INVALID', `${name}: tls needs caFile or pinnedFingerprints to know the peer by`)
  }
  const reloads = tlsFiles(wiring, name, tls)
  return { ...reloads.current, pinnedFingerprints, reloads }
}

function tlsFiles({ metrics, log, clock }: LinkWiring, name: string, tls: DeepReadonly<TlsConfig>): TlsFiles {
  return new TlsFiles(name, tls, { observer: tlsTelemetry(metrics, log), now: () => clock.now() })
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
      const { dialect, exchange, mac } = exchangeFor(wiring, name, settings, observer)
      const options = {
        ...listenerOptions(wiring, name, settings),
        ...(settings.announceSignOff ? { onDrain: announcer(wiring, name, settings, dialect, mac) } : {}),
      }
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

/** Tells the peer of a link that the switch stops; a link that cannot be told is closed all the same. */
function announcer(
  { clock, log }: LinkWiring,
  name: string,
  { stationId }: DeepReadonly<ListenerConfig>,
  dialect: Dialect,
  mac: MessageMac | undefined,
): (link: Link) => void {
  const now = () => clock.now()
  const notice = new SignOffNotice({ dialect, stationId, now, ...(mac === undefined ? {} : { mac }) })
  return (link) => {
    notice
      .send(link)
      .catch((error: unknown) => events.unexpectedError(log, { where: `sign-off of link ${name}` }, error))
  }
}

function listenerOptions(wiring: LinkWiring, name: string, settings: DeepReadonly<ListenerConfig>): ListenerOptions {
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
    ...(tls === undefined ? {} : { tls: listenerTls(wiring, name, tls) }),
  }
}

function listenerTls(wiring: LinkWiring, name: string, tls: DeepReadonly<TlsConfig>): ListenerTls {
  const { requireClientCertificate, pinnedFingerprints } = tls
  const reloads = tlsFiles(wiring, name, tls)
  return { ...reloads.current, requireClientCertificate, pinnedFingerprints, reloads }
}
