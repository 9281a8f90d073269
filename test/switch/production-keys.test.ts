import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { withClient } from '../../src/store/database-location.ts'
import { startSwitch } from '../../src/switch.ts'
import { createTestDatabase } from '../support/database.ts'

const clock = { now: () => Date.parse('2026-11-11T12:00:00+02:00') }

t.test('a database of the demo world does not start in production, nor under another master key', async (t) => {
  const { url } = await createTestDatabase(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-production-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const start = async (environment: string, demo: boolean, masterKey = 'a5') => {
    const file = path.join(folder, 'config.json')
    const world = demo ? { enabled: true, households: 20 } : { enabled: false }
    writeFileSync(file, JSON.stringify({ environment, varDir: 'var', demo: world, log: { level: 'silent' } }))
    const ports = { MIZAN_PORT_ASCII: '0', MIZAN_PORT_BCD: '0', MIZAN_PORT_VISA: '0', MIZAN_PORT_HTTP: '0' }
    const env = { DATABASE_URL: url, MIZAN_MASTER_KEY: masterKey.repeat(32), ...ports }
    const running = await startSwitch(loadConfig({ env, file }), 'test', clock)
    await running.stop('test')
  }
  await start('development', true)
  await t.rejects(start('production', false), { code: 'DEMO_REFUSED', message: /zpk:ascii version 1/ })
  await t.rejects(start('development', true, 'b6'), { code: 'CRYPTO_REFUSED' }, 'its keys are under another master key')
  await withClient(url, (client) =>
    client.query("update security_key set status = 'revoked' where name not like 'pan-%' and status = 'active'"),
  )
  await start('production', false)
  t.pass('once they are revoked, it does')
})
