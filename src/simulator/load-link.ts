import { connect, type Socket } from 'node:net'
import { createFramer, type Framer, framings } from '../link/framing.ts'
import type { LoadDialect } from './load-mix.ts'
import { framingOf } from './load-template.ts'

const SLAB_BYTES = 262_144
const FRAME_ROOM_BYTES = 4_096
const RECONNECT_MS = 50

/** What a link tells its generator. */
export interface LoadLinkEvents {
  onFrame(dialect: LoadDialect, frame: Buffer): void
  /** The link is gone before it was closed by us; it connects again by itself. */
  onLost(): void
}

/** One socket of the load: collects the frames of a tick and hands them over in one write. */
export class LoadLink {
  readonly dialect: LoadDialect
  readonly #events: LoadLinkEvents
  #port: number
  #socket: Socket | undefined
  #framer: Framer | undefined
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #start = 0
  #end = 0
  #closed = false
  /** When bytes last came, in milliseconds of performance.now(): a link that is silent while it owes answers is dead. */
  lastReceivedMs = 0

  constructor(dialect: LoadDialect, port: number, events: LoadLinkEvents) {
    this.dialect = dialect
    this.#port = port
    this.#events = events
  }

  get connected(): boolean {
    return this.#socket !== undefined
  }

  /** Where to connect from now on: a switch that starts again has other ports. */
  set port(port: number) {
    this.#port = port
  }

  /** Resolves once connected; afterwards a lost link connects again by itself. */
  connect(): Promise<void> {
    return new Promise((resolve) => this.#dial(resolve))
  }

  #dial(onConnected: () => void): void {
    if (this.#closed) return
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    const framing = framings[framingOf[this.dialect]]
    let open = false
    socket.on('connect', () => {
      open = true
      this.#framer = createFramer(framing.name, framing.maxFrameBytes)
      this.#socket = socket
      this.#start = this.#end
      this.lastReceivedMs = performance.now()
      onConnected()
    })
    socket.on('data', (chunk: Buffer) => {
      this.lastReceivedMs = performance.now()
      this.#framer?.push(chunk, this.#deliver)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined
      if (this.#closed) return
      if (open) this.#events.onLost()
      setTimeout(() => this.#dial(open ? () => undefined : onConnected), RECONNECT_MS)
    })
  }

  readonly #deliver = (frame: Buffer): void => this.#events.onFrame(this.dialect, frame)

  /** Buffer with room for a frame at {@link position}. */
  get buffer(): Buffer {
    if (SLAB_BYTES - this.#end < FRAME_ROOM_BYTES) {
      this.flush()
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#start = 0
      this.#end = 0
    }
    return this.#slab
  }

  get position(): number {
    return this.#end
  }

  /** The frame written at {@link position} ends here. */
  wrote(end: number): void {
    this.#end = end
  }

  /** Hands what was written to the socket. */
  flush(): void {
    if (this.#end === this.#start) return
    this.#socket?.write(this.#slab.subarray(this.#start, this.#end))
    this.#start = this.#end
  }

  /** Sends a whole frame at once. */
  send(frame: Buffer): void {
    frame.copy(this.buffer, this.position)
    this.wrote(this.position + frame.length)
    this.flush()
  }

  /** Gives up a connection that does not answer; a new one follows. */
  reset(): void {
    this.#socket?.resetAndDestroy()
    this.#socket = undefined
  }

  /** Drops the connection at once, as a client that dies. It does not connect again. */
  close(): void {
    this.#closed = true
    this.#socket?.destroy()
    this.#socket = undefined
  }
}
