import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Dialect } from '../../src/iso8583/dialect.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { Message } from '../../src/iso8583/message.ts'
import type { TeardownHost } from './database.ts'

/** What the peer does with a message; `silent` loses the answer, `cut` the connection too. */
export type Reaction =
  | {
      readonly do: 'answer'
      readonly code: string
      readonly afterMs?: number
      readonly fields?: Record<number, string>
    }
  | { readonly do: 'silent' | 'cut' }

/** A message as the peer got it. */
export interface PeerMessage {
  readonly mti: string
  readonly stan: string
  readonly transmission: string
  text(de: number): string | undefined
}

export const approved: Reaction = { do: 'answer', code: '00' }
const ECHOED = [2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49, 70]
/** Sign-on, sign-off and echo. */
const UPKEEP = ['001', '002', '301']

/** A network's end of an outbound link of ours: a real socket, `iso87-ascii` in `len2`. */
export class NetworkPeer {
  readonly port: number
  /** All that came but what only keeps the link up. */
  readonly seen: PeerMessage[] = []
  /** Says what to do with a message; `nth` counts from 1. */
  reaction: (message: PeerMessage, nth: number) => Reaction = () => approved
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #dialect: Dialect

  private constructor(server: Server, dialect: Dialect) {
    this.#server = server
    this.#dialect = dialect
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket) => this.#serve(socket))
  }

  /** Listens on a port, or on any. */
  static async listen(t: TeardownHost, port = 0): Promise<NetworkPeer> {
    const dialect = dialects['iso87-ascii']
    if (dialect === undefined) throw new Error('there is no dialect iso87-ascii')
    const server = createServer()
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const peer = new NetworkPeer(server, dialect)
    t.teardown(() => peer.close())
    return peer
  }

  /** Types and STANs in the order in which they came. */
  get order(): string[] {
    return this.seen.map(({ mti, stan }) => `${mti} ${stan}`)
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Stops listening and ends every connection. Idempotent. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.cut()
    await closed
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    let pending = Buffer.alloc(0)
    socket.on('data', (bytes) => {
      pending = Buffer.concat([pending, bytes])
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0)
        this.#handle(socket, this.#dialect.decode(Buffer.from(pending.subarray(2, end))))
        pending = pending.subarray(end)
      }
    })
  }

  #handle(socket: Socket, message: Message): void {
    if (message.mti.startsWith('08') && UPKEEP.includes(message.text(70) ?? '')) {
      this.#answer(socket, message, '00', {})
      return
    }
    const seen: PeerMessage = {
      mti: message.mti,
      stan: message.text(11) ?? '',
      transmission: message.text(7) ?? '',
      text: (de) => message.text(de),
    }
    this.seen.push(seen)
    const reaction = this.reaction(seen, this.seen.length)
    if (reaction.do === 'cut') socket.destroy()
    if (reaction.do !== 'answer') return
    const { code, afterMs, fields = {} } = reaction
    if (afterMs === undefined) this.#answer(socket, message, code, fields)
    else setTimeout(() => this.#answer(socket, message, code, fields), afterMs).unref()
  }

  #answer(socket: Socket, message: Message, code: string, more: Readonly<Record<number, string>>): void {
    const fields: (string | undefined)[] = []
    for (const de of ECHOED) fields[de] = message.text(de)
    fields[39] = code
    for (const [de, value] of Object.entries(more)) fields[Number(de)] = value
    const body = this.#dialect.encode(`${message.mti.slice(0, 2)}${Number(message.mti[2]) + 1}0`, fields)
    const head = Buffer.alloc(2)
    head.writeUInt16BE(body.length)
    if (!socket.destroyed) socket.write(Buffer.concat([head, body]))
  }
}
