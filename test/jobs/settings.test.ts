import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Registry } from 'prom-client'
import t from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { panProtection } from '../../src/security/pan-protection.ts'
import { SoftwareModule } from '../../src/security/software-module.ts'
import { openJobs } from '../../src/switch-jobs.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createNotificationMetrics } from '../../src/telemetry/notification-metrics.ts'
import { bytesOf, panKeysOf } from '../support/pan-keys.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'mizan-notification-settings-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const secretFile = path.join(folder, 'secret')
writeFileSync(secretFile, 'k'.repeat(32), { mode: 0o600 })
/** As in src/jobs/runtime.ts. */
const RETRY_MS = 5_000
const webhook = { url: 'https://sms.example.test/v1/messages', secretFile: 'secret' }

const load = (settings: object, environment = 'development') => {
  const file = path.join(folder, 'config.json')
  writeFileSync(file, JSON.stringify({ environment, ...settings }))
  return loadConfig({ file, env: {} })
}
const open = (settings: object, write: (line: string) => void = () => undefined) => {
  const ring = new KeyRing(bytesOf('settings'))
  ring.load(panKeysOf(ring, 'settings'))
  return openJobs({
    config: load(settings),
    url: 'postgres://nobody@127.0.0.1:1/none',
    keys: { ring, protection: panProtection(ring, () => 0), module: new SoftwareModule(ring, () => 0) },
    programmesOn: () => ({ wallets: [] }),
    jobs: [],
    clock: { now: () => 0 },
    metrics: createNotificationMetrics(new Registry()),
    log: createLogger({ level: 'error', destination: { write } }),
  })
}

t.test('messages go to a file in development, nowhere in production, to a webhook where there is one', async (t) => {
  t.match(load({}).notifications, { adapter: 'file', folder: path.join(folder, 'var', 'notifications') })
  t.equal(load({}, 'production').notifications.adapter, 'none')
  t.match(load({ notifications: { webhook } }, 'production').notifications, {
    adapter: 'webhook',
    webhook: { secretFile, timeoutMs: 10_000, connections: 4 },
  })
  t.equal(load({ notifications: { adapter: 'file' } }, 'production').notifications.adapter, 'file')
})

t.test('settings that cannot be meant are named', async (t) => {
  const cases: [object, string, RegExp][] = [
    [{ adapter: 'webhook' }, 'development', /notifications\.webhook is missing/],
    [{ webhook: { ...webhook, url: 'http://sms.example.test' } }, 'production', /webhook\.url must be https/],
    [{ webhook: { ...webhook, url: 'https://user@sms.example.test' } }, 'development', /webhook\.url/],
    [{ firstRetryMs: 5_000, longestRetryMs: 1_000 }, 'development', /longestRetryMs must not be less/],
    [{ quietHours: { from: '25:00' } }, 'development', /quietHours\.from/],
    [{ ratePerSecnd: 3 }, 'development', /ratePerSecnd .*did you mean .*ratePerSecond/],
  ]
  for (const [notifications, environment, message] of cases) {
    t.throws(() => load({ notifications }, environment), { code: 'CONFIG_INVALID', message })
  }
})

t.test('a key of the webhook that is open to others, or too short, stops the start', async (t) => {
  t.equal(
    open({ jobs: { enabled: false }, notifications: { webhook: { ...webhook, secretFile: 'missing' } } }),
    undefined,
  )
  t.throws(() => open({ notifications: { webhook: { ...webhook, secretFile: 'missing' } } }), /cannot be read/)
  t.throws(
    () => open({ notifications: { webhook: { ...webhook, caFile: 'missing.pem' } } }),
    /missing\.pem cannot be read/,
  )
  chmodSync(secretFile, 0o644)
  t.throws(() => open({ notifications: { webhook } }), { code: 'CONFIG_INVALID', message: /open to others/ })
  writeFileSync(secretFile, 'short')
  chmodSync(secretFile, 0o600)
  t.throws(() => open({ notifications: { webhook } }), /must hold 32 to 256 characters/)
})

t.test('jobs whose database is away are tried again, and stop at once', async (t) => {
  const lines: string[] = []
  const failed = Promise.withResolvers<void>()
  const jobs = open({}, (line) => {
    lines.push(line)
    failed.resolve()
  })
  await failed.promise
  t.match(JSON.parse(lines[0] ?? ''), { event: 'job_queue_failed' })
  const startedMs = performance.now()
  await jobs?.close()
  t.ok(performance.now() - startedMs < RETRY_MS, 'the time until the next try is not waited for')
})
