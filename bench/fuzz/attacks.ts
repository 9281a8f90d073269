import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { framings } from '../../src/link/framing.ts'
import { framingOf } from '../../src/simulator/load-template.ts'
import type { Forgery } from './forgery.ts'

/** One connection's worth of harm. */
export interface Attack {
  readonly name: string
  /** How often it is drawn against the others. */
  readonly weight: number
  play(forgery: Forgery, line: Line): Promise<void>
}

const CONNECT_MS = 5_000
const CLOSE_MS = 2_000
/** Bytes that may be written before the answers are waited for. */
const WINDOW_BYTES = 262_144

/** A connection of an attacker. Everything it is answered is read and thrown away, unless it is told not to. */
export class Line {
  readonly #socket: Socket
  #isConnected = false
  #written = 0

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('error', () => undefined)
    this.#socket.once('connect', () => {
      this.#isConnected = true
    })
    this.#socket.resume()
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable
  }

  /** Bytes that the operating system took. */
  get bytes(): number {
    return Math.max(0, this.#written - this.#socket.writableLength)
  }

  /** @returns whether the connection came about */
  async opened(): Promise<boolean> {
    const signal = AbortSignal.timeout(CONNECT_MS)
    await Promise.race([once(this.#socket, 'connect', { signal }), once(this.#socket, 'close', { signal })]).catch(
      () => undefined,
    )
    return this.#isConnected
  }

  /** Writes, and waits while too much is on its way. */
  async write(bytes: Buffer): Promise<void> {
    if (!this.isOpen) return
    this.#written += bytes.length
    this.#socket.write(bytes)
    if (this.#socket.writableLength < WINDOW_BYTES) return
    const signal = AbortSignal.timeout(CLOSE_MS)
    await Promise.race([once(this.#socket, 'drain', { signal }), once(this.#socket, 'close', { signal })]).catch(
      () => undefined,
    )
  }

  /** Reads no more. */
  deafen(): void {
    this.#socket.pause()
  }

  /** Ends its side and waits for the other, or for a while. */
  async end(): Promise<void> {
    if (this.#socket.destroyed) return
    this.#socket.end()
    await once(this.#socket, 'close', { signal: AbortSignal.timeout(CLOSE_MS) }).catch(() => undefined)
    this.drop()
  }

  /** Is gone without a word. */
  drop(): void {
    this.#socket.destroy()
  }

  reset(): void {
    this.#socket.resetAndDestroy()
  }
}

async function many(line: Line, count: number, make: () => Buffer, breathe = 32): Promise<void> {
  for (let sent = 0; sent < count && line.isOpen; sent++) {
    await line.write(make())
    // The other connections, and the answers, get their turn.
    if (sent % breathe === breathe - 1) await sleep(1)
  }
}

/** What attackers do. */
export const attacks: readonly Attack[] = [
  {
    name: 'mutated messages in right frames',
    weight: 30,
    async play(forgery, line) {
      await many(line, 400, () => forgery.mutated())
      await line.end()
    },
  },
  {
    name: 'random bytes in right frames',
    weight: 12,
    async play(forgery, line) {
      await many(line, 200, () => forgery.noiseFrame())
      await line.end()
    },
  },
  {
    name: 'mutated frames, their lengths too',
    weight: 12,
    async play(forgery, line) {
      await many(line, 60, () => forgery.torn())
      await line.end()
    },
  },
  {
    name: 'random bytes',
    weight: 8,
    async play(forgery, line) {
      await many(line, 8, () => forgery.noise(1 + forgery.below(512)), 1)
      line.drop()
    },
  },
  {
    name: 'a length over the limit, or at it with nothing behind',
    weight: 4,
    async play(forgery, line) {
      const { longest, maxFrameBytes } = framings[framingOf[forgery.dialect]]
      const length = forgery.below(2) === 0 ? longest - forgery.below(1_000) : maxFrameBytes
      await line.write(forgery.header(length))
      await line.write(forgery.noise(forgery.below(512)))
      await sleep(20)
      await line.end()
    },
  },
  {
    name: 'a frame cut short',
    weight: 6,
    async play(forgery, line) {
      await many(line, 20, () => forgery.genuine())
      const frame = forgery.genuine()
      await line.write(frame.subarray(0, forgery.below(frame.length)))
      if (forgery.below(2) === 0) line.reset()
      else await line.end()
    },
  },
  {
    name: 'a drip of single bytes',
    weight: 3,
    async play(forgery, line) {
      const frame = forgery.mutated()
      for (const [at] of frame.entries()) {
        if (!line.isOpen || at > 120) break
        await line.write(frame.subarray(at, at + 1))
        await sleep(2)
      }
      line.drop()
    },
  },
  {
    name: 'messages whose answers are not read',
    weight: 2,
    async play(forgery, line) {
      line.deafen()
      await many(line, 3_000, () => forgery.mutated())
      line.reset()
    },
  },
  {
    name: 'garbage behind good messages in one piece',
    weight: 6,
    async play(forgery, line) {
      const parts = [forgery.genuine(), forgery.mutated(), forgery.noise(64), forgery.genuine()]
      await line.write(Buffer.concat(parts))
      await sleep(5)
      await line.end()
    },
  },
  {
    name: 'a connection that says nothing',
    weight: 3,
    async play(_forgery, line) {
      await sleep(30)
      line.drop()
    },
  },
  {
    name: 'empty frames',
    weight: 2,
    async play(forgery, line) {
      await many(line, 400, () => forgery.header(0))
      await line.end()
    },
  },
]
