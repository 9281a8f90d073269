import { randomUUID } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import { describeError, MizanError } from '../errors.ts'
import { httpListening, httpRequestFailed } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type ArrivalLimits, arrivalLimits, watchArrival } from './arrival.ts'
import { type HealthSource, registerHealth } from './health.ts'
import { type MetricsPage, registerMetrics } from './metrics-route.ts'
import { describeProblem, type KnownRoute, registerProblems, send } from './problem.ts'

/** A set of routes: a Fastify plugin that is registered in an encapsulated context. */
export interface RoutePlugin {
  /** Path before each of its routes, such as `/api/v1`. */
  readonly prefix: string
  readonly routes: FastifyPluginAsync
}

/** How to serve HTTP. */
export interface HttpServerOptions {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  readonly health: HealthSource
  readonly metrics: MetricsPage
  /** Further routes: the API and the console. */
  readonly plugins?: readonly RoutePlugin[]
  /** Addresses of reverse proxies whose `X-Forwarded-For` tells where a request comes from. @default none */
  readonly trustedProxies?: readonly string[]
  /** How long a request may take to arrive. @default half a minute; a file more */
  readonly arrival?: ArrivalLimits
  readonly log?: Logger
}

/** A running HTTP server. */
export interface HttpServer {
  readonly port: number
  /** Takes no more connections, finishes the requests that run, and ends. Idempotent. */
  close(): Promise<void>
}

const BODY_MAX_BYTES = 1_048_576
/** Longer than a caller waits for the writer. */
const CLOSE_TIMEOUT_MS = 8_000
/** On every answer: what it is stays what it is, and no other page may have it. */
const SECURE_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
}

/**
 * Serves `/healthz`, `/readyz`, `/metrics` and the routes of the plugins. Errors are `application/problem+json`.
 * @throws MizanError CONFIG_INVALID when the address cannot be listened on
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const app = await buildHttpApp(options)
  const dropUnused = watchConnections(app)
  try {
    await app.listen({ host: options.host, port: options.port })
  } catch (error) {
    await app.close()
    const detail = `HTTP cannot listen on ${options.host}:${options.port}: ${describeError(error)}`
    throw new MizanError('CONFIG_INVALID', detail, { cause: error })
  }
  const address = app.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  if (options.log !== undefined) httpListening(options.log, { host: options.host, port })
  let closing: Promise<void> | undefined
  return {
    port,
    close: () => {
      dropUnused()
      closing ??= closeWithin(app, CLOSE_TIMEOUT_MS)
      return closing
    },
  }
}

/** The application without a socket; tests call its `inject`. */
export async function buildHttpApp(options: Omit<HttpServerOptions, 'host' | 'port'>): Promise<FastifyInstance> {
  const { arrival = arrivalLimits } = options
  const app = fastify({
    bodyLimit: BODY_MAX_BYTES,
    // Of the largest file; what is less has less time, see watchArrival.
    requestTimeout: arrival.fileMs,
    http: {
      headersTimeout: arrival.headersMs,
      connectionsCheckingInterval: arrival.headersMs,
    },
    forceCloseConnections: 'idle',
    // Logging goes through telemetry/events.ts: request lines may hold searches for cards.
    logger: false,
    // What a caller sends as an id would stand in the log and the audit as if it were ours.
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    trustProxy: trustedProxies(options.trustedProxies ?? []),
    // An address that cannot be read is not said again.
    frameworkErrors: (_, request, reply) => {
      send(reply, describeProblem(new MizanError('BAD_INPUT', 'the address cannot be read'), request.id))
    },
  })
  watchArrival(app.server, arrival)
  const known: KnownRoute[] = []
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) known.push({ method: one, url })
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...SECURE_HEADERS, 'x-request-id': request.id })
  })
  registerProblems(
    app,
    (request, error) => {
      const route = request.routeOptions.url ?? 'unknown'
      if (options.log !== undefined) {
        httpRequestFailed(options.log, { method: request.method, route, requestId: request.id }, error)
      }
    },
    known,
  )
  registerHealth(app, options.health)
  registerMetrics(app, options.metrics)
  for (const plugin of options.plugins ?? []) {
    await app.register(plugin.routes, { prefix: plugin.prefix })
  }
  await app.ready()
  return app
}

/** @throws MizanError CONFIG_INVALID for what is neither an address nor a network */
function trustedProxies(networks: readonly string[]): string[] {
  for (const network of networks) {
    const [address = '', bits, ...more] = network.split('/')
    const longest = isIP(address) === 6 ? 128 : 32
    const isRight = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= longest)
    if (isIP(address) !== 0 && isRight && more.length === 0) continue
    throw new MizanError(
      'CONFIG_INVALID',
      `http.trustedProxies: ${network} is no address or network, such as 10.1.0.0/16`,
    )
  }
  return [...networks]
}

/**
 * Knows the connections on which nothing was asked yet, as browsers open them ahead: node calls idle only those that were
 * used.
 * @returns what ends them
 */
function watchConnections(app: FastifyInstance): () => void {
  const unused = new Set<Socket>()
  app.server.on('connection', (socket) => {
    unused.add(socket)
    socket.once('close', () => unused.delete(socket))
  })
  app.server.on('request', ({ socket }) => unused.delete(socket))
  return () => {
    for (const socket of unused) socket.destroy()
  }
}

/** A peer that never finishes its request must not hold up the switch. */
async function closeWithin(app: FastifyInstance, timeoutMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), timeoutMs)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}
