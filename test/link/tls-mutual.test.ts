import { once } from 'node:events'
import { createServer } from 'node:tls'
import t from 'tap'
import { MizanError } from '../../src/errors.ts'
import { startListener } from '../../src/link/server.ts'
import { makeTestPki } from '../../src/security/test-pki.ts'
import { listenerOptions } from './harness.ts'
import { credentials, dialTls, echoed, listenTls, rawTls } from './tls-peers.ts'

const DAY_MS = 86_400_000
const pki = makeTestPki({ nowMs: Date.now() })
const strangers = makeTestPki({ nowMs: Date.now(), clients: ['stranger'] })
const [first, second] = pki.clients as [(typeof pki.clients)[0], (typeof pki.clients)[0]]
const stranger = strangers.clients[0] as typeof first
const ca = pki.authority.certPem
const server = { ...credentials(pki.server), requireClientCertificate: true }
/** As tools print it. */
const withColons = (fingerprint: string) => fingerprint.toUpperCase().replaceAll(/..(?!$)/g, '$&:')

t.test('a client that speaks no newer TLS than 1.2 is refused', async (t) => {
  const { listener, recorder } = await listenTls(t, { ...server, ca })
  await t.rejects(
    rawTls(t, listener.port, { ca, ...credentials(first), maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' }),
    /protocol version/,
  )
  t.match((await recorder.next('refused')).slice(2), ['tls-failed', /unsupported protocol/])
  const { socket } = await rawTls(t, listener.port, { ca, ...credentials(first) })
  t.equal(socket.getProtocol(), 'TLSv1.3')
  t.equal(recorder.count('refused'), 1)
})

t.test('so is a server', async (t) => {
  const old = createServer({ ...credentials(pki.server), maxVersion: 'TLSv1.2' })
  old.listen(0, '127.0.0.1')
  await once(old, 'listening')
  t.teardown(() => old.close())
  const address = old.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { recorder } = dialTls(t, port, { ca })
  t.match((await recorder.next('reconnecting')).slice(3), ['connect-failed', /protocol/])
  t.equal(recorder.count('connected'), 0)
})

t.test('a client without a certificate is refused, by authority and by pin', async (t) => {
  for (const trust of [
    { ca },
    { pinnedFingerprints: [first.fingerprint] },
    { ca, pinnedFingerprints: [first.fingerprint] },
  ]) {
    const { listener, recorder } = await listenTls(t, { ...server, ...trust })
    const { recorder: client } = dialTls(t, listener.port, { ca })
    t.match((await recorder.next('refused')).slice(2), ['tls-failed', /certificate/])
    await client.next('reconnecting')
    t.equal(recorder.count('connected'), 0)
  }
})

t.test('of the clients of an authority only the pinned one is taken', async (t) => {
  for (const pin of [first.fingerprint, withColons(first.fingerprint)]) {
    const { listener, recorder } = await listenTls(t, { ...server, ca, pinnedFingerprints: [pin] })
    dialTls(t, listener.port, { ca, ...credentials(second) })
    t.match((await recorder.next('refused')).slice(2), ['tls-failed', /fingerprint .* not among those pinned/])
    const { client } = dialTls(t, listener.port, { ca, ...credentials(first) })
    await client.whenUp()
    t.equal(await echoed(client, 'hello'), 'hello')
    t.match(listener.links(), [{ peerName: 'acquirer-1' }])
    t.equal(recorder.count('connected'), 1)
  }
})

t.test('a pin needs no authority, and asks for a certificate by itself', async (t) => {
  const tls = { ...credentials(pki.server), requireClientCertificate: false }
  const { listener, recorder } = await listenTls(t, { ...tls, pinnedFingerprints: [stranger.fingerprint] })
  const { client } = dialTls(t, listener.port, { ca, ...credentials(stranger) })
  await client.whenUp()
  t.equal(await echoed(client, 'hello'), 'hello')
  t.match(listener.links(), [{ peerName: 'stranger' }])
  dialTls(t, listener.port, { ca, ...credentials(first) })
  t.match((await recorder.next('refused')).slice(2), ['tls-failed', /not among those pinned/])
})

t.test('a pin does not make good what the authority says no to', async (t) => {
  const { listener, recorder } = await listenTls(t, { ...server, ca, pinnedFingerprints: [stranger.fingerprint] })
  dialTls(t, listener.port, { ca, ...credentials(stranger) })
  t.match((await recorder.next('refused')).slice(2), ['tls-failed', /certificate/])
  t.equal(recorder.count('connected'), 0)
})

t.test('a pinned certificate outside its time is refused', async (t) => {
  for (const [days, said] of [
    [-2, /not valid yet/],
    [400, /has ended/],
  ] as const) {
    const pinnedFingerprints = [first.fingerprint]
    const { listener, recorder } = await listenTls(
      t,
      { ...server, pinnedFingerprints },
      () => Date.now() + days * DAY_MS,
    )
    dialTls(t, listener.port, { ca, ...credentials(first) })
    t.match((await recorder.next('refused')).slice(2), ['tls-failed', said])
    t.equal(recorder.count('connected'), 0)
  }
})

t.test('a link that we open takes the pinned server only', async (t) => {
  const { listener, recorder } = await listenTls(t, { ...credentials(pki.server), requireClientCertificate: false })
  for (const trust of [{ ca }, {}]) {
    const { recorder: refused } = dialTls(t, listener.port, { ...trust, pinnedFingerprints: [first.fingerprint] })
    t.match((await refused.next('reconnecting')).slice(3), ['connect-failed', /not among those pinned/])
    t.equal(refused.count('connected'), 0, 'nothing was sent')
    const pins = [first.fingerprint, withColons(pki.server.fingerprint)]
    const { client } = dialTls(t, listener.port, { ...trust, pinnedFingerprints: pins })
    await client.whenUp()
    t.equal(await echoed(client, 'hello'), 'hello')
  }
  t.equal(recorder.all('frameIn').length, 2)
})

t.test('a session is not resumed: each connection shows its certificate anew', async (t) => {
  const { listener } = await listenTls(t, { ...server, ca })
  const known = { ca, ...credentials(first) }
  const { socket, peer } = await rawTls(t, listener.port, known)
  let session: Buffer | undefined
  socket.on('session', (given: Buffer) => {
    session = given
  })
  peer.send('one')
  t.equal(await peer.nextText(), 'one')
  // What the server sends after the handshake looks like a ticket, but it keeps nothing under it.
  const { socket: next, peer: nextPeer } = await rawTls(t, listener.port, { ...known, session: session as Buffer })
  nextPeer.send('two')
  t.equal(await nextPeer.nextText(), 'two')
  t.equal(next.isSessionReused(), false)
})

t.test('client certificates must be known by something', async (t) => {
  await t.rejects(
    startListener(listenerOptions({ tls: server }), () => undefined),
    MizanError,
  )
})
