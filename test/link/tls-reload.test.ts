import { createPrivateKey } from 'node:crypto'
import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { MizanError } from '../../src/errors.ts'
import { type OwnCertificate, TlsFiles, type TlsObserver } from '../../src/link/tls-files.ts'
import { tlsTelemetry } from '../../src/link/tls-telemetry.ts'
import { makeTestPki, type TestCertificate } from '../../src/security/test-pki.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { credentials, dialTls, echoed, listenTls, rawTls } from './tls-peers.ts'

const DAY_MS = 86_400_000
const NOW_MS = Date.now()
const pki = makeTestPki({ nowMs: NOW_MS })
const other = makeTestPki({ nowMs: NOW_MS, clients: ['other-client'] })
const ended = makeTestPki({ nowMs: NOW_MS - 10 * DAY_MS, days: 5, clients: [] })
const [first, second] = pki.clients as [TestCertificate, TestCertificate]
const otherClient = other.clients[0] as TestCertificate
const POLL_MS = 10

/** The files of a link, and what was said of them. */
class Folder implements TlsObserver {
  readonly names: { keyFile: string; certFile: string; caFile: string }
  readonly folder: string
  readonly events: string[] = []

  constructor(t: Test, own: TestCertificate, authority: TestCertificate) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'mizan-tls-'))
    t.teardown(() => rmSync(this.folder, { recursive: true }))
    const file = (name: string) => path.join(this.folder, name)
    this.names = { keyFile: file('key.pem'), certFile: file('cert.pem'), caFile: file('ca.pem') }
    this.write(own)
    writeFileSync(this.names.caFile, authority.certPem)
  }

  write({ keyPem, certPem }: Pick<TestCertificate, 'keyPem' | 'certPem'>): void {
    writeFileSync(this.names.keyFile, keyPem, { mode: 0o600 })
    writeFileSync(this.names.certFile, certPem)
  }

  loaded(_link: string, certificate: OwnCertificate, isReload: boolean): void {
    this.events.push(`${isReload ? 'reloaded' : 'loaded'} ${certificate.fingerprint}`)
  }

  reloadFailed(_link: string, reason: string): void {
    this.events.push(`failed ${reason}`)
  }

  expiring(_link: string, _certificate: OwnCertificate, daysLeft: number): void {
    this.events.push(`expiring in ${daysLeft}`)
  }

  /** Waits for an event after those that were there. */
  async next(pattern: RegExp, from = 0): Promise<string> {
    for (;;) {
      const found = this.events.slice(from).find((event) => pattern.test(event))
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, POLL_MS / 2))
    }
  }

  open(t: Test, now = () => Date.now()): TlsFiles {
    const files = new TlsFiles('test', this.names, { observer: this, now, pollMs: POLL_MS })
    t.teardown(() => files.close())
    return files
  }
}

/** Fingerprint that a new connection is shown. */
async function shown(t: Test, port: number, trusted = pki.authority.certPem, client = first): Promise<string> {
  const { socket, peer } = await rawTls(t, port, { ca: trusted, ...credentials(client) })
  peer.send('seen')
  t.equal(await peer.nextText(), 'seen')
  const fingerprint = socket.getPeerX509Certificate()?.fingerprint256 ?? ''
  peer.destroy()
  return fingerprint.replaceAll(':', '').toLowerCase()
}

t.test('a rotated certificate: open connections stay, new ones get the new one', async (t) => {
  const folder = new Folder(t, pki.server, pki.authority)
  const files = folder.open(t)
  const tls = { ...files.current, requireClientCertificate: true, reloads: files }
  const { listener, recorder } = await listenTls(t, tls)
  const { client } = dialTls(t, listener.port, { ca: pki.authority.certPem, ...credentials(first) })
  await client.whenUp()
  t.equal(await shown(t, listener.port), pki.server.fingerprint)

  // A server certificate of another authority, and that authority for the clients.
  folder.write(other.server)
  writeFileSync(folder.names.caFile, other.authority.certPem)
  await folder.next(new RegExp(`reloaded ${other.server.fingerprint}`))
  t.equal(await shown(t, listener.port, other.authority.certPem, otherClient), other.server.fingerprint)
  t.equal(await echoed(client, 'still here'), 'still here')
  t.equal(recorder.all('disconnected').filter(([link]) => link.id === client.identity.id).length, 0)
  const { recorder: refused } = dialTls(t, listener.port, { ca: other.authority.certPem, ...credentials(second) })
  t.match((await recorder.next('refused')).slice(2), ['tls-failed', /certificate/])
  await refused.next('reconnecting')
  t.equal(await echoed(client, 'and still'), 'and still', 'a connection of the old authority stays')

  const { socket } = await rawTls(t, listener.port, { ca: other.authority.certPem, ...credentials(otherClient) })
  t.equal(socket.getProtocol(), 'TLSv1.3')
  await t.rejects(
    rawTls(t, listener.port, {
      ca: other.authority.certPem,
      ...credentials(otherClient),
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
    }),
    /protocol version/,
    'the new files do not bring old versions back',
  )
})

