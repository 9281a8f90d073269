import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { makeTestPki } from '../../src/security/test-pki.ts'
import { type LinkWiring, openListeners, openNetworkLinks } from '../../src/switch-links.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { Approver, dialectOf, management, purchase } from '../link/exchange-harness.ts'
import { connectPeer, Peer } from '../link/harness.ts'
import { sealed, TestMacModule } from '../link/mac-module.ts'
import { credentials, rawTls } from '../link/tls-peers.ts'

const KEY = '0123456789abcdeffedcba9876543210'
const folder = mkdtempSync(path.join(tmpdir(), 'mizan-wiring-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const pki = makeTestPki({ nowMs: Date.now() })
const file = (name: string, text: string) => {
  writeFileSync(path.join(folder, name), text, { mode: 0o600 })
  return name
}
const server = { keyFile: file('server.key', pki.server.keyPem), certFile: file('server.cert', pki.server.certPem) }
const caFile = file('ca.cert', pki.authority.certPem)

interface Wired extends LinkWiring {
  readonly lines: { readonly event: string; readonly [field: string]: unknown }[]
}

/** Wires the links of a configuration to a decider that approves, without the rest of the switch. */
function wire(config: Readonly<Record<string, unknown>>, more: Partial<LinkWiring> = {}): Wired {
  const lines: Wired['lines'] = []
  const name = path.join(folder, 'config.json')
  writeFileSync(name, JSON.stringify(config))
  return {
    config: loadConfig({ file: name, env: {} }),
    decider: new Approver(),
    panIndexOf: () => '\0'.repeat(16),
    metrics: createMetrics(),
    log: createLogger({ destination: { write: (line) => lines.push(JSON.parse(line)) } }),
    clock: { now: () => Date.now() },
    lines,
    ...more,
  }
}

const only = (settings: Readonly<Record<string, unknown>>, name = 'ascii') => {
  const off = Object.fromEntries(['ascii', 'visa', 'bcd'].map((one) => [one, { enabled: false }]))
  return { ...off, [name]: { port: 0, ...settings } }
}

async function listening(t: Test, wiring: LinkWiring): Promise<number> {
  const listeners = await openListeners(wiring)
  t.teardown(() => Promise.all(listeners.map((listener) => listener.close())))
  return listeners[0]?.port ?? 0
}

t.test('a listener that requires MACs asks for those of its own key, and counts what it refuses', async (t) => {
  const security = new TestMacModule({ 'mak:ascii': [KEY] })
  const wiring = wire({ listeners: only({ mac: 'required' }) }, { security })
  const peer = await connectPeer(await listening(t, wiring))
  t.teardown(() => peer.destroy())
  const dialect = dialectOf('iso87-ascii')
  peer.send(sealed(dialect, '0100', purchase(), KEY))
  const answer = dialect.decode(await peer.next())
  t.strictSame([answer.text(39), answer.has(64)], ['00', true])
  for (let sent = 0; sent < 3; sent++) peer.send(dialect.encode('0100', purchase()))
  for (let got = 0; got < 3; got++) t.equal(dialect.decode(await peer.next()).text(39), '63')
  const page = await wiring.metrics.render()
  t.match(page, 'mizan_frames_refused_total{listener="ascii",reason="mac-missing"} 3\n')
  t.match(page, 'mizan_responses_total{link="ascii",code="63"} 3\n')
  const said = wiring.lines.filter(({ event }) => event === 'frame_refused')
  t.match(said, [{ link: 'ascii', reason: '0100 is not authentic: mac-missing' }])
  t.equal(said.length, 1, 'a flood of forgeries does not flood the log')
  t.equal((wiring.decider as Approver).requests.length, 1)
})

t.test('keys that peers send go to the switch, by the name of the link', async (t) => {
  const taken: string[] = []
  const onKeyExchange: LinkWiring['onKeyExchange'] = async (...what) => {
    taken.push(what.join(' '))
    return { responseCode: '00', checkValue: 'A1B2C3' }
  }
  const peer = await connectPeer(await listening(t, wire({ listeners: only({}) }, { onKeyExchange })))
  t.teardown(() => peer.destroy())
  const dialect = dialectOf('iso87-ascii')
  peer.send(dialect.encode('0800', management('101', { 48: 'KN003zpkKB005D0016' })))
  t.equal(dialect.decode(await peer.next()).text(48), 'KC006A1B2C3')
  t.strictSame(taken, ['ascii zpk D0016'])
})

t.test('what cannot be is refused at the start, by name', async (t) => {
  const security = new TestMacModule()
  const refused = (config: Readonly<Record<string, unknown>>, said: RegExp, more: Partial<LinkWiring> = { security }) =>
    t.rejects(
      (async () => {
        const wiring = wire(config, more)
        const listeners = await openListeners(wiring)
        for (const listener of listeners) await listener.close()
        for (const link of openNetworkLinks(wiring)) link.close()
      })(),
      { code: 'CONFIG_INVALID', message: said },
    )
  const outbound = (settings: Readonly<Record<string, unknown>>) => ({
    listeners: only({ enabled: false }),
    outbound: [{ name: 'bank', host: '127.0.0.1', port: 9, dialect: 'iso87-ascii', ...settings }],
  })
  await refused({ listeners: only({ mac: 'required' }, 'visa') }, /listeners\.visa\.mac must be off/)
  await refused({ listeners: only({ mac: 'required' }) }, /ascii: nothing can make a MAC/, {})
  await refused(outbound({ mac: 'required', dialect: 'visa-base1' }), /outbound\.0\.mac must be off/)
  await refused(outbound({ tls: server }), /bank: tls needs caFile or pinnedFingerprints/)
  await refused(
    { listeners: only({ tls: { ...server, requireClientCertificate: true } }) },
    /client certificates need the authorities they come from, or their fingerprints/,
  )
  await refused({ listeners: only({ tls: { ...server, keyFile: 'no.key' } }) }, /no\.key, cannot be read/)
  await refused({ listeners: only({ tls: { ...server, pinnedFingerprints: ['abc'] } }) }, /pinnedFingerprints\.0 must/)
})

t.test('mutual TLS between a listener and an outbound link, by pins', async (t) => {
  const [client] = pki.clients
  const fingerprint = client?.fingerprint ?? ''
  const own = { keyFile: file('c.key', client?.keyPem ?? ''), certFile: file('c.cert', client?.certPem ?? '') }
  const security = new TestMacModule({ 'mak:ascii': [KEY], 'mak:bank': [KEY] })
  const tls = { ...server, caFile, pinnedFingerprints: [fingerprint] }
  const serving = wire({ listeners: only({ tls, mac: 'required' }) }, { security })
  const port = await listening(t, serving)
  const bank = { name: 'bank', host: '127.0.0.1', port, dialect: 'iso87-ascii', mac: 'required' }
  const calling = wire(
    {
      listeners: only({ enabled: false }),
      outbound: [{ ...bank, tls: { ...own, pinnedFingerprints: [pki.server.fingerprint] } }],
    },
    { security },
  )
  const [link] = openNetworkLinks(calling)
  t.teardown(() => link?.close())
  await link?.whenUp()
  t.equal(link?.state, 'up', 'signed on, with MACs both ways')
  const end = Math.floor((Date.now() + 365 * 86_400_000) / 1_000)
  for (const [name, wiring] of [
    ['ascii', serving],
    ['bank', calling],
  ] as const) {
    const page = await wiring.metrics.render()
    const shown = new RegExp(`mizan_tls_certificate_expiry_timestamp_seconds\\{link="${name}"\\} (\\d+)`).exec(
      page,
    )?.[1]
    t.ok(Math.abs(Number(shown) - end) < 600, `${name} ${shown}`)
  }
  const stranger = pki.clients[1]
  if (stranger === undefined) throw new Error('there are two clients')
  const { socket } = await rawTls(t, port, { ca: pki.authority.certPem, ...credentials(stranger) })
  await new Peer(socket, 'len2').gone
  t.match(
    serving.lines.filter(({ event }) => event === 'link_refused'),
    [{ link: 'ascii', reason: /not among those pinned/ }],
  )
})
