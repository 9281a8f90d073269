import { assert } from '../errors.ts'

/** Framings of the listeners (interfaces.md, Listeners). */
export type FramingName = 'len2' | 'ascii4' | 'visa'

/**
 * What ends a link: the bytes cannot be framed, so nothing after them can be trusted. `detail` holds no message bytes.
 */
export interface FrameFault {
  readonly kind: 'frame-oversize' | 'frame-zero-length' | 'frame-garbage'
  readonly detail: string
}

/** How a framing writes and reads its length header. */
export interface Framing {
  readonly name: FramingName
  readonly headerBytes: number
  /** Limit of the length in the header, i.e. of what follows the header: the default of this framing. */
  readonly maxFrameBytes: number
  /** True when a frame of length 0 is a keep-alive; elsewhere it is a fault. */
  readonly zeroIsKeepAlive: boolean
  /** Length that the header can express at all. */
  readonly longest: number
  /** The length at `at`; `CONTROL` is added for a session control frame; `GARBAGE` when this is no header. */
  readLength(source: Buffer, at: number): number
  /** Writes the header of a frame of `length` bytes at `at`. */
  writeLength(target: Buffer, at: number, length: number): void
}

/** What a framer reports besides frames. */
export interface FramerEvents {
  /** A frame of length 0 on a framing where that is a keep-alive. */
  onKeepAlive?(): void
  /** A session control frame was skipped; `length` counts what followed its header. */
  onControlFrame?(length: number): void
}

const GARBAGE = -1
const CONTROL = 0x1_0000
const LENGTH_MASK = 0xffff
/** High nibble of byte 3 that marks a session control message (visa-base1.md, section 1). */
const SESSION_CONTROL_NIBBLE = 2

const len2: Framing = {
  name: 'len2',
  headerBytes: 2,
  maxFrameBytes: 4_096,
  zeroIsKeepAlive: false,
  longest: 0xffff,
  readLength: (source, at) => (byte(source, at) << 8) | byte(source, at + 1),
  writeLength: (target, at, length) => {
    target[at] = length >>> 8
    target[at + 1] = length & 0xff
  },
}

const ascii4: Framing = {
  name: 'ascii4',
  headerBytes: 4,
  maxFrameBytes: 4_096,
  zeroIsKeepAlive: false,
  longest: 9_999,
  readLength: (source, at) => {
    let length = 0
    for (let index = at; index < at + 4; index++) {
      const digit = byte(source, index) - 0x30
      if (digit < 0 || digit > 9) return GARBAGE
      length = length * 10 + digit
    }
    return length
  },
  writeLength: (target, at, length) => {
    let rest = length
    for (let index = at + 3; index >= at; index--) {
      target[index] = 0x30 + (rest % 10)
      rest = Math.floor(rest / 10)
    }
  },
}

const visa: Framing = {
  name: 'visa',
  headerBytes: 4,
  maxFrameBytes: 2_048,
  zeroIsKeepAlive: true,
  longest: 0xffff,
  readLength: (source, at) => {
    const length = (byte(source, at) << 8) | byte(source, at + 1)
    const indicator = byte(source, at + 3)
    if (indicator >>> 4 === SESSION_CONTROL_NIBBLE) return CONTROL | length
    return byte(source, at + 2) === 0 && indicator === 0 ? length : GARBAGE
  },
  writeLength: (target, at, length) => {
    target[at] = length >>> 8
    target[at + 1] = length & 0xff
    target[at + 2] = 0
    target[at + 3] = 0
  },
}

/** The framings by name. */
export const framings: Readonly<Record<FramingName, Framing>> = { len2, ascii4, visa }

function byte(source: Buffer, at: number): number {
  return source[at] as number
}

/**
 * Writes a frame's header into a buffer.
 * @returns the offset after the header
 */
export function frameHeaderInto(framing: Framing, target: Buffer, at: number, length: number): number {
  assert(length >= 0 && length <= framing.longest, 'a frame must fit the length its framing can express')
  framing.writeLength(target, at, length)
  return at + framing.headerBytes
}

/** Header and body as one new buffer; the hot path of a link writes into its own outbound buffer instead. */
export function writeFrame(name: FramingName, body: Uint8Array): Buffer {
  const framing = framings[name]
  const frame = Buffer.allocUnsafe(framing.headerBytes + body.length)
  frame.set(body, frameHeaderInto(framing, frame, 0, body.length))
  return frame
}

/**
 * A framer for one direction of one link.
 * @param maxFrameBytes largest length accepted in a header, in bytes; the framing's own default is in {@link framings}
 */
export function createFramer(name: FramingName, maxFrameBytes: number, events: FramerEvents = {}): Framer {
  const framing = framings[name]
  assert(
    Number.isSafeInteger(maxFrameBytes) && maxFrameBytes > 0 && maxFrameBytes <= framing.longest,
    `the frame limit of ${name} must be 1 to ${framing.longest} bytes`,
  )
  return new Framer(framing, maxFrameBytes, events)
}

/**
 * Cuts a byte stream into frames. A frame that lies whole in a chunk is a view of the chunk, without a copy; one that
 * spans chunks is copied once into a buffer of its own length. What is kept between chunks is at most one header, one
 * frame, and, while held, the rest of the chunks pushed.
 */
