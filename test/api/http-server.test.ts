import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { buildHttpApp, type HttpServerOptions, startHttpServer } from '../../src/api/http-server.ts'
import { MizanError } from '../../src/errors.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'

const ready = () => ({ checks: { 'lane 0': { ready: true }, database: { ready: true } } })

function options(changes: Partial<HttpServerOptions> = {}) {
  return { host: '127.0.0.1', port: 0, health: ready, metrics: createMetrics(), ...changes }
}

t.test('healthz, readyz and metrics answer over a socket', async (t) => {
  const metrics = createMetrics()
  metrics.link('ascii').request('0100')
  const server = await startHttpServer(options({ metrics }))
  t.teardown(() => server.close())
  t.ok(server.port > 0)
  const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`)
  t.equal((await get('/healthz')).status, 200)
  const readyz = await get('/readyz')
  t.equal(readyz.status, 200)
  t.match(await readyz.json(), { status: 'ready', notReady: [] })
  const page = await get('/metrics')
  t.match(page.headers.get('content-type'), 'text/plain; version=0.0.4')
  t.match(await page.text(), 'mizan_requests_total{link="ascii",type="0100"} 1')
})

t.test('readyz says what is not ready, and healthz still lives', async (t) => {
  const health = () => ({ checks: { 'lane 0': { ready: true }, database: { ready: false, detail: 'no connection' } } })
  const app = await buildHttpApp(options({ health }))
  const answer = await app.inject('/readyz')
  t.equal(answer.statusCode, 503)
  t.match(answer.json(), {
    status: 'not ready',
    notReady: ['database'],
    checks: { database: { detail: 'no connection' } },
  })
  t.equal((await app.inject('/healthz')).statusCode, 200)
})

t.test('a health source that fails, says nothing or hangs is not ready', async (t) => {
  const sources: HttpServerOptions['health'][] = [
    () => Promise.reject(new Error('broken')),
    () => ({ checks: {} }),
    () => new Promise(() => undefined),
  ]
  for (const health of sources) {
    const app = await buildHttpApp(options({ health }))
    const answer = await app.inject('/readyz')
    t.equal(answer.statusCode, 503)
    t.match(answer.json(), { notReady: ['health'] })
  }
})

t.test('errors are problem+json, and a fault of the program is not told to the caller', async (t) => {
  const lines: string[] = []
  const log = createLogger({ destination: { write: (line) => lines.push(line) } })
  const app = await buildHttpApp(
    options({
      log,
      plugins: [
        {
          prefix: '/api/v1',
          routes: async (scope) => {
            scope.get('/missing', async () => {
              throw new MizanError('NOT_FOUND', 'card 7')
            })
            scope.get('/down', async () => {
              throw new MizanError('STORE_UNAVAILABLE', 'host db.internal')
            })
            scope.get('/bug', async () => {
              throw new Error('table secret_table')
            })
            scope.post('/echo', async (request) => request.body)
          },
        },
      ],
    }),
  )
  const missing = await app.inject('/api/v1/missing')
  t.match(missing.headers['content-type'], 'application/problem+json')
  t.match(missing.json(), {
    type: 'urn:mizan:error:NOT_FOUND',
    status: 404,
    code: 'NOT_FOUND',
    detail: /card 7/,
    retryable: false,
  })
  const down = await app.inject('/api/v1/down')
  t.match(down.json(), { status: 503, code: 'STORE_UNAVAILABLE', retryable: true })
  t.notMatch(down.body, 'db.internal')
  const bug = await app.inject('/api/v1/bug')
  t.equal(bug.statusCode, 500)
  t.notMatch(bug.body, 'secret_table')
  t.equal(lines.length, 1, 'only the bug is a fault')
  t.match(JSON.parse(lines[0] ?? ''), {
    event: 'http_request_failed',
    route: '/api/v1/bug',
    err: { message: 'table secret_table' },
  })
  const unknown = await app.inject('/nowhere?pan=4000001234567899')
  t.match(unknown.json(), { status: 404, code: 'NOT_FOUND' })
  t.notMatch(unknown.body, '4000001234567899')
  const bad = await app.inject({
    method: 'POST',
    url: '/api/v1/echo',
    headers: { 'content-type': 'application/json' },
    body: '{',
  })
  t.match(bad.json(), { status: 400, code: 'BAD_INPUT' })
  const large = await app.inject({ method: 'POST', url: '/api/v1/echo', body: { text: 'x'.repeat(2_000_000) } })
  t.equal(large.statusCode, 413)
})

t.test('a port that is taken is one clear error', async (t) => {
  const first = await startHttpServer(options())
  t.teardown(() => first.close())
  await t.rejects(startHttpServer(options({ port: first.port })), {
    code: 'CONFIG_INVALID',
    message: /cannot listen on/,
  })
})

t.test('close ends though a client keeps its connection', async (t) => {
  const server = await startHttpServer(options())
  const socket = connect(server.port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  const start = Date.now()
  await server.close()
  await server.close()
  t.ok(Date.now() - start < 4_500)
  socket.destroy()
})

t.test('who calls is told by proxies that are trusted, and by nobody else', async (t) => {
  const plugins = [
    { prefix: '/api', routes: async (scope: FastifyInstance) => void scope.get('/who', async ({ ip }) => ({ ip })) },
  ]
  const headers = { 'x-forwarded-for': '198.51.100.7' }
  const direct = await buildHttpApp(options({ plugins }))
  t.same((await direct.inject({ url: '/api/who', headers })).json(), { ip: '127.0.0.1' })
  const behind = await buildHttpApp(options({ plugins, trustedProxies: ['127.0.0.0/8'] }))
  t.same((await behind.inject({ url: '/api/who', headers })).json(), { ip: '198.51.100.7' })
  for (const wrong of ['proxy.internal', '10.0.0.0/33', '10.0.0.0/8/8', '']) {
    await t.rejects(buildHttpApp(options({ trustedProxies: [wrong] })), { code: 'CONFIG_INVALID' }, wrong)
  }
  const wrongMethod = await direct.inject({ method: 'DELETE', url: '/api/who' })
  t.equal(wrongMethod.statusCode, 405)
  t.match(wrongMethod.headers, { allow: 'GET, HEAD', 'x-content-type-options': 'nosniff' })
  t.equal((await direct.inject('/api/%zz')).statusCode, 400)
})
