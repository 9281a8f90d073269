import { connect, type Socket } from 'node:net'
import type { FieldValues } from '../iso8583/dialect.ts'
import { formatVisaHeader, newVisaHeader, VISA_HEADER_BYTES } from '../iso8583/visa-header.ts'
import { createFramer, type Framer, framings, writeFrame } from '../link/framing.ts'
import { TPDU_BYTES } from '../link/tpdu.ts'
import type { LoadDialect } from './load-mix.ts'
import { dialectOf, framingOf } from './load-template.ts'

const SLAB_BYTES = 262_144
const FRAME_ROOM_BYTES = 4_096
const RECONNECT_MS = 50
/** So long another port is preferred to one whose peer took a connection and said nothing. */
const SILENT_MS = 3_000
/** Requests of a patient link that await their answer at most: what it has kept must not come all at once. */
const WINDOW = 64

/** What a link tells its generator. */
export interface LoadLinkEvents {
  onFrame(dialect: LoadDialect, frame: Buffer): void
  /** The link is gone before it was closed by us, and the switch had not said so; it connects again by itself. */
  onLost(): void
}

/**
 * One socket of the load: collects the frames of a tick and hands them over in one write. A patient one is a
 * well-behaved client: it sends a few ahead of their answers and keeps the others, also while it has no link; once the
 * switch has signed it off it sends nothing more on that connection, and connects again when it is closed.
 */
export class LoadLink {
  readonly dialect: LoadDialect
  readonly #events: LoadLinkEvents
  readonly #patient: boolean
  #ports: readonly number[]
  #at = 0
  /** Ports whose peer said nothing, with the time until which the others are preferred. */
  readonly #silentUntilMs = new Map<number, number>()
  #socket: Socket | undefined
  #framer: Framer | undefined
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #start = 0
  #end = 0
  /** Of a patient link: what is to be sent, and how many of what was sent have no answer yet. */
  #kept: Buffer[] = []
  #unanswered = 0
  #signedOff = false
  #closed = false
  /**
   * When bytes last came, in milliseconds of performance.now(): a link that is silent while it owes answers is dead.
   */
  lastReceivedMs = 0

  /** @param ports where to connect: when one does not answer, to the next */
  constructor(dialect: LoadDialect, ports: readonly number[], events: LoadLinkEvents, patient = false) {
    this.dialect = dialect
    this.#ports = ports
    this.#events = events
    this.#patient = patient
  }

  get connected(): boolean {
    return this.#socket !== undefined
  }

  /** Whether a request may be written: it is sent, now or when there is a link again. */
  get takes(): boolean {
    return this.#patient || this.#socket !== undefined
  }

  /** Where to connect from now on: a switch that starts again has other ports. */
  set port(port: number) {
    this.#ports = [port]
    this.#at = 0
  }

  /** Resolves once connected; afterwards a lost link connects again by itself. */
  connect(): Promise<void> {
    return new Promise((resolve) => this.#dial(resolve))
  }

  #dial(onConnected: () => void): void {
    if (this.#closed) return
    const socket = connect({ port: this.#choosePort(), host: '127.0.0.1', noDelay: true })
    const framing = framings[framingOf[this.dialect]]
    let open = false
    socket.on('connect', () => {
      open = true
      this.#framer = createFramer(framing.name, framing.maxFrameBytes)
      this.#socket = socket
      this.#signedOff = false
      this.#unanswered = 0
      this.#start = this.#end
      this.lastReceivedMs = performance.now()
      this.flush()
      onConnected()
    })
    socket.on('data', (chunk: Buffer) => {
      this.lastReceivedMs = performance.now()
      this.#framer?.push(chunk, this.#deliver)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      const wasSignedOff = this.#socket === socket && this.#signedOff
      if (this.#socket === socket) this.#socket = undefined
      if (this.#closed) return
      this.#at += 1
      if (open && !wasSignedOff) this.#events.onLost()
      setTimeout(() => this.#dial(open ? () => undefined : onConnected), RECONNECT_MS)
    })
  }

  #choosePort(): number {
    const nowMs = performance.now()
    const isSilent = (port: number) => (this.#silentUntilMs.get(port) ?? 0) > nowMs
    const inTurn = this.#ports.map((_, step) => this.#ports[(this.#at + step) % this.#ports.length] as number)
    return inTurn.find((port) => !isSilent(port)) ?? (inTurn[0] as number)
  }

  readonly #deliver = (frame: Buffer): void => {
    const answer = this.#patient ? answerToSignOff(this.dialect, frame) : undefined
    if (answer !== undefined) {
      this.#socket?.write(answer)
      this.#signedOff = true
      return
    }
    this.#unanswered -= 1
    if (this.#kept.length > 0) this.flush()
    this.#events.onFrame(this.dialect, frame)
  }

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
    if (!this.#patient) return
    this.#kept.push(this.#slab.subarray(this.#start, end))
    this.#start = end
  }

  /** Hands what was written to the socket, if there is one that takes it. */
  flush(): void {
    const socket = this.#socket
    if (this.#patient) {
      if (socket === undefined || this.#signedOff) return
      const sent = this.#kept.splice(0, Math.max(0, WINDOW - this.#unanswered))
      this.#unanswered += sent.length
      if (sent.length > 0) socket.write(Buffer.concat(sent))
      return
    }
    if (this.#end === this.#start) return
    socket?.write(this.#slab.subarray(this.#start, this.#end))
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
    const port = this.#socket?.remotePort
    if (port !== undefined) this.#silentUntilMs.set(port, performance.now() + SILENT_MS)
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

const REQUEST = '0800'
const SIGN_OFF = '002'
const APPROVED = '00'

/** The frame that answers the switch's sign-off; undefined when the frame is no such thing. */
function answerToSignOff(name: LoadDialect, frame: Buffer): Buffer | undefined {
  const visa = name === 'visa-base1'
  const before = visa ? VISA_HEADER_BYTES : name === 'iso87-bcd' ? TPDU_BYTES : 0
  const dialect = dialectOf(name)
  const message = dialect.decode(frame, before)
  if (message.mti !== REQUEST || message.text(70) !== SIGN_OFF) return undefined
  const fields: FieldValues = []
  for (const de of [7, 11, 70]) fields[de] = message.text(de)
  fields[39] = APPROVED
  const body = dialect.encode('0810', fields)
  const head = visa ? formatVisaHeader(newVisaHeader('400101', '000000'), body.length) : frame.subarray(0, before)
  return writeFrame(framingOf[name], Buffer.concat([head, body]))
}
