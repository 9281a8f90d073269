import { once } from 'node:events'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import { type ClientLink, startClient } from '../../src/link/client.ts'
import type { ClientTls } from '../../src/link/client-options.ts'
import { type ListenerTls, startListener } from '../../src/link/server.ts'
import type { TestCertificate } from '../../src/security/test-pki.ts'
import { listenerOptions, Peer, Recorder } from './harness.ts'

/** A certificate as the options of a link take it. */
export function credentials({ certPem, keyPem }: TestCertificate): { cert: string; key: string } {
  return { cert: certPem, key: keyPem }
}

/** A TLS listener that echoes. */
export async function listenTls(t: Test, tls: ListenerTls, nowMs = () => Date.now(), port = 0) {
  const recorder = new Recorder()
  const clock = { now: nowMs }
  const listener = await startListener(
    listenerOptions({ tls, port }),
    (request) => request.reply(request.frame),
    recorder.observer,
    clock,
  )
  t.teardown(() => listener.close())
  return { listener, recorder }
}

/** An outbound link with TLS. */
export function dialTls(t: Test, port: number, tls: ClientTls): { client: ClientLink; recorder: Recorder } {
  const recorder = new Recorder()
  const client = startClient(
    {
      name: 'out',
      host: '127.0.0.1',
      port,
      framing: 'len2',
      maxFrameBytes: 4_096,
      maxOutboundBytes: 65_536,
      maxInFlight: 100,
      connectTimeoutMs: 5_000,
      backoff: { initialMs: 10, maxMs: 20, jitter: 0 },
      tls,
    },
    { answerKey: (frame) => frame.toString() },
    recorder.observer,
  )
  t.teardown(() => client.close())
  return { client, recorder }
}

/** A peer by Node's own client, with options that a link would not use. */
export async function rawTls(
  t: Test,
  port: number,
  options: ConnectionOptions,
): Promise<{ socket: TLSSocket; peer: Peer }> {
  const socket = connect({ host: '127.0.0.1', port, ...options })
  const peer = new Peer(socket, 'len2')
  t.teardown(() => peer.destroy())
  await once(socket, 'secureConnect')
  return { socket, peer }
}

/** Sends a text to an echoing listener and awaits it back. */
export async function echoed(client: ClientLink, text: string): Promise<string> {
  return String(await client.request(Buffer.from(text), text, 5_000))
}
