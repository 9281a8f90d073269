import { connect } from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { type ArrivalLimits, arrivalLimits } from '../../src/api/arrival.ts'
import { startHttpServer } from '../../src/api/http-server.ts'
import { UPLOAD_MAX_BYTES, uploadTypes } from '../../src/api/upload.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'

const STEP_MS = 50
const GIVEN_UP_MS = 60_000

/** A server that says how many bytes a file has. */
async function counting(scope: FastifyInstance): Promise<void> {
  scope.addContentTypeParser([...uploadTypes], (_request, payload, done) => done(null, payload))
  scope.post('/count', async ({ body }) => {
    if (typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)) return { bytes: 0 }
    let bytes = 0
    for await (const chunk of body as Readable) bytes += chunk.length
    return { bytes }
  })
}

async function sending(t: Test, arrival: ArrivalLimits) {
  const plugins = [{ prefix: '/api', routes: counting }]
  const health = () => ({ checks: {} })
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    health,
    metrics: createMetrics(),
    plugins,
    arrival,
  })
  t.teardown(() => server.close())
  /** Sends a text, then a byte each step until all is sent; tells what was answered by the time that the connection ended. */
  return async (text: string, bytes: number): Promise<string> => {
    const socket = connect(server.port, '127.0.0.1')
    let told = ''
    socket.on('data', (data) => {
      told += data
    })
    const ended = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => undefined)
    socket.write(text)
    for (let sent = 0; sent < bytes && !socket.destroyed; sent++) {
      await sleep(STEP_MS)
      socket.write('x')
    }
    const isEnded = await Promise.race([ended.then(() => true), sleep(GIVEN_UP_MS, false, { ref: false })])
    socket.destroy()
    return isEnded ? told : `${told} and goes on`
  }
}

const head = (type: string, bytes: number) =>
  `POST /api/count HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: ${type}\r\ncontent-length: ${bytes}\r\n\r\n`

t.test('a file may come slowly, as long as it comes; nothing else may', async (t) => {
  const send = await sending(t, { headersMs: 500, bodyMs: 500, idleMs: 3_000, fileMs: GIVEN_UP_MS })
  const [slow, stalled, body, headers] = await Promise.all([
    send(head('text/csv', 40), 40),
    send(head('application/x-ndjson', 40), 3),
    send(head('application/json', 40), 40),
    send('POST /api/count HTTP/1.1\r\nx-', 40),
  ])
  t.match(slow, /^HTTP\/1.1 200 .*{"bytes":40}/s, 'four times as long as another body')
  t.match(stalled, /^HTTP\/1.1 408 /)
  t.match(body, /^HTTP\/1.1 408 /)
  t.notMatch(headers, / 200 |goes on/)
})

t.test('a file that never ends is ended, and so is one that was refused', async (t) => {
  const send = await sending(t, { headersMs: 500, bodyMs: 500, idleMs: 3_000, fileMs: 1_000 })
  t.match(await send(head('text/csv', 1_000), 1_000), /^HTTP\/1.1 408 /)
  const refused = head('text/csv', 1_000).replace('/api/count', '/nowhere').replace('connection: close\r\n', '')
  t.match(await send(refused, 1_000), /^HTTP\/1.1 404 (?!.*goes on)/s)
})

t.test('the largest file has the time that a slow line needs', async (t) => {
  t.ok(arrivalLimits.fileMs > UPLOAD_MAX_BYTES / 1_000)
})
