import { hash } from 'node:crypto'

const BLOCK_BYTES = 64
const HASH_BYTES = 32
const INNER_PAD = 0x36
const OUTER_PAD = 0x5c
/** Longer data gets a buffer of its own for the call. */
const DATA_KEPT_BYTES = 256

/**
 * HMAC-SHA256 (RFC 2104, FIPS 198-1) under a prepared key, by two plain hashes: making an HMAC object for each message
 * costs many times the hashing.
 */
export class HmacSha256 {
  readonly #inner = Buffer.alloc(BLOCK_BYTES + DATA_KEPT_BYTES, INNER_PAD)
  readonly #outer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES, OUTER_PAD)

  /** @param key of any length; copied */
  constructor(key: Uint8Array) {
    const short = key.length > BLOCK_BYTES ? hash('sha256', key, 'buffer') : key
    for (let at = 0; at < short.length; at++) {
      this.#inner[at] = (short[at] as number) ^ INNER_PAD
      this.#outer[at] = (short[at] as number) ^ OUTER_PAD
    }
  }

  /** MAC of bytes. @returns 32 bytes */
  mac(data: Uint8Array): Buffer {
    const inner = this.#roomFor(data.length)
    inner.set(data, BLOCK_BYTES)
    return Buffer.from(this.#finish(inner, data.length), 'latin1')
  }

  /**
   * MAC of a text of one-byte characters.
   * @returns 32 bytes as latin1, which is what hashing gives at the least cost
   */
  macOfText(text: string): string {
    const inner = this.#roomFor(text.length)
    inner.write(text, BLOCK_BYTES, 'latin1')
    return this.#finish(inner, text.length)
  }

  /** Overwrites the prepared key; the object is of no use after that. */
  wipe(): void {
    this.#inner.fill(0)
    this.#outer.fill(0)
  }

  #roomFor(bytes: number): Buffer {
    if (bytes <= DATA_KEPT_BYTES) return this.#inner
    const room = Buffer.alloc(BLOCK_BYTES + bytes)
    this.#inner.copy(room, 0, 0, BLOCK_BYTES)
    return room
  }

  /** Nothing of key or data is left in memory that is not this object's. */
  #finish(inner: Buffer, bytes: number): string {
    this.#outer.write(hash('sha256', inner.subarray(0, BLOCK_BYTES + bytes), 'binary'), BLOCK_BYTES, 'latin1')
    inner.fill(0, inner === this.#inner ? BLOCK_BYTES : 0)
    return hash('sha256', this.#outer, 'binary')
  }
}

/** HMAC-SHA256 under a key that is used once: 32 bytes. */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Buffer {
  const prepared = new HmacSha256(key)
  try {
    return prepared.mac(data)
  } finally {
    prepared.wipe()
  }
}
