import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFramer, type FramingName, writeFrame } from '../../src/link/framing.ts'
import type { CloseReason, LinkEvents, LinkObserver } from '../../src/link/observer.ts'
import type { ListenerOptions } from '../../src/link/server.ts'

/** Options of a plain listener on a free port; a test overrides what it is about. */
export function listenerOptions(overrides: Partial<ListenerOptions> = {}): ListenerOptions {
  return {
    name: 'test',
    host: '127.0.0.1',
    port: 0,
    framing: 'len2',
    maxFrameBytes: 4_096,
    tpdu: false,
    maxConnections: 10,
    maxInFlight: 100,
    idleTimeoutMs: 0,
    maxOutboundBytes: 1_048_576,
    requireSignOn: false,
    ...overrides,
  }
}

type EventName = keyof LinkEvents
type EventArguments<N extends EventName> = Parameters<LinkEvents[N]>

/** Records link events and lets a test wait for the next one of a kind instead of for time. */
export class Recorder {
  readonly #seen = new Map<EventName, unknown[][]>()
  readonly #read = new Map<EventName, number>()
  readonly #waiting = new Map<EventName, Array<() => void>>()
  readonly observer: LinkObserver

  constructor() {
    const record =
      (name: EventName) =>
      (...args: unknown[]) => {
        this.#list(name).push(args)
        const waiting = this.#waiting.get(name) ?? []
        this.#waiting.delete(name)
        for (const wake of waiting) wake()
      }
    this.observer = {
      connected: record('connected'),
      disconnected: record('disconnected'),
      frameIn: record('frameIn'),
      frameOut: record('frameOut'),
      keepAlive: record('keepAlive'),
      controlFrame: record('controlFrame'),
      refused: record('refused'),
      paused: record('paused'),
      resumed: record('resumed'),
      stateChanged: record('stateChanged'),
      discarded: record('discarded'),
      undelivered: record('undelivered'),
      handlerFailed: record('handlerFailed'),
      unmatched: record('unmatched'),
      reconnecting: record('reconnecting'),
    }
  }

  #list(name: EventName): unknown[][] {
    const list = this.#seen.get(name) ?? []
    this.#seen.set(name, list)
    return list
  }

  count(name: EventName): number {
    return this.#list(name).length
  }

  all<N extends EventName>(name: N): Array<EventArguments<N>> {
    return this.#list(name) as Array<EventArguments<N>>
  }

  /** The next event of this kind that was not returned before; waits for it when need be. */
  async next<N extends EventName>(name: N): Promise<EventArguments<N>> {
    const index = this.#read.get(name) ?? 0
    this.#read.set(name, index + 1)
    while (this.#list(name).length <= index) {
      await new Promise<void>((wake) => this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), wake]))
    }
    return this.#list(name)[index] as EventArguments<N>
  }

  async nextClose(): Promise<CloseReason> {
    return (await this.next('disconnected'))[1]
  }
}

/** A peer of a listener that sends and receives frames, or raw bytes. */
export class Peer {
  readonly socket: Socket
  readonly #framing: FramingName
  readonly #frames: Buffer[] = []
  readonly #waiting: Array<() => void> = []
  /** Resolves when the connection is gone. */
  readonly gone: Promise<void>
  #ended = false

  constructor(socket: Socket, framing: FramingName) {
    this.socket = socket
    this.#framing = framing
    const framer = createFramer(framing, 9_999)
    socket.on('data', (chunk: Buffer) => {
      framer.push(chunk, (frame) => this.#frames.push(Buffer.from(frame)))
      this.#wake()
    })
    socket.on('error', () => {})
    this.gone = new Promise((resolve) => {
      socket.on('close', () => {
        this.#ended = true
        this.#wake()
        resolve()
      })
    })
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  send(...bodies: Array<Buffer | string>): void {
    const frames = bodies.map((body) => writeFrame(this.#framing, typeof body === 'string' ? Buffer.from(body) : body))
    this.socket.write(Buffer.concat(frames))
  }

  /** The next frame; rejects when the connection is gone without one. */
  async next(): Promise<Buffer> {
    while (this.#frames.length === 0) {
      if (this.#ended) throw new Error('the connection is gone')
      await new Promise<void>((wake) => this.#waiting.push(wake))
    }
    return this.#frames.shift() as Buffer
  }

  async nextText(): Promise<string> {
    return (await this.next()).toString('latin1')
  }

  async texts(count: number): Promise<string[]> {
    const texts: string[] = []
    while (texts.length < count) texts.push(await this.nextText())
    return texts
  }

  destroy(): void {
    this.socket.destroy()
  }
}

/** Connects a peer. */
export async function connectPeer(port: number, framing: FramingName = 'len2', allowHalfOpen = false): Promise<Peer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen, noDelay: true })
  const peer = new Peer(socket, framing)
  await once(socket, 'connect')
  return peer
}

/** One key and its certificate; PEM. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** True when the program that makes test certificates is there. */
export function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Makes throw-away authorities and certificates in a folder of its own. */
export class CertificateMaker {
  readonly #folder = mkdtempSync(join(tmpdir(), 'mizan-link-'))

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'ignore' })
  }

  #read(name: string): Certificate {
    const file = (ending: string) => readFileSync(join(this.#folder, `${name}.${ending}`), 'utf8')
    return { key: file('key'), cert: file('pem') }
  }

  /** A self-signed authority. */
  authority(name: string): Certificate {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`]
    this.#openssl('req', '-x509', ...key, '-out', `${name}.pem`, '-subj', `/CN=${name}`, '-days', '2')
    return this.#read(name)
  }

  /** A certificate for 127.0.0.1 from an authority made before. */
  issue(name: string, authority: string): Certificate {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`]
    this.#openssl('req', ...key, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    writeFileSync(join(this.#folder, `${name}.ext`), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    const by = ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial']
    this.#openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      ...by,
      '-out',
      `${name}.pem`,
      '-days',
      '2',
      '-extfile',
      `${name}.ext`,
    )
    return this.#read(name)
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