export class Framer {
  readonly framing: Framing
  readonly maxFrameBytes: number
  readonly #events: FramerEvents
  readonly #header: Buffer
  #headerHave = 0
  #body: Buffer | undefined
  #bodyHave = 0
  #skip = 0
  #held = false
  #rest: Buffer | undefined
  #fault: FrameFault | undefined

  constructor(framing: Framing, maxFrameBytes: number, events: FramerEvents) {
    this.framing = framing
    this.maxFrameBytes = maxFrameBytes
    this.#events = events
    this.#header = Buffer.alloc(framing.headerBytes)
  }

  /** True in the middle of a frame: a stream that ends now ended too early. */
  get partial(): boolean {
    return this.#headerHave > 0 || this.#body !== undefined || this.#skip > 0
  }

  /** Bytes that wait because of {@link hold}. */
  get heldBytes(): number {
    return this.#rest === undefined ? 0 : this.#rest.length
  }

  /** May be called from `onFrame`: no further frame comes out, whatever is pushed, until {@link release}. */
  hold(): void {
    this.#held = true
  }

  /** Ends {@link hold} and delivers what waited; `onFrame` may hold again. */
  release(onFrame: (frame: Buffer) => void): FrameFault | undefined {
    this.#held = false
    const rest = this.#rest
    this.#rest = undefined
    return rest === undefined ? this.#fault : this.push(rest, onFrame)
  }

  /**
   * Takes the next bytes of the stream and calls `onFrame` for each frame they complete. The frame may be kept; it
   * keeps its whole chunk (one socket read) in memory, so what is kept beyond the answer should be copied.
   * @returns why the stream cannot be framed; from then on every call returns the same fault and delivers nothing
   */
  push(chunk: Buffer, onFrame: (frame: Buffer) => void): FrameFault | undefined {
    if (this.#fault !== undefined) return this.#fault
    let at = 0
    while (at < chunk.length) {
      if (this.#held) {
        this.#keepRest(chunk, at)
        return undefined
      }
      if (this.#body !== undefined) at = this.#fillBody(chunk, at, this.#body, onFrame)
      else if (this.#skip > 0) at = this.#skipSome(chunk, at)
      else at = this.#next(chunk, at, onFrame)
      if (this.#fault !== undefined) return this.#fault
    }
    return undefined
  }

  #keepRest(chunk: Buffer, at: number): void {
    const rest = chunk.subarray(at)
    this.#rest = this.#rest === undefined ? rest : Buffer.concat([this.#rest, rest])
  }

  /** Reads a header and, when the chunk holds it, the frame behind it. Returns where to go on. */
  #next(chunk: Buffer, from: number, onFrame: (frame: Buffer) => void): number {
    const { headerBytes } = this.framing
    let at = from
    let length: number
    if (this.#headerHave === 0 && chunk.length - at >= headerBytes) {
      length = this.framing.readLength(chunk, at)
      at += headerBytes
    } else {
      const take = Math.min(headerBytes - this.#headerHave, chunk.length - at)
      chunk.copy(this.#header, this.#headerHave, at, at + take)
      this.#headerHave += take
      at += take
      if (this.#headerHave < headerBytes) return at
      this.#headerHave = 0
      length = this.framing.readLength(this.#header, 0)
    }
    if (length <= 0 || length > this.maxFrameBytes) {
      this.#unusual(length)
    } else if (chunk.length - at >= length) {
      const end = at + length
      onFrame(chunk.subarray(at, end))
      return end
    } else {
      this.#body = Buffer.allocUnsafe(length)
      this.#bodyHave = 0
    }
    return at
  }

  /** Keep-alives, session control frames and faults. */
  #unusual(length: number): void {
    const { name, zeroIsKeepAlive } = this.framing
    const follows = length & LENGTH_MASK
    if (length === GARBAGE) {
      this.#fault = { kind: 'frame-garbage', detail: `these bytes are not a ${name} header` }
    } else if (follows > this.maxFrameBytes) {
      this.#fault = { kind: 'frame-oversize', detail: `length ${follows} is over the limit of ${this.maxFrameBytes}` }
    } else if (length >= CONTROL) {
      this.#skip = follows
      this.#events.onControlFrame?.(follows)
    } else if (zeroIsKeepAlive) {
      this.#events.onKeepAlive?.()
    } else {
      this.#fault = { kind: 'frame-zero-length', detail: `length 0 is not allowed on ${name}` }
    }
  }

  #fillBody(chunk: Buffer, at: number, body: Buffer, onFrame: (frame: Buffer) => void): number {
    const take = Math.min(body.length - this.#bodyHave, chunk.length - at)
    chunk.copy(body, this.#bodyHave, at, at + take)
    this.#bodyHave += take
    if (this.#bodyHave === body.length) {
      this.#body = undefined
      onFrame(body)
    }
    return at + take
  }

  #skipSome(chunk: Buffer, at: number): number {
    const take = Math.min(this.#skip, chunk.length - at)
    this.#skip -= take
    return at + take
  }
}
