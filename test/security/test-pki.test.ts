import { X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { keysTlsDemoCommand } from '../../src/commands/keys-tls-demo.ts'
import { loadConfig } from '../../src/config/config.ts'
import { MizanError } from '../../src/errors.ts'
import { makeTestPki } from '../../src/security/test-pki.ts'

const DAY_MS = 86_400_000

t.test('an authority and what it vouches for', async (t) => {
  const nowMs = Date.UTC(2026, 10, 22, 12)
  const { authority, server, clients } = makeTestPki({ nowMs, days: 90, clients: ['one', 'two', 'three'] })
  const issuer = new X509Certificate(authority.certPem)
  t.equal(issuer.ca, true)
  t.ok(issuer.verify(issuer.publicKey))
  for (const { certPem, keyPem, fingerprint } of [server, ...clients]) {
    const certificate = new X509Certificate(certPem)
    t.ok(certificate.checkIssued(issuer))
    t.ok(certificate.verify(issuer.publicKey))
    t.equal(certificate.ca, false)
    t.match(keyPem, /^-----BEGIN PRIVATE KEY-----\n/)
    t.equal(certificate.fingerprint256.replaceAll(':', '').toLowerCase(), fingerprint)
    t.equal(certificate.validToDate.getTime(), nowMs + 90 * DAY_MS)
    t.ok(certificate.validFromDate.getTime() < nowMs)
  }
  const own = new X509Certificate(server.certPem)
  t.equal(own.checkHost('localhost'), 'localhost')
  t.equal(own.checkIP('127.0.0.1'), '127.0.0.1')
  t.equal(own.checkHost('bank.example'), undefined)
  t.strictSame(
    clients.map(({ name, certPem }) => [name, /CN=(\w+)/.exec(new X509Certificate(certPem).subject)?.[1]]),
    ['one', 'two', 'three'].map((name) => [name, name]),
  )
  const serials = [authority, server, ...clients].map(({ certPem }) => new X509Certificate(certPem).serialNumber)
  t.equal(new Set(serials).size, 5)
  t.notOk(new X509Certificate(makeTestPki({ nowMs, clients: [] }).server.certPem).checkIssued(issuer))
})

/** Runs the command in this process. */
async function run(t: Test, ...args: string[]): Promise<string> {
  let printed = ''
  const stdout = t.capture(process.stdout, 'write', (text: string) => {
    printed += text
    return true
  })
  try {
    await keysTlsDemoCommand().parseAsync(args, { from: 'user' })
  } finally {
    stdout.restore()
  }
  return printed
}

t.test('mizan keys tls-demo', async (t) => {
  const parent = mkdtempSync(path.join(tmpdir(), 'mizan-tls-demo-'))
  t.teardown(() => rmSync(parent, { recursive: true }))
  const folder = path.join(parent, 'pki')
  const printed = await run(t, '--out', folder)
  t.strictSame(readdirSync(folder).sort(), [
    'acquirer-1.cert.pem',
    'acquirer-1.key.pem',
    'acquirer-2.cert.pem',
    'acquirer-2.key.pem',
    'authority.cert.pem',
    'authority.key.pem',
    'server.cert.pem',
    'server.key.pem',
  ])
  const modeOf = (name: string) => statSync(path.join(folder, name)).mode & 0o777
  for (const name of readdirSync(folder)) if (name.endsWith('.key.pem')) t.equal(modeOf(name), 0o600, name)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  t.notMatch(printed, /PRIVATE KEY/)

  await t.test('prints what a configuration file needs', async (t) => {
    const snippet = printed.slice(printed.indexOf('{'), printed.lastIndexOf('}') + 1)
    const file = path.join(parent, 'config.json')
    writeFileSync(file, snippet)
    const { tls } = loadConfig({ file, env: {} }).listeners.ascii
    t.ok(tls && existsSync(tls.keyFile) && existsSync(tls.certFile) && existsSync(tls.caFile ?? ''))
    t.equal(tls?.requireClientCertificate, true)
    const client = new X509Certificate(readFileSync(path.join(folder, 'acquirer-1.cert.pem')))
    t.ok(tls?.pinnedFingerprints?.includes(client.fingerprint256.replaceAll(':', '').toLowerCase()))
  })

  await t.test('replaces nothing without --force', async (t) => {
    const before = readFileSync(path.join(folder, 'server.cert.pem'), 'utf8')
    rmSync(path.join(folder, 'authority.key.pem'))
    await t.rejects(run(t, '--out', folder), { code: 'BAD_INPUT', message: /is there already; --force replaces it/ })
    t.equal(readFileSync(path.join(folder, 'server.cert.pem'), 'utf8'), before)
    t.notOk(existsSync(path.join(folder, 'authority.key.pem')), 'nor does it fill gaps')
    rmSync(path.join(folder, 'server.key.pem'))
    writeFileSync(path.join(folder, 'server.key.pem'), 'open to all', { mode: 0o644 })
    const { server } = JSON.parse(await run(t, '--out', folder, '--force', '--json'))
    t.equal(modeOf('server.key.pem'), 0o600, 'the mode is not that of the file before')
    const now = new X509Certificate(readFileSync(server.certFile))
    t.equal(now.fingerprint256.replaceAll(':', '').toLowerCase(), server.fingerprint)
    t.not(readFileSync(server.certFile, 'utf8'), before)
  })

  await t.test('is refused in production', async (t) => {
    const saved = process.env.MIZAN_ENV
    t.teardown(() => {
      if (saved === undefined) delete process.env.MIZAN_ENV
      else process.env.MIZAN_ENV = saved
    })
    process.env.MIZAN_ENV = 'production'
    const elsewhere = path.join(parent, 'production')
    await t.rejects(run(t, '--out', elsewhere), { constructor: MizanError, code: 'DEMO_REFUSED' })
    t.notOk(existsSync(elsewhere))
  })
})
