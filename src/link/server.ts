import { constants } from 'node:crypto'
import { createServer, type DropArgument, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type SecureContextOptions, type TLSSocket } from 'node:tls'
import type { Clock } from '../calendar.ts'
import { describeError, MizanError } from '../errors.ts'
import { systemClock, systemTiming, type Timer } from '../timing.ts'
import { type ConnectionServices, remoteOf } from './connection.ts'
import { framings } from './framing.ts'
import type { LinkObserver, LinkStatus } from './observer.ts'
import { PinnedCertificates } from './peer-certificate.ts'
import { type RequestHandler, ServerLink, type ServerLinkOptions } from './server-link.ts'
import type { TlsCredentials, TlsReloads } from './tls-files.ts'
import { TPDU_BYTES } from './tpdu.ts'
import { EndOfTurn } from './turn.ts'

export { InboundRequest, type Link, type RequestHandler } from './server-link.ts'

/** Certificates of a TLS listener; PEM. `ca` are the authorities of clients. TLS 1.3 is the oldest version accepted. */
export interface ListenerTls extends TlsCredentials {
  readonly requireClientCertificate: boolean
  /**
   * SHA-256 of the client certificates that are taken: 64 hex digits each, colons allowed. Requires one of them, of one
   * of the authorities where there are any.
   */
  readonly pinnedFingerprints?: readonly string[] | undefined
  /** Tells of new certificates, which new connections get; closed with the listener. */
  readonly reloads?: TlsReloads
}

/** One TCP or TLS endpoint. Bytes and milliseconds throughout. */
export interface ListenerOptions extends ServerLinkOptions {
  readonly name: string
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** True when each frame begins with a 5-byte TPDU. */
  readonly tpdu: boolean
  readonly maxConnections: number
  /** Requests per link that may await their answer; at the limit the socket is not read. */
  readonly maxInFlight: number
  /** A link on which no frame comes in and no answer goes out for so long is closed; 0 = never. */
  readonly idleTimeoutMs: number
  readonly tls?: ListenerTls
  /** True when a link must sign on (0800, DE70 001) before other messages; the handler enforces it. */
  readonly requireSignOn: boolean
}

/** A running listener. */
export interface Listener {
  readonly name: string
  readonly host: string
  /** The port in use. */
  readonly port: number
  links(): LinkStatus[]
  /**
   * Stops accepting and tells the peers; serves each link on until nothing has come for `quietMs`, or `timeoutMs` are
   * over; then answers what is in flight and closes it. What is open a few seconds later is cut. Idempotent.
   * @param quietMs 0 = takes nothing more from the beginning
   */
  drain(timeoutMs: number, quietMs?: number): Promise<void>
  /** Closes everything at once; resolves when all sockets are gone. */
  close(): Promise<void>
}

const HANDSHAKE_TIMEOUT_MS = 10_000
/** How often a drain looks for links that are silent. */
const QUIET_LOOK_MS = 20
/** What is in flight when a drain takes nothing more has this long to be answered. */
const CUT_AFTER_MS = 5_000

/**
 * Starts a listener.
 * @param handler gets each request with its reply handle
 * @param clock for the instants in requests and statuses; timeouts use monotonic time
 * @throws MizanError CONFIG_INVALID when an option is out of range or the address cannot be listened on
 */
export async function startListener(
  options: ListenerOptions,
  handler: RequestHandler,
  observer: LinkObserver = {},
  clock: Clock = systemClock,
): Promise<Listener> {
  checkOptions(options)
  return new SocketListener(options, handler, observer, clock).listen()
}

function checkOptions(options: ListenerOptions): void {
  const { name, framing, maxFrameBytes, maxConnections, maxInFlight, maxOutboundBytes, idleTimeoutMs } = options
  const invalid = (what: string) => new MizanError('CONFIG_INVALID', `listener ${name}: ${what}`)
  const smallest = options.tpdu ? TPDU_BYTES + 1 : 1
  const { longest, headerBytes } = framings[framing]
  if (!(maxFrameBytes >= smallest && maxFrameBytes <= longest)) {
    throw invalid(`maxFrameBytes must be ${smallest} to ${longest}`)
  }
  if (!(maxConnections >= 1)) throw invalid('maxConnections must be at least 1')
  if (!(maxInFlight >= 1)) throw invalid('maxInFlight must be at least 1')
  if (!(maxOutboundBytes >= maxFrameBytes + headerBytes)) throw invalid('maxOutboundBytes must hold one frame')
  if (!(idleTimeoutMs >= 0)) throw invalid('idleTimeoutMs must not be negative')
  if (options.keepAliveMs !== undefined && !(options.keepAliveMs > 0)) throw invalid('keepAliveMs must be positive')
  const { tls } = options
  if (tls?.requireClientCertificate === true && tls.ca === undefined && tls.pinnedFingerprints === undefined) {
    throw invalid('client certificates need the authorities they come from, or their fingerprints')
  }
}

