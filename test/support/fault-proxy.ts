import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'

const THROTTLE_TICK_MS = 25

/** What goes wrong in one direction; may be changed while connections are open. */
export interface Faults {
  /** Each chunk is forwarded so many milliseconds after it was read. */
  delayMs?: number
  /** True = this chunk is lost; `index` counts the chunks of the direction from 0. */
  drop?: (chunk: Buffer, index: number) => boolean
  /** After so many forwarded bytes both sides are reset. */
  cutAfterBytes?: number
  /** Everything is read and lost, the end of the stream too. */
  blackHole?: boolean
  /** Nothing more is read: the sender's buffers fill up. */
  stall?: boolean
  /** Chunks are forwarded in writes of so many bytes, each in its own turn of the event loop. */
  splitBytes?: number
  /** Chunks are held until so many bytes are there, or the stream ends. */
  coalesceBytes?: number
  /** Chunks wait so that no more than this many bytes a second pass on each connection. */
  throttleBytesPerSecond?: number
  /** Sees each chunk that would be forwarded; what it returns is forwarded instead. It may reset the connection. */
  inspect?: (chunk: Buffer, connection: InspectedConnection) => Buffer | Promise<Buffer>
}

/** A connection as an inspector sees it; the same object for both directions. */
export interface InspectedConnection {
  /** Resets both sides. */
  cut(): void
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** What inspectors of both directions get. */
  inspected?: InspectedConnection
}

/** A TCP proxy between a client and `target` that misbehaves on demand. */
export interface FaultProxy {
  readonly port: number
  /** Faults from client to server and back; assign fields at any time. */
  readonly toServer: Faults
  readonly toClient: Faults
  /** Connections accepted so far. */
  readonly accepted: number
  /** Open connections. */
  readonly open: number
  /** True = new connections are reset at once. */
  refuse: boolean
  /** Where new connections go; may be changed. */
  target: { readonly port: number; readonly host?: string }
  /** Resets both sides of all connections. */
  cut(): void
  /** One end vanishes without a word: its socket is gone, the other end keeps an open connection to nobody. */
  halfOpen(vanished: 'client' | 'server'): void
  close(): Promise<void>
}

/**
 * Starts a proxy on a free port of 127.0.0.1. Without faults it forwards bytes and ends in both directions.
 * @param target where connections go
 */
export async function startFaultProxy(
  target: { port: number; host?: string },
  faults: { toServer?: Faults; toClient?: Faults } = {},
): Promise<FaultProxy> {
  const proxy = new TcpProxy(target, { ...faults.toServer }, { ...faults.toClient })
  await proxy.listen()
  return proxy
}

class TcpProxy implements FaultProxy {
  readonly toServer: Faults
  readonly toClient: Faults
  target: { readonly port: number; readonly host?: string }
  readonly #listener: Server
  readonly #pairs = new Set<Pair>()
  /** Sockets that stay open after the other end vanished. */
  readonly #orphans = new Set<Socket>()
  accepted = 0
  refuse = false
  port = 0

  constructor(target: { port: number; host?: string }, toServer: Faults, toClient: Faults) {
    this.target = target
    this.toServer = toServer
    this.toClient = toClient
    this.#listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client))
  }

  async listen(): Promise<void> {
    this.#listener.listen(0, '127.0.0.1')
    await once(this.#listener, 'listening')
    const address = this.#listener.address()
    if (typeof address === 'object' && address !== null) this.port = address.port
  }

  get open(): number {
    return this.#pairs.size
  }

  #accept(client: Socket): void {
    this.accepted += 1
    client.on('error', () => {})
    if (this.refuse) {
      client.resetAndDestroy()
      return
    }
    const { port, host = '127.0.0.1' } = this.target
    const server = connect({ port, host, allowHalfOpen: true, noDelay: true })
    server.on('error', () => client.destroy())
    const pair = { client, server }
    this.#pairs.add(pair)
    const gone = () => {
      if (!client.destroyed || !server.destroyed) return
      this.#pairs.delete(pair)
    }
    client.on('close', gone)
    server.on('close', gone)
    const broken = () => this.#reset(pair)
    this.#pump(client, server, this.toServer, pair).catch(broken)
    this.#pump(server, client, this.toClient, pair).catch(broken)
  }

