import t, { type Test } from 'tap'
import { type ClientLink, startClient } from '../../src/link/client.ts'
import type { ClientTls } from '../../src/link/client-options.ts'
import { startListener } from '../../src/link/server.ts'
import { CertificateMaker, connectPeer, hasOpenssl, listenerOptions, Recorder } from './harness.ts'

if (!hasOpenssl()) {
  t.plan(0, 'the openssl program, which makes the test certificates, is not there')
} else {
  const maker = new CertificateMaker()
  t.teardown(() => maker.dispose())
  const authority = maker.authority('authority')
  const stranger = maker.authority('stranger')
  const server = maker.issue('server', 'authority')
  const known = maker.issue('acquirer-1', 'authority')
  const unknown = maker.issue('acquirer-x', 'stranger')

  const listen = async (t: Test, requireClientCertificate: boolean) => {
    const recorder = new Recorder()
    const tls = { ...server, ca: authority.cert, requireClientCertificate }
    const options = listenerOptions({ tls })
    const listener = await startListener(options, (request) => request.reply(request.frame), recorder.observer)
    t.teardown(() => listener.close())
    return { listener, recorder }
  }

  const dial = (t: Test, port: number, tls: ClientTls): { client: ClientLink; recorder: Recorder } => {
    const recorder = new Recorder()
    const options = {
      name: 'out',
      host: '127.0.0.1',
      port,
      framing: 'len2',
      maxFrameBytes: 4_096,
      maxOutboundBytes: 65_536,
      maxInFlight: 1_000,
      connectTimeoutMs: 5_000,
      backoff: { initialMs: 1_000, maxMs: 60_000, jitter: 0 },
      tls,
    } as const
    const client = startClient(options, { answerKey: (frame) => frame.toString() }, recorder.observer)
    t.teardown(() => client.close())
    return { client, recorder }
  }

  t.test('a client certificate of the right authority passes and names the peer', async (t) => {
    const { listener } = await listen(t, true)
    const { client } = dial(t, listener.port, { ca: authority.cert, ...known })
    await client.whenUp()
    const keys = Array.from({ length: 200 }, (_, index) => `request ${index}`)
    const answers = await Promise.all(keys.map((key) => client.request(Buffer.from(key), key, 5_000)))
    t.strictSame(answers.map(String), keys)
    t.match(listener.links(), [{ peerName: 'acquirer-1', framesIn: 200, framesOut: 200 }])
    await listener.drain(60_000)
  })

  t.test('a client without a certificate, or with one of another authority, is refused', async (t) => {
    const { listener, recorder } = await listen(t, true)
    for (const credentials of [{}, unknown]) {
      const { recorder: client } = dial(t, listener.port, { ca: authority.cert, ...credentials })
      const [name, , reason, detail] = await recorder.next('refused')
      t.strictSame([name, reason], ['test', 'tls-failed'])
      t.match(detail, /certificate/)
      // In TLS 1.3 the client learns of the refusal after its own side of the handshake.
      await client.next('reconnecting')
    }
    t.equal(recorder.count('connected'), 0)
  })

  t.test('a server that the client cannot trust is refused by the client', async (t) => {
    const { listener, recorder } = await listen(t, false)
    const { client, recorder: events } = dial(t, listener.port, { ca: stranger.cert })
    const [, , , reason, detail] = await events.next('reconnecting')
    t.equal(reason, 'connect-failed')
    t.match(detail, /certificate/)
    t.equal(client.state, 'waiting')
    t.equal(events.count('connected'), 0)

    const { recorder: misnamed } = dial(t, listener.port, { ca: authority.cert, servername: 'bank.example' })
    t.match((await misnamed.next('reconnecting'))[4], /altnames|alt name/i)
    t.equal(recorder.count('frameIn'), 0)
  })

  t.test('certificates are optional where the listener says so', async (t) => {
    const { listener } = await listen(t, false)
    const { client } = dial(t, listener.port, { ca: authority.cert })
    await client.whenUp()
    t.equal(String(await client.request(Buffer.from('hello'), 'hello', 5_000)), 'hello')
    t.equal(listener.links()[0]?.peerName, undefined)
  })

  t.test('a peer that speaks no TLS is refused, and close does not wait for a handshake', async (t) => {
    const { listener, recorder } = await listen(t, true)
    const plain = await connectPeer(listener.port)
    plain.send('0100')
    t.equal((await recorder.next('refused'))[2], 'tls-failed')
    await plain.gone
    const silent = await connectPeer(listener.port)
    await listener.close()
    await silent.gone
    t.equal(recorder.count('connected'), 0)
  })
}
