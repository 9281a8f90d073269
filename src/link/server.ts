import { createServer, type DropArgument, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { Clock } from '../calendar.ts'
import { describeError, MizanError } from '../errors.ts'
import { type ConnectionServices, remoteOf } from './connection.ts'
import { framings } from './framing.ts'
import type { LinkObserver, LinkStatus } from './observer.ts'
import { type RequestHandler, ServerLink, type ServerLinkOptions } from './server-link.ts'
import { TPDU_BYTES } from './tpdu.ts'
import { EndOfTurn } from './turn.ts'

export { InboundRequest, type Link, type RequestHandler } from './server-link.ts'

/** Certificates of a TLS listener; PEM. TLS 1.3 is the oldest version accepted. */
export interface ListenerTls {
  readonly key: string | Buffer
  readonly cert: string | Buffer
  /** Authorities that client certificates must come from. */
  readonly ca?: string | Buffer | ReadonlyArray<string | Buffer>
  readonly requireClientCertificate: boolean
  readonly minVersion?: 'TLSv1.3'
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
  /** Stops accepting, answers what is in flight, closes each link when it is empty and all at the deadline. */
  drain(timeoutMs: number): Promise<void>
  /** Closes everything at once; resolves when all sockets are gone. */
  close(): Promise<void>
}

const HANDSHAKE_TIMEOUT_MS = 10_000
const systemClock: Clock = { now: () => Date.now() }

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
  if (options.tls?.requireClientCertificate === true && options.tls.ca === undefined) {
    throw invalid('client certificates need the authorities they come from')
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
  readonly #sweep: NodeJS.Timeout
  #lastSweep = performance.now()
  #port = 0
  #draining = false
  #closed: Promise<void> | undefined

  constructor(options: ListenerOptions, handler: RequestHandler, observer: LinkObserver, clock: Clock) {
    this.name = options.name
    this.host = options.host
    this.#options = options
    this.#handler = handler
    this.#services = { clock, observer, turn: new EndOfTurn() }
    this.#server = options.tls === undefined ? this.#plainServer() : this.#tlsServer(options.tls)
    this.#server.maxConnections = options.maxConnections
    this.#server.on('drop', (data?: DropArgument) => {
      observer.refused?.(this.name, remoteOf(data), 'too-many-connections', `the limit is ${options.maxConnections}`)
    })
    this.#sweepMs = sweepPeriod(options)
    this.#sweep = setInterval(() => this.#onSweep(), this.#sweepMs).unref()
  }

  get port(): number {
    return this.#port
  }

  // Half-open sockets are allowed so that a peer which ends its side after its last request still gets the answers.
  #plainServer(): Server {
    return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket, undefined))
  }

  #tlsServer(tls: ListenerTls): Server {
    const server = createTlsServer(
      {
        key: tls.key,
        cert: tls.cert,
        ...(tls.ca === undefined ? {} : { ca: Array.isArray(tls.ca) ? [...tls.ca] : (tls.ca as string | Buffer) }),
        requestCert: tls.requireClientCertificate,
        rejectUnauthorized: tls.requireClientCertificate,
        minVersion: tls.minVersion ?? 'TLSv1.3',
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        allowHalfOpen: true,
        noDelay: true,
      },
      (socket) => this.#accept(socket, verifiedName(socket)),
    )
    server.on('tlsClientError', (error, socket) => {
      // A certificate that fails the check ends the socket with a mere hang-up; the check's verdict says why.
      const verdict = socket.authorizationError
      const detail = verdict ? `client certificate refused: ${verdict}` : describeError(error)
      this.#services.observer.refused?.(this.name, remoteOf(socket), 'tls-failed', detail)
    })
    server.on('connection', (socket: Socket) => this.#trackHandshake(socket))
    return server
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
    const tick = performance.now()
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
        clearInterval(this.#sweep)
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

  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true
    const closed = this.#stop()
    for (const link of [...this.#links.values()]) link.drain()
    for (const socket of [...this.#handshakes.values()]) socket.destroy()
    const deadline = setTimeout(() => this.#closeAll('drain-deadline', `${timeoutMs} ms are over`), timeoutMs)
    await closed
    clearTimeout(deadline)
  }

  async close(): Promise<void> {
    this.#draining = true
    const closed = this.#stop()
    this.#closeAll('closed', 'the listener closes')
    await closed
  }

  /** Stops accepting; resolves when the last socket is gone. */
  #stop(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => {
        clearInterval(this.#sweep)
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

/** Common name of a client certificate that was checked against the authorities. */
function verifiedName(socket: TLSSocket): string | undefined {
  if (!socket.authorized) return undefined
  const name = socket.getPeerCertificate().subject?.CN
  return Array.isArray(name) ? name[0] : name
}
