import type { LinkSocket } from './connection.ts'
import type { Framing } from './framing.ts'

/** Size of one outbound buffer: some hundred answers. A larger one would only pin more memory per link. */
const SLAB_BYTES = 16_384

/** What happened to a frame given to {@link Outbound.append}. */
export type AppendResult = 'queued' | 'full'

/**
 * Frames on their way out of one socket. A frame is written once, header and body, into the current buffer; `flush`
 * hands what a turn collected to the socket in one write. The caller may reuse its own buffer at once.
 */
export class Outbound {
  readonly #socket: Pick<LinkSocket, 'writableLength' | 'write' | 'cork' | 'uncork'>
  readonly #framing: Framing
  readonly #maxBytes: number
  #slab: Buffer | undefined
  #start = 0
  #end = 0
  /** Full buffers of this turn, before the current one. */
  #full: Buffer[] = []
  #fullBytes = 0

  /** @param maxBytes most bytes that may wait for the operating system to take them */
  constructor(
    socket: Pick<LinkSocket, 'writableLength' | 'write' | 'cork' | 'uncork'>,
    framing: Framing,
    maxBytes: number,
  ) {
    this.#socket = socket
    this.#framing = framing
    this.#maxBytes = maxBytes
  }

  /** Bytes that wait: collected in this turn, and handed to the socket but not yet to the operating system. */
  get bytes(): number {
    return this.#fullBytes + this.#end - this.#start + this.#socket.writableLength
  }

  /**
   * Adds a frame: header, then `prefix` (a TPDU) and `body`.
   * @returns 'full' when the peer reads too slowly for it; nothing is added then
   */
  append(body: Uint8Array, prefix: Uint8Array | undefined): AppendResult {
    const { headerBytes } = this.#framing
    const length = body.length + (prefix === undefined ? 0 : prefix.length)
    const total = headerBytes + length
    if (this.bytes + total > this.#maxBytes) {
      // A big batch in one turn is no slow reader: see what the operating system takes before judging.
      this.flush()
      if (this.bytes + total > this.#maxBytes) return 'full'
    }
    const slab = this.#reserve(total)
    this.#framing.writeLength(slab, this.#end, length)
    let at = this.#end + headerBytes
    if (prefix !== undefined) {
      slab.set(prefix, at)
      at += prefix.length
    }
    slab.set(body, at)
    this.#end += total
    return 'queued'
  }

  #reserve(bytes: number): Buffer {
    const slab = this.#slab
    if (slab !== undefined && slab.length - this.#end >= bytes) return slab
    if (slab !== undefined && this.#end > this.#start) {
      this.#full.push(slab.subarray(this.#start, this.#end))
      this.#fullBytes += this.#end - this.#start
    }
    const fresh = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes))
    this.#slab = fresh
    this.#start = 0
    this.#end = 0
    return fresh
  }

  /** Hands what was collected to the socket. */
  flush(): void {
    const slab = this.#slab
    const some = slab !== undefined && this.#end > this.#start
    if (this.#full.length === 0) {
      if (some) this.#socket.write(slab.subarray(this.#start, this.#end))
    } else {
      // Corked, the socket hands all buffers to the operating system in one call.
      this.#socket.cork()
      for (const buffer of this.#full) this.#socket.write(buffer)
      if (some) this.#socket.write(slab.subarray(this.#start, this.#end))
      this.#socket.uncork()
      this.#full = []
      this.#fullBytes = 0
    }
    this.#start = this.#end
  }

  /** Gives the buffer of a quiet link back. */
  trim(): void {
    if (this.#end === this.#start) this.#slab = undefined
  }
}
