import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { keepDemoPartner } from '../../src/clearing/delivery/sign-step.ts'
import type { DemoPartner } from '../../src/clearing/protection/key-room.ts'
import { loadConfig } from '../../src/config/config.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { makeDemoUsers } from '../../src/switch-api.ts'
import { createTestDatabase } from '../support/database.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'mizan-secrets-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const modeOf = (file: string) => statSync(file).mode & 0o777

t.test('passwords of demo users are closed to others, also in a file that was open to them', async (t) => {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  const varDir = path.join(folder, 'var')
  mkdirSync(path.join(varDir, 'demo'), { recursive: true })
  writeFileSync(path.join(varDir, 'demo', 'access.json'), 'old', { mode: 0o644 })
  const file = await makeDemoUsers(loadConfig({ env: { MIZAN_VAR: varDir, DATABASE_URL: url } }), url)
  t.equal(modeOf(file), 0o600)
  t.ok(JSON.parse(readFileSync(file, 'utf8')).users.length > 0)
})

t.test('so are private keys of demo partners', async (t) => {
  const file = path.join(folder, 'bank.encrypt.key.pem')
  writeFileSync(file, 'old', { mode: 0o644 })
  const made = { partner: 'bank', purpose: 'encrypt', certificate: { der: Buffer.from('x') }, keyPem: 'key' }
  await keepDemoPartner(folder, made as unknown as DemoPartner)
  t.equal(modeOf(file), 0o600)
  t.equal(readFileSync(file, 'utf8'), 'key')
})