  #reset(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return
    pair.client.resetAndDestroy()
    pair.server.resetAndDestroy()
  }

  /** Forwards one direction in order; reading waits while a fault delays a chunk. */
  async #pump(source: Socket, sink: Socket, faults: Faults, pair: Pair): Promise<void> {
    let index = -1
    let forwarded = 0
    let held: Buffer = Buffer.alloc(0)
    for await (const read of source as AsyncIterable<Buffer>) {
      index += 1
      if (faults.delayMs !== undefined) await delay(faults.delayMs)
      if (faults.stall === true) await this.#untilGone(pair)
      if (faults.blackHole === true || faults.drop?.(read, index) === true) continue
      held = held.length === 0 ? read : Buffer.concat([held, read])
      if (held.length < (faults.coalesceBytes ?? 0)) continue
      const room = (faults.cutAfterBytes ?? Number.POSITIVE_INFINITY) - forwarded
      const whole = held.subarray(0, Math.min(held.length, room))
      held = Buffer.alloc(0)
      const { inspect } = faults
      const chunk = inspect === undefined ? whole : await inspect(whole, this.#inspected(pair))
      forwarded += chunk.length
      await forward(sink, await throttled(sink, chunk, faults), faults.splitBytes)
      if (forwarded === faults.cutAfterBytes) this.#reset(pair)
    }
    if (faults.blackHole === true || sink.destroyed) return
    if (held.length > 0) sink.write(held)
    sink.end()
  }

  #inspected(pair: Pair): InspectedConnection {
    pair.inspected ??= { cut: () => this.#reset(pair) }
    return pair.inspected
  }

  async #untilGone({ client, server }: Pair): Promise<void> {
    await Promise.race([once(client, 'close'), once(server, 'close')])
  }

  cut(): void {
    for (const pair of [...this.#pairs]) this.#reset(pair)
  }

  halfOpen(vanished: 'client' | 'server'): void {
    for (const pair of [...this.#pairs]) {
      this.#pairs.delete(pair)
      const left = vanished === 'client' ? pair.server : pair.client
      this.#orphans.add(left)
      left.on('close', () => this.#orphans.delete(left))
      const gone = vanished === 'client' ? pair.client : pair.server
      gone.destroy()
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#listener, 'close')
    this.#listener.close()
    this.cut()
    for (const socket of this.#orphans) socket.destroy()
    await closed
  }
}

/** Forwards what passes slowly, until the throttle is taken off. @returns the rest */
async function throttled(sink: Socket, chunk: Buffer, faults: Faults): Promise<Buffer> {
  let rest = chunk
  while (rest.length > 0 && !sink.destroyed) {
    const { throttleBytesPerSecond } = faults
    if (throttleBytesPerSecond === undefined) break
    const bytes = Math.max(1, Math.floor((throttleBytesPerSecond * THROTTLE_TICK_MS) / 1_000))
    await delay((Math.min(bytes, rest.length) * 1_000) / throttleBytesPerSecond)
    sink.write(rest.subarray(0, bytes))
    rest = rest.subarray(bytes)
  }
  return rest
}

async function forward(sink: Socket, chunk: Buffer, splitBytes: number | undefined): Promise<void> {
  if (sink.destroyed || chunk.length === 0) return
  if (splitBytes === undefined) {
    if (!sink.write(chunk)) await Promise.race([once(sink, 'drain'), once(sink, 'close')])
    return
  }
  for (let at = 0; at < chunk.length && !sink.destroyed; at += splitBytes) {
    sink.write(chunk.subarray(at, at + splitBytes))
    await nextTurn()
  }
}
