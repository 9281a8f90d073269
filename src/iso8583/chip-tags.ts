const TAGS_MAX = 64
const TAG_BYTES_MAX = 3

/**
 * Chip data of one message at a time, found by tag without building objects: an authorization looks at some fifteen of
 * its tags. Reads BER-TLV as ber-tlv.ts does, templates unopened; of a tag that comes twice the first counts.
 */
export class ChipTags {
  readonly #tags = new Int32Array(TAGS_MAX)
  readonly #from = new Int32Array(TAGS_MAX)
  readonly #to = new Int32Array(TAGS_MAX)
  #bytes: Uint8Array = new Uint8Array(0)
  #count = 0

  /**
   * Takes chip data in; what was there before is gone.
   * @returns whether it is well formed: tags of up to three bytes, definite lengths, nothing over
   */
  read(bytes: Uint8Array): boolean {
    this.#bytes = bytes
    this.#count = 0
    let at = 0
    while (at < bytes.length) {
      // Padding between objects (EMV Book 3, annex B).
      if (bytes[at] === 0) {
        at++
        continue
      }
      at = this.#readOne(at)
      if (at < 0) {
        this.#count = 0
        return false
      }
    }
    return true
  }

  /** Value of a tag (0x9f26), a view of what was read; undefined when it is not there. */
  readonly value = (tag: number): Uint8Array | undefined => {
    for (let index = 0; index < this.#count; index++) {
      if (this.#tags[index] === tag) return this.#bytes.subarray(this.#from[index], this.#to[index])
    }
    return undefined
  }

  /** @returns where the next object begins, or -1 */
  #readOne(start: number): number {
    const bytes = this.#bytes
    let at = start
    let tag = bytes[at++] as number
    if ((tag & 0x1f) === 0x1f) {
      let more = 0x80
      while ((more & 0x80) !== 0) {
        if (at - start >= TAG_BYTES_MAX || at >= bytes.length) return -1
        more = bytes[at++] as number
        tag = (tag << 8) | more
      }
    }
    let length = bytes[at++]
    if (length === undefined || length === 0x80 || length > 0x82) return -1
    for (let count = length > 0x80 ? length & 0x7f : 0, first = true; count > 0; count--, first = false) {
      const next = bytes[at++]
      if (next === undefined) return -1
      length = first ? next : (length << 8) | next
    }
    const end = at + length
    if (end > bytes.length || this.#count === TAGS_MAX) return -1
    this.#tags[this.#count] = tag
    this.#from[this.#count] = at
    this.#to[this.#count] = end
    this.#count++
    return end
  }
}

const checker = new ChipTags()
const nothing = new Uint8Array(0)

/** Whether chip data holds objects, as {@link ChipTags} reads them, and nothing else. */
export function isChipData(bytes: Uint8Array): boolean {
  const isWhole = bytes.length > 0 && checker.read(bytes)
  // What a card said is not kept longer than its message.
  checker.read(nothing)
  return isWhole
}