class SocketListener implements Listener {
  readonly name: string
  readonly host: string
  readonly #options: ListenerOptions
  readonly #handler: RequestHandler
  readonly #services: ConnectionServices
  readonly #server: Server
  readonly #links = new Map<number, ServerLink>()
  /** Accepted sockets that are still in their TLS handshake, by remote address. */
  readonly #handshakes = new Map<string, Socket>()
  readonly #sweepMs: number
  readonly #sweep: Timer
  #lastSweep = systemTiming.monotonicMs()
  #port = 0
  #draining = false
  #closed: Promise<void> | undefined
  #drained: Promise<void> | undefined

  constructor(options: ListenerOptions, handler: RequestHandler, observer: LinkObserver, clock: Clock) {
    this.name = options.name
    this.host = options.host
    this.#options = options
    this.#handler = handler
    this.#services = { clock, timing: systemTiming, observer, turn: new EndOfTurn(systemTiming) }
    this.#server = options.tls === undefined ? this.#plainServer() : this.#tlsServer(options.tls)
    this.#server.maxConnections = options.maxConnections
    this.#server.on('drop', (data?: DropArgument) => {
      observer.refused?.(this.name, remoteOf(data), 'too-many-connections', `the limit is ${options.maxConnections}`)
    })
    this.#sweepMs = sweepPeriod(options)
    this.#sweep = systemTiming.every(this.#sweepMs, () => this.#onSweep())
  }

  get port(): number {
    return this.#port
  }

  // Half-open sockets are allowed so that a peer which ends its side after its last request still gets the answers.
  #plainServer(): Server {
    return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket, undefined))
  }

  #tlsServer(tls: ListenerTls): Server {
    const { requireClientCertificate, pinnedFingerprints, reloads } = tls
    const { clock } = this.#services
    const pins =
      pinnedFingerprints === undefined ? undefined : new PinnedCertificates(pinnedFingerprints, () => clock.now())
    const server = createTlsServer(
      {
        ...contextOf(tls),
        requestCert: requireClientCertificate || pins !== undefined,
        // Without authorities the pins alone decide, when the handshake is done.
        rejectUnauthorized: tls.ca !== undefined && (requireClientCertificate || pins !== undefined),
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        allowHalfOpen: true,
        noDelay: true,
      },
      (socket) => this.#secured(socket, pins),
    )
    reloads?.subscribe((credentials) => server.setSecureContext(contextOf(credentials)))
    server.on('tlsClientError', (error, socket) => {
      // A certificate that fails the check ends the socket with a mere hang-up; the check's verdict says why.
      const verdict = socket.authorizationError
      const detail = verdict ? `client certificate refused: ${verdict}` : describeError(error)
      this.#services.observer.refused?.(this.name, remoteOf(socket), 'tls-failed', detail)
    })
    server.on('connection', (socket: Socket) => this.#trackHandshake(socket))
    return server
  }

  #secured(socket: TLSSocket, pins: PinnedCertificates | undefined): void {
    const refusal = pins?.refusalOf(socket)
    if (refusal === undefined) {
      this.#accept(socket, peerNameOf(socket, pins !== undefined))
      return
    }
    this.#handshakes.delete(remoteOf(socket))
    const detail = `client certificate refused: ${refusal}`
    this.#services.observer.refused?.(this.name, remoteOf(socket), 'tls-failed', detail)
    socket.destroy()
  }

  #trackHandshake(socket: Socket): void {
    const remote = remoteOf(socket)
    this.#handshakes.set(remote, socket)
    socket.once('close', () => {
      if (this.#handshakes.get(remote) === socket) this.#handshakes.delete(remote)
    })
  }

  #accept(socket: Socket, peerName: string | undefined): void {
    this.#handshakes.delete(remoteOf(socket))
    if (this.#draining) {
      this.#services.observer.refused?.(this.name, remoteOf(socket), 'draining', '')
      socket.destroy()
      return
    }
    const gone = (link: ServerLink) => this.#links.delete(link.id)
    const link = new ServerLink(socket, this.#options, this.#services, this.#handler, peerName, gone)
    this.#links.set(link.id, link)
  }

  #onSweep(): void {
    const tick = systemTiming.monotonicMs()
    const late = tick - this.#lastSweep > 2 * this.#sweepMs
    this.#lastSweep = tick
    // After a stall of the event loop, what the peers sent waits unread: their silence is ours. Look again next time.
    if (late) return
    for (const link of this.#links.values()) link.sweep(tick)
  }

  async listen(): Promise<Listener> {
    const { host, port, name } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => {
        systemTiming.cancel(this.#sweep)
        this.#options.tls?.reloads?.close()
        reject(new MizanError('CONFIG_INVALID', `listener ${name} on ${host}:${port}: ${error.message}`))
      })
      this.#server.listen({ host, port }, resolve)
    })
    // After this, an error of the accepting socket (no descriptors left) ends nothing: existing links go on.
    this.#server.removeAllListeners('error')
    this.#server.on('error', (error) =>
      this.#services.observer.refused?.(name, 'unknown', 'accept-failed', error.message),
    )
    const address = this.#server.address()
    this.#port = typeof address === 'object' && address !== null ? address.port : port
    return this
  }

  links(): LinkStatus[] {
    return [...this.#links.values()].map((link) => link.status())
  }

  drain(timeoutMs: number, quietMs = 0): Promise<void> {
    this.#drained ??= this.#drain(timeoutMs, quietMs)
    return this.#drained
  }

  async #drain(timeoutMs: number, quietMs: number): Promise<void> {
    this.#draining = true
    const closed = this.#stop()
    for (const link of [...this.#links.values()]) link.drain()
    for (const socket of [...this.#handshakes.values()]) socket.destroy()
    const discard = () => {
      for (const link of [...this.#links.values()]) link.discard()
    }
    if (quietMs === 0) discard()
    const looks = quietMs === 0 ? undefined : this.#closeQuiet(quietMs)
    const enough = systemTiming.after(timeoutMs, discard)
    const cutMs = quietMs === 0 ? timeoutMs : timeoutMs + CUT_AFTER_MS
    const cut = systemTiming.after(cutMs, () => this.#closeAll('drain-deadline', `${cutMs} ms are over`))
    await closed
    for (const timer of [looks, enough, cut]) systemTiming.cancel(timer)
  }

  #closeQuiet(quietMs: number): Timer {
    const periodMs = Math.max(1, Math.min(QUIET_LOOK_MS, quietMs / 4))
    let lastTick = systemTiming.monotonicMs()
    const look = () => {
      const tick = systemTiming.monotonicMs()
      const late = tick - lastTick > 2 * periodMs + QUIET_LOOK_MS
      lastTick = tick
      // What came during a stall of the event loop waits unread: that silence is ours.
      if (late) return
      for (const link of [...this.#links.values()]) link.endIfQuiet(tick, quietMs)
    }
    systemTiming.endOfTurn(look)
    return systemTiming.every(periodMs, look)
  }

  async close(): Promise<void> {
    this.#draining = true
    const closed = this.#stop()
    this.#closeAll('closed', 'the listener closes')
    await closed
  }

  /** Stops accepting; resolves when the last socket is gone. */
  #stop(): Promise<void> {
    this.#options.tls?.reloads?.close()
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => {
        systemTiming.cancel(this.#sweep)
        resolve()
      })
    })
    return this.#closed
  }

  #closeAll(reason: 'closed' | 'drain-deadline', detail: string): void {
    for (const link of [...this.#links.values()]) link.closeFor(reason, detail)
    for (const socket of [...this.#handshakes.values()]) socket.destroy()
  }
}

/** Often enough that a timeout is late by at most a quarter, and cheap at rest. Milliseconds. */
function sweepPeriod({ idleTimeoutMs, keepAliveMs }: ListenerOptions): number {
  const shortest = Math.min(idleTimeoutMs > 0 ? idleTimeoutMs : Number.POSITIVE_INFINITY, keepAliveMs ?? 60_000)
  return Math.min(1_000, Math.max(5, Math.floor(shortest / 4)))
}

/**
 * What a handshake is made from. No session is resumed: links live long, and a resumed session would be as good as the
 * certificate that began it, after its authority has been taken off the list.
 */
function contextOf({ key, cert, ca }: TlsCredentials): SecureContextOptions {
  const secureOptions = constants.SSL_OP_NO_TICKET
  return { key, cert, ...(ca === undefined ? {} : { ca }), minVersion: 'TLSv1.3', secureOptions }
}

/** Common name of a client certificate that was checked against the authorities or the pins. */
function peerNameOf(socket: TLSSocket, isPinned: boolean): string | undefined {
  if (!socket.authorized && !isPinned) return undefined
  const name = socket.getPeerCertificate().subject?.CN
  return Array.isArray(name) ? name[0] : name
}
