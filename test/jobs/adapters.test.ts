import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import type { OutboundMessage } from '../../src/jobs/adapter.ts'
import { fileAdapter } from '../../src/jobs/file-adapter.ts'
import { webhookAdapter } from '../../src/jobs/webhook-adapter.ts'
import { makeTestPki } from '../../src/security/test-pki.ts'
import { ManualClock } from '../support/switch.ts'
import { startProvider } from './harness.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'mizan-adapters-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

const message = (n: number): OutboundMessage => ({
  idempotencyKey: `mizan-0-${n}`,
  to: '+201000000001',
  text: `تم صرف\n${n}`,
  language: 'ar',
  encoding: 'UCS-2',
  parts: 1,
  template: 'dispense',
  createdAtMs: 0,
})

t.test('the file adapter writes a line a message, into a file a day, that only its owner reads', async (t) => {
  const clock = new ManualClock(Date.parse('2026-11-11T23:59:00+02:00'))
  const into = path.join(folder, 'var', 'notifications')
  const adapter = fileAdapter(into, clock)
  const results = await Promise.all(Array.from({ length: 20 }, (_, n) => adapter.send(message(n))))
  t.ok(results.every(({ kind }) => kind === 'sent'))
  clock.advance(120_000)
  await adapter.send(message(20))
  await adapter.close()
  t.same(readdirSync(into).sort(), ['notifications-2026-11-11.ndjson', 'notifications-2026-11-12.ndjson'])
  const file = path.join(into, 'notifications-2026-11-11.ndjson')
  t.equal(statSync(file).mode & 0o777, 0o600)
  const lines = readFileSync(file, 'utf8').split('\n')
  t.equal(lines.pop(), '')
  t.same(
    lines.map((line) => JSON.parse(line).idempotencyKey),
    Array.from({ length: 20 }, (_, n) => `mizan-0-${n}`),
  )

  // A crash in the middle of a line: what comes next begins a line of its own.
  appendFileSync(path.join(into, 'notifications-2026-11-12.ndjson'), '{"half')
  const again = fileAdapter(into, clock)
  await again.send(message(21))
  await again.close()
  const [, half, whole] = readFileSync(path.join(into, 'notifications-2026-11-12.ndjson'), 'utf8').split('\n')
  t.equal(half, '{"half')
  t.equal(JSON.parse(whole ?? '').idempotencyKey, 'mizan-0-21')
})

t.test('a folder that cannot be written is tried again later', async (t) => {
  const blocked = path.join(folder, 'blocked')
  writeFileSync(blocked, '')
  const adapter = fileAdapter(blocked, new ManualClock(0))
  t.match(await adapter.send(message(1)), { kind: 'retry', error: /^E/ })
  rmSync(blocked)
  t.match(await adapter.send(message(1)), { kind: 'sent' })
  await adapter.close()
})

t.test('answers of a provider: what is sent, what is refused, what comes again', async (t) => {
  const provider = await startProvider(t)
  const options = { url: provider.url, secret: 'k'.repeat(32), connections: 2 }
  const adapter = webhookAdapter({ ...options, timeoutMs: 60_000 })
  const cases: [number, object][] = [
    [200, { kind: 'sent', reference: 'p-1' }],
    [202, { kind: 'sent' }],
    [302, { kind: 'refused', error: 'HTTP 302' }],
    [400, { kind: 'refused' }],
    [401, { kind: 'refused' }],
    [408, { kind: 'retry', error: 'HTTP 408' }],
    [429, { kind: 'retry' }],
    [500, { kind: 'retry' }],
    [503, { kind: 'retry' }],
  ]
  for (const [status, result] of cases) {
    provider.answers.push({ status })
    t.match(await adapter.send(message(status)), result, String(status))
  }
  provider.answers.push({ status: 429, headers: { 'retry-after': '7' } })
  t.match(await adapter.send(message(1)), { kind: 'retry', afterMs: 7_000 })
  await adapter.close()
  provider.answers.push('silence')
  const impatient = webhookAdapter({ ...options, timeoutMs: 50 })
  t.match(await impatient.send(message(2)), { kind: 'retry', error: 'no answer in time' })
  await impatient.close()
  const nobody = webhookAdapter({ url: 'http://127.0.0.1:1/sms', secret: 'k', timeoutMs: 60_000, connections: 1 })
  t.match(await nobody.send(message(3)), { kind: 'retry', error: 'ECONNREFUSED' })
  await nobody.close()
})

t.test('over TLS only a provider whose certificate is trusted gets messages', async (t) => {
  const pki = makeTestPki({ nowMs: Date.now(), clients: [] })
  let requests = 0
  const server = https.createServer({ key: pki.server.keyPem, cert: pki.server.certPem }, (request, response) => {
    requests++
    request.resume().on('end', () => response.end('{"id":5}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const options = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/sms`,
    secret: 'k'.repeat(32),
    timeoutMs: 60_000,
    connections: 1,
  }
  const trusting = webhookAdapter({ ...options, ca: pki.authority.certPem })
  t.match(await trusting.send(message(1)), { kind: 'sent', reference: '5' })
  await trusting.close()
  const careful = webhookAdapter(options)
  const refusal = await careful.send(message(2))
  await careful.close()
  t.equal(refusal.kind, 'retry')
  t.equal(requests, 1)
})