t.test('files that are no good leave the old ones in force', async (t) => {
  const folder = new Folder(t, pki.server, pki.authority)
  const files = folder.open(t)
  const { listener } = await listenTls(t, { ...files.current, requireClientCertificate: true, reloads: files })
  const { keyFile, certFile, caFile } = folder.names
  const broken: [string, () => void, RegExp][] = [
    ['rubbish', () => writeFileSync(certFile, 'rubbish'), /failed .*cert\.pem does not hold a certificate in PEM/],
    [
      'half a file',
      () => writeFileSync(certFile, pki.server.certPem.slice(0, 600)),
      /failed .*cert\.pem does not hold a certificate/,
    ],
    [
      'a certificate that is damaged inside',
      () => writeFileSync(certFile, pki.server.certPem.replace(/\n[^\n]{64}\n/, `\n${'A'.repeat(64)}\n`)),
      /failed .*cert\.pem does not hold a certificate in PEM/,
    ],
    ['a key that is gone', () => unlinkSync(keyFile), /failed .*key\.pem, cannot be read/],
    [
      'a key that is none',
      () => writeFileSync(keyFile, 'none', { mode: 0o600 }),
      /failed .*key\.pem does not hold a private key/,
    ],
    [
      'the key of another certificate',
      () => folder.write({ keyPem: first.keyPem, certPem: pki.server.certPem }),
      /failed .*key\.pem is not the key of the certificate in .*cert\.pem/,
    ],
    ['a certificate that has ended', () => folder.write(ended.server), /failed .*cert\.pem: the certificate has ended/],
    [
      'no authority',
      () => {
        folder.write(other.server)
        writeFileSync(caFile, '')
      },
      /failed .*ca\.pem does not hold a certificate in PEM/,
    ],
  ]
  for (const [what, breakIt, said] of broken) {
    const from = folder.events.length
    breakIt()
    const failure = await folder.next(said, from)
    t.equal(await shown(t, listener.port), pki.server.fingerprint, what)
    t.notMatch(failure, /BEGIN|MII/, 'nothing of a file is quoted')
  }
  t.strictSame(
    folder.events.filter((event) => event.startsWith('reloaded')),
    [],
  )
  const from = folder.events.length
  writeFileSync(caFile, pki.authority.certPem)
  await folder.next(/reloaded/, from)
  t.equal(await shown(t, listener.port, other.authority.certPem), other.server.fingerprint)
})

t.test('a new key that others may read is not used until it is closed to them', async (t) => {
  const folder = new Folder(t, pki.server, pki.authority)
  folder.open(t)
  folder.write(other.server)
  chmodSync(folder.names.keyFile, 0o644)
  await folder.next(/failed .*key\.pem, is open to others: chmod 600 it/)
  chmodSync(folder.names.keyFile, 0o600)
  await folder.next(/reloaded/)
})

t.test('a failure is told once, and touching a file is enough to try again', async (t) => {
  const folder = new Folder(t, pki.server, pki.authority)
  folder.open(t)
  writeFileSync(folder.names.certFile, 'rubbish')
  await folder.next(/failed/)
  const at = new Date(NOW_MS - DAY_MS)
  for (let touched = 0; touched < 2; touched++) {
    const from = folder.events.length
    utimesSync(folder.names.certFile, at, new Date(at.getTime() + touched * 1_000))
    await folder.next(/failed/, from)
  }
  // Many looks at files that do not change.
  await new Promise((resolve) => setTimeout(resolve, 20 * POLL_MS))
  t.equal(folder.events.filter((event) => event.startsWith('failed')).length, 3)
})

t.test('files behind links that are turned, as containers have them', async (t) => {
  const folder = new Folder(t, pki.server, pki.authority)
  const put = (name: string, certificate: TestCertificate) => {
    const [key, cert] = [path.join(folder.folder, `${name}.key`), path.join(folder.folder, `${name}.cert`)]
    writeFileSync(key, certificate.keyPem, { mode: 0o600 })
    writeFileSync(cert, certificate.certPem)
    return [key, cert] as const
  }
  const turn = ([key, cert]: readonly [string, string]) => {
    for (const [to, name] of [
      [key, folder.names.keyFile],
      [cert, folder.names.certFile],
    ] as const) {
      symlinkSync(to, `${name}.new`)
      renameSync(`${name}.new`, name)
    }
  }
  turn(put('old', pki.server))
  folder.open(t)
  turn(put('new', other.server))
  t.ok(await folder.next(new RegExp(`reloaded ${other.server.fingerprint}`)))
})

