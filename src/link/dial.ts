import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ClientOptions } from './client-options.ts'

/**
 * Opens one outbound connection, through the TLS 1.3 handshake when the link has certificates.
 * @param done called once, later, with the socket or with the error; not called after a cancel
 * @returns cancels the attempt
 */
export function dial(
  options: ClientOptions,
  done: (error: Error | undefined, socket: Socket | undefined) => void,
): () => void {
  const { host, port, tls, connectTimeoutMs } = options
  // What is undefined here takes Node's default.
  const socket: Socket =
    tls === undefined
      ? connectTcp({ host, port, noDelay: true })
      : connectTls({
          host,
          port,
          minVersion: 'TLSv1.3',
          rejectUnauthorized: true,
          ...(tls.ca === undefined ? {} : { ca: tls.ca }),
          ...(tls.cert === undefined ? {} : { cert: tls.cert }),
          ...(tls.key === undefined ? {} : { key: tls.key }),
          ...(tls.servername === undefined ? {} : { servername: tls.servername }),
        })
  const ready = tls === undefined ? 'connect' : 'secureConnect'
  let settled = false
  const settle = (error: Error | undefined) => {
    if (settled) return
    settled = true
    clearTimeout(timer)
    if (error === undefined) {
      for (const [event, listener] of listeners) socket.off(event, listener)
      done(undefined, socket)
    } else {
      socket.destroy()
      done(error, undefined)
    }
  }
  // After a failure these stay, since a destroyed socket may still report an error.
  const listeners: Array<[string, (error: Error) => void]> = [
    [ready, () => settle(undefined)],
    ['error', settle],
    ['close', () => settle(new Error('the peer closed the connection at once'))],
  ]
  const timer = setTimeout(() => settle(new Error(`not connected within ${connectTimeoutMs} ms`)), connectTimeoutMs)
  for (const [event, listener] of listeners) socket.on(event, listener)
  return () => {
    settled = true
    clearTimeout(timer)
    socket.destroy()
  }
}
