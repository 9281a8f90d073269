import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Timing } from '../timing.ts'
import type { ClientOptions, ClientTls } from './client-options.ts'
import { PinnedCertificates } from './peer-certificate.ts'

/** Opens the connections of one outbound link, through the TLS 1.3 handshake when it has certificates. */
export class Dialer {
  readonly #options: ClientOptions
  readonly #timing: Timing
  readonly #pins: PinnedCertificates | undefined
  #credentials: ClientTls | undefined

  /** @param now milliseconds since 1970 UTC */
  constructor(options: ClientOptions, now: () => number, timing: Timing) {
    this.#options = options
    this.#timing = timing
    const { tls } = options
    this.#credentials = tls
    if (tls?.pinnedFingerprints !== undefined) this.#pins = new PinnedCertificates(tls.pinnedFingerprints, now)
    tls?.reloads?.subscribe((renewed) => {
      this.#credentials = { ...tls, ...renewed }
    })
  }

  /** Ends with the link. */
  close(): void {
    this.#options.tls?.reloads?.close()
  }

  /**
   * Opens one connection.
   * @param done called once, later, with the socket or with the error; not called after a cancel
   * @returns cancels the attempt
   */
  dial(done: (error: Error | undefined, socket: Socket | undefined) => void): () => void {
    const { host, port } = this.#options
    if (this.#credentials === undefined) {
      const socket = connectTcp({ host, port, noDelay: true })
      return this.#await(socket, 'connect', () => undefined, done)
    }
    const socket = this.#secureSocket(this.#credentials)
    return this.#await(socket, 'secureConnect', () => this.#pins?.refusalOf(socket), done)
  }

  #secureSocket({ ca, cert, key, servername }: ClientTls): TLSSocket {
    const { host, port } = this.#options
    return connectTls({
      host,
      port,
      minVersion: 'TLSv1.3',
      // A pin alone needs no authority, and is about one certificate, whatever name stands in it.
      rejectUnauthorized: this.#pins === undefined || ca !== undefined,
      // What is left out takes Node's default.
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(servername === undefined ? {} : { servername }),
    })
  }

  #await(
    socket: Socket,
    ready: string,
    refusalOf: () => string | undefined,
    done: (error: Error | undefined, socket: Socket | undefined) => void,
  ): () => void {
    const { connectTimeoutMs } = this.#options
    let settled = false
    const settle = (error: Error | undefined) => {
      if (settled) return
      settled = true
      this.#timing.cancel(timer)
      if (error === undefined) {
        for (const [event, listener] of listeners) socket.off(event, listener)
        done(undefined, socket)
      } else {
        socket.destroy()
        done(error, undefined)
      }
    }
    const accept = () => {
      const refusal = refusalOf()
      settle(refusal === undefined ? undefined : new Error(`server certificate refused: ${refusal}`))
    }
    // After a failure these stay, since a destroyed socket may still report an error.
    const listeners: Array<[string, (error: Error) => void]> = [
      [ready, accept],
      ['error', settle],
      ['close', () => settle(new Error('the peer closed the connection at once'))],
    ]
    const timer = this.#timing.after(connectTimeoutMs, () =>
      settle(new Error(`not connected within ${connectTimeoutMs} ms`)),
    )
    for (const [event, listener] of listeners) socket.on(event, listener)
    return () => {
      settled = true
      this.#timing.cancel(timer)
      socket.destroy()
    }
  }
}