t.test('an outbound link shows its new certificate when it connects again', async (t) => {
  const folder = new Folder(t, first, pki.authority)
  const files = folder.open(t)
  const server = { ...credentials(pki.server), ca: pki.authority.certPem, requireClientCertificate: true }
  const { listener } = await listenTls(t, server)
  const { client, recorder } = dialTls(t, listener.port, { ...files.current, reloads: files })
  await client.whenUp()
  folder.write(second)
  await folder.next(/reloaded/)
  t.equal(await echoed(client, 'same'), 'same')
  t.match(listener.links(), [{ peerName: 'acquirer-1' }])
  await listener.close()
  await recorder.next('disconnected')
  const again = await listenTls(t, server, undefined, listener.port)
  await client.whenUp()
  t.equal(await echoed(client, 'new'), 'new')
  t.match(again.listener.links(), [{ peerName: 'acquirer-2' }])
})

t.test('a link that is closed looks no more', async (t) => {
  const folder = new Folder(t, first, pki.authority)
  const files = folder.open(t)
  const { listener } = await listenTls(t, { ...files.current, requireClientCertificate: true, reloads: files })
  await listener.close()
  const clientFiles = folder.open(t)
  const { client } = dialTls(t, listener.port, { ...clientFiles.current, reloads: clientFiles })
  client.close()
  folder.write(second)
  await new Promise((resolve) => setTimeout(resolve, 10 * POLL_MS))
  t.strictSame(folder.events, [`loaded ${first.fingerprint}`, `loaded ${first.fingerprint}`])
})

t.test('the end of a certificate is told 30 days before, once a day', async (t) => {
  const folder = new Folder(t, pki.server, pki.authority)
  const end = NOW_MS + 365 * DAY_MS
  let nowMs = end - 31.5 * DAY_MS
  folder.open(t, () => nowMs)
  const looked = () => new Promise((resolve) => setTimeout(resolve, 10 * POLL_MS))
  await looked()
  t.equal(folder.events.length, 1, 'more than 30 days')
  for (const daysLeft of [30, 29, 0, -1]) {
    nowMs = end - (daysLeft + 0.5) * DAY_MS
    await folder.next(new RegExp(`expiring in ${daysLeft}$`))
    await looked()
  }
  t.strictSame(folder.events.slice(1), ['expiring in 30', 'expiring in 29', 'expiring in 0', 'expiring in -1'])
})

t.test('what is told becomes a gauge and lines of the log', async (t) => {
  const metrics = createMetrics()
  const lines: string[] = []
  const write = (line: string) => {
    lines.push(line)
  }
  const log = createLogger({ level: 'info', pretty: false, destination: { write } })
  const telemetry = tlsTelemetry(metrics, log)
  const another = tlsTelemetry(metrics, log)
  const certificate = { fingerprint: 'ab'.repeat(32), notAfterMs: Date.UTC(2026, 11, 1) }
  telemetry.loaded?.('ascii', certificate, false)
  another.loaded?.('bank', certificate, true)
  another.expiring?.('bank', certificate, 9)
  another.reloadFailed?.('bank', 'cert.pem cannot be read')
  const page = await metrics.render()
  for (const link of ['ascii', 'bank']) {
    t.match(page, `mizan_tls_certificate_expiry_timestamp_seconds{link="${link}"} ${Date.UTC(2026, 11, 1) / 1_000}`)
  }
  t.match(
    lines.map((line) => JSON.parse(line)),
    [
      { level: 'info', event: 'certificate_reloaded', link: 'bank', notAfter: '2026-12-01T00:00:00.000Z' },
      { level: 'warn', event: 'certificate_expiring', daysLeft: 9 },
      { level: 'error', event: 'certificate_reload_failed', reason: 'cert.pem cannot be read' },
    ],
  )
})

t.test('at the start, files that are no good are named', async (t) => {
  const start = (arrange: (folder: Folder) => void) => {
    const folder = new Folder(t, pki.server, pki.authority)
    arrange(folder)
    return () => folder.open(t)
  }
  const refused = (arrange: (folder: Folder) => void, said: RegExp) =>
    t.throws(start(arrange), { constructor: MizanError, code: 'CONFIG_INVALID', message: said })
  refused(({ names }) => unlinkSync(names.certFile), /cert\.pem cannot be read/)
  refused(({ names }) => writeFileSync(names.keyFile, first.keyPem), /is not the key of the certificate/)
  refused(({ names }) => chmodSync(names.keyFile, 0o640), /key\.pem, is open to others: chmod 600 it/)
  refused(({ names }) => writeFileSync(names.caFile, 'x'), /ca\.pem does not hold a certificate/)
  const encrypted = createPrivateKey(pki.server.keyPem).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  })
  refused(
    ({ names }) => writeFileSync(names.keyFile, encrypted),
    /key\.pem does not hold a private key without a passphrase/,
  )
})
