import type { FileHandle } from 'node:fs/promises'
import { LENGTH_BYTES_MAX, LONG_FORM } from './asn1.ts'
import { ProtectionRefusal } from './refusal.ts'

/** Tag and length of a value whose bytes come next. */
export interface Header {
  /** Class, form and number in one byte, as on the wire. */
  readonly tag: number
  /** Of the content; undefined = until the end-of-contents. */
  readonly length: number | undefined
}

const BUFFER_BYTES = 262_144
const CONSTRUCTED = 0x20
const LONG_TAG = 0x1f
const DEPTH_MAX = 12

/**
 * Reads BER (X.690) from a file as it goes by: values of definite and of indefinite length, with one buffer whatever
 * the size of the file.
 */
export class BerReader {
  readonly #file: FileHandle
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  #start = 0
  #end = 0
  /** Bytes of the file that went by. */
  position = 0

  constructor(file: FileHandle) {
    this.#file = file
  }

  /** Whether the file ends here. */
  async isAtEnd(): Promise<boolean> {
    return this.#start === this.#end && !(await this.#fill())
  }

  /** @throws ProtectionRefusal cut when the file ends; not-cms when these are no tag and length */
  async header(): Promise<Header> {
    const tag = await this.#byte()
    if ((tag & LONG_TAG) === LONG_TAG) throw new ProtectionRefusal('not-cms', `a long tag at byte ${this.position}`)
    const first = await this.#byte()
    if (first < LONG_FORM) return { tag, length: first }
    if (first === LONG_FORM) {
      if ((tag & CONSTRUCTED) === 0 && tag !== 0) throw new ProtectionRefusal('not-cms', 'a string without a length')
      return { tag, length: undefined }
    }
    const more = first - LONG_FORM
    if (more > LENGTH_BYTES_MAX) throw new ProtectionRefusal('not-cms', `a length at byte ${this.position}`)
    let length = 0
    for (let n = 0; n < more; n++) length = length * 256 + (await this.#byte())
    return { tag, length }
  }

  /**
   * The next bytes, up to `most`; the buffer is used again by the next call.
   * @throws ProtectionRefusal cut
   */
  async some(most: number): Promise<Buffer> {
    if (this.#start === this.#end && !(await this.#fill())) throw this.#cut()
    const taken = this.#buffer.subarray(this.#start, Math.min(this.#end, this.#start + most))
    this.#start += taken.length
    this.position += taken.length
    return taken
  }

  /**
   * A small value as a whole with tag and length, whatever it holds, for the ASN.1 reader.
   * @param max most bytes that it may have
   * @throws ProtectionRefusal cut, not-cms
   */
  async whole(header: Header, max: number, depth = 0): Promise<Buffer> {
    const { tag, length } = header
    if (depth > DEPTH_MAX || (length ?? 0) > max) throw new ProtectionRefusal('not-cms', 'a part of it is too large')
    if (length !== undefined) return Buffer.concat([definite(tag, length), await this.#exactly(length)])
    const parts: Buffer[] = []
    let bytes = 0
    for (;;) {
      const inner = await this.header()
      if (inner.tag === 0 && inner.length === 0) break
      const part = await this.whole(inner, max - bytes, depth + 1)
      bytes += part.length
      parts.push(part)
    }
    return Buffer.concat([definite(tag, bytes), ...parts])
  }

  async #exactly(length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length)
    for (let at = 0; at < length; ) at += (await this.some(length - at)).copy(bytes, at)
    return bytes
  }

  async #byte(): Promise<number> {
    if (this.#start === this.#end && !(await this.#fill())) throw this.#cut()
    this.position++
    return this.#buffer[this.#start++] as number
  }

  async #fill(): Promise<boolean> {
    const { bytesRead } = await this.#file.read(this.#buffer, 0, BUFFER_BYTES)
    this.#start = 0
    this.#end = bytesRead
    return bytesRead > 0
  }

  #cut(): ProtectionRefusal {
    return new ProtectionRefusal('cut', `after ${this.position} bytes`)
  }
}

/** Tag and length of a value of definite length. */
export function definite(tag: number, length: number): Buffer {
  if (length < LONG_FORM) return Buffer.from([tag, length])
  const digits: number[] = []
  for (let left = length; left > 0; left = Math.floor(left / 256)) digits.unshift(left % 256)
  return Buffer.from([tag, LONG_FORM + digits.length, ...digits])
}
