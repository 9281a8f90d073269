import type { LinkSocket } from '../link/connection.ts'
import type { Agenda } from './agenda.ts'
import type { Chance } from './chance.ts'

/** How a network treats the bytes that it carries. Milliseconds. */
export interface NetworkFaults {
  readonly latencyMs: number
  readonly jitterMs: number
  /** Chance that a write arrives in pieces. */
  readonly torn: number
  /** Chance that the link is cut while a write is under way. */
  readonly cut: number
  /** Chance that from a write on nothing arrives any more, and nobody is told. */
  readonly halfOpen: number
  /** Bytes that the peer takes in a second; 0 = as many as come. */
  readonly slowReaderBytes: number
}

export const perfectNetwork: NetworkFaults = {
  latencyMs: 1,
  jitterMs: 0,
  torn: 0,
  cut: 0,
  halfOpen: 0,
  slowReaderBytes: 0,
}

type Listener = (value?: unknown) => void

/** The end of a connection that the switch holds: what `node:net` would give it. */
class HostSocket implements LinkSocket {
  readonly remoteAddress = '192.0.2.1'
  readonly remotePort: number
  readonly #wire: Wire
  readonly #listeners = new Map<string, Listener[]>()
  #paused = false
  #held: Buffer[] = []
  #hasEnded = false
  destroyed = false

  constructor(wire: Wire, port: number) {
    this.#wire = wire
    this.remotePort = port
  }

  get writableLength(): number {
    return this.#wire.unsentBytes
  }

  on(event: string, listener: (value: never) => void): this {
    const listeners = this.#listeners.get(event) ?? []
    listeners.push(listener as Listener)
    this.#listeners.set(event, listeners)
    return this
  }

  #emit(event: string, value?: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(value)
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  cork(): void {}

  uncork(): void {}

  write(bytes: Uint8Array): boolean {
    if (!this.destroyed) this.#wire.fromHost(Buffer.from(bytes))
    return true
  }

  pause(): this {
    this.#paused = true
    return this
  }

  resume(): this {
    this.#paused = false
    const held = this.#held
    this.#held = []
    for (const chunk of held) this.deliver(chunk)
    if (this.#hasEnded && !this.#paused) this.#emit('end')
    return this
  }

  end(): this {
    if (!this.destroyed) this.#wire.endOfHost()
    return this
  }

  destroy(): this {
    if (this.destroyed) return this
    this.destroyed = true
    this.#wire.hostGone()
    return this
  }

  /** Bytes that arrived. */
  deliver(chunk: Buffer): void {
    if (this.destroyed) return
    if (this.#paused) this.#held.push(chunk)
    else this.#emit('data', chunk)
  }

  /** The peer will send no more. */
  deliverEnd(): void {
    if (this.destroyed) return
    this.#hasEnded = true
    if (!this.#paused) this.#emit('end')
  }

  /** The connection is gone. */
  deliverClose(error?: Error): void {
    if (this.destroyed) return
    if (error !== undefined) this.#emit('error', error)
    this.destroyed = true
    this.#emit('close')
  }
}

/** What the far end of a connection is told. */
export interface FarEnd {
  onBytes(chunk: Buffer): void
  onClose(): void
}

/** A connection between a peer and the switch, with the faults of its network. Bytes of one direction stay in order. */
export class Wire {
  readonly host: HostSocket
  readonly #agenda: Agenda
  readonly #chance: Chance
  readonly #faults: () => NetworkFaults
  readonly #far: FarEnd
  readonly #onFault: (what: string) => void
  #toHostMs = 0
  #toFarMs = 0
  #isDark = false
  #isCut = false
  /** Nothing that is sent after the break arrives. */
  #isBroken = false
  #unsent = 0

  constructor(options: {
    readonly agenda: Agenda
    readonly chance: Chance
    readonly faults: () => NetworkFaults
    readonly far: FarEnd
    readonly port: number
    readonly onFault: (what: string) => void
  }) {
    this.#agenda = options.agenda
    this.#chance = options.chance
    this.#faults = options.faults
    this.#far = options.far
    this.#onFault = options.onFault
    this.host = new HostSocket(this, options.port)
  }

  /** Bytes of the switch that the peer has not taken. */
  get unsentBytes(): number {
    return this.#unsent
  }

  /** The peer sends. */
  fromFar(bytes: Buffer): void {
    for (const chunk of this.#pieces(bytes)) {
      const atMs = this.#arrival(this.#toHostMs)
      this.#toHostMs = atMs
      this.#later(atMs, () => this.host.deliver(chunk))
    }
  }

  /** The switch sends. */
  fromHost(bytes: Buffer): void {
    for (const chunk of this.#pieces(bytes)) {
      const { slowReaderBytes } = this.#faults()
      const slowMs = slowReaderBytes === 0 ? 0 : (chunk.length * 1_000) / slowReaderBytes
      const atMs = this.#arrival(this.#toFarMs) + slowMs
      this.#toFarMs = atMs
      this.#unsent += chunk.length
      this.#agenda.after(atMs - this.#agenda.nowMs, () => {
        this.#unsent -= chunk.length
        if (!this.#isDark && !this.#isCut) this.#far.onBytes(chunk)
      })
    }
  }

  /** The peer closes its end. */
  closeByFar(): void {
    const atMs = this.#arrival(this.#toHostMs)
    this.#later(atMs, () => {
      this.#isCut = true
      this.host.deliverClose()
    })
  }

  endOfHost(): void {
    this.#later(this.#arrival(this.#toFarMs), () => this.#farIsClosed())
  }

  hostGone(): void {
    this.#later(this.#arrival(this.#toFarMs), () => this.#farIsClosed())
  }

  /** Both ends learn that the connection is gone; what is under way is lost. */
  cut(): void {
    if (this.#isCut) return
    this.#isCut = true
    this.host.deliverClose(new Error('read ECONNRESET'))
    this.#far.onClose()
  }

  #farIsClosed(): void {
    if (this.#isCut) return
    this.#isCut = true
    this.#far.onClose()
  }

  #arrival(notBeforeMs: number): number {
    const { latencyMs, jitterMs } = this.#faults()
    return Math.max(notBeforeMs, this.#agenda.nowMs + latencyMs + this.#chance.next() * jitterMs)
  }

  #later(atMs: number, work: () => void): void {
    this.#agenda.after(atMs - this.#agenda.nowMs, () => {
      if (!this.#isDark && !this.#isCut) work()
    })
  }

  /** A write in the pieces in which it arrives, when it arrives at all. */
  #pieces(bytes: Buffer): Buffer[] {
    if (this.#isDark || this.#isCut || this.#isBroken) return []
    const { torn, cut, halfOpen } = this.#faults()
    if (this.#chance.happens(halfOpen)) {
      this.#onFault('half-open')
      this.#isDark = true
      return []
    }
    if (this.#chance.happens(cut)) {
      this.#onFault('cut')
      this.#isBroken = true
      const reached = this.#chance.integer(0, bytes.length)
      // What reached the other side before the cut may end anywhere in a message.
      this.#agenda.after(this.#faults().latencyMs + 0.5, () => this.cut())
      return reached === 0 ? [] : [bytes.subarray(0, reached)]
    }
    if (bytes.length < 2 || !this.#chance.happens(torn)) return [bytes]
    this.#onFault('torn')
    const at = this.#chance.happens(0.3) ? 1 : this.#chance.integer(1, bytes.length - 1)
    return [bytes.subarray(0, at), bytes.subarray(at)]
  }
}
