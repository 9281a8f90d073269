import { assert } from '../errors.ts'

/** Numbers in a block; the first is the number of the next block, or END. */
const BLOCK = 16
const BODY = BLOCK - 1
const BLOCKS_PER_PAGE = 4_096
const END = -1

/**
 * Records of numbers, of any length, outside the heap that the garbage collector walks. A record is a chain of small
 * blocks, so that one which grows moves nothing and leaves no hole.
 */
export class RecordPool {
  readonly #pages: Float64Array[] = []
  #free = END
  #used = 0

  /** Blocks in use. */
  get blocks(): number {
    return this.#used
  }

  /** Stores a new record. @returns its number */
  add(values: Float64Array, length: number): number {
    const first = this.#take()
    this.replace(first, values, length)
    return first
  }

  /** Stores a record over another; its number stays. */
  replace(first: number, values: Float64Array, length: number): void {
    let block = first
    for (let from = 0; ; from += BODY) {
      const page = this.#pageOf(block)
      const at = offsetOf(block)
      const end = Math.min(from + BODY, length)
      for (let index = from; index < end; index++) page[at + 1 + index - from] = values[index] ?? 0
      const next = page[at] ?? END
      if (end === length) {
        page[at] = END
        this.#release(next)
        return
      }
      block = next === END ? this.#take() : next
      page[at] = block
    }
  }

  /** Copies a record, rounded up to whole blocks, to the front of `into`, which must have room for it. */
  read(first: number, into: Float64Array): void {
    let to = 0
    for (let block = first; block !== END; to += BODY) {
      const page = this.#pageOf(block)
      const at = offsetOf(block)
      for (let index = 0; index < BODY; index++) into[to + index] = page[at + 1 + index] ?? 0
      block = page[at] ?? END
    }
    assert(to <= into.length, 'a record fits where it is read')
  }

  /** Gives a record's blocks back. */
  delete(first: number): void {
    this.#release(first)
  }

  #take(): number {
    if (this.#free === END) this.#addPage()
    const block = this.#free
    const page = this.#pageOf(block)
    const at = offsetOf(block)
    this.#free = page[at] ?? END
    page[at] = END
    this.#used++
    return block
  }

  #release(first: number): void {
    for (let block = first; block !== END; ) {
      const page = this.#pageOf(block)
      const at = offsetOf(block)
      const next = page[at] ?? END
      page[at] = this.#free
      this.#free = block
      this.#used--
      block = next
    }
  }

  #addPage(): void {
    const firstBlock = this.#pages.length * BLOCKS_PER_PAGE
    const page = new Float64Array(BLOCKS_PER_PAGE * BLOCK)
    for (let block = 0; block < BLOCKS_PER_PAGE; block++) {
      page[block * BLOCK] = block + 1 < BLOCKS_PER_PAGE ? firstBlock + block + 1 : END
    }
    this.#pages.push(page)
    this.#free = firstBlock
  }

  #pageOf(block: number): Float64Array {
    const page = this.#pages[Math.floor(block / BLOCKS_PER_PAGE)]
    assert(page !== undefined, 'a block of a record exists')
    return page
  }
}

function offsetOf(block: number): number {
  return (block % BLOCKS_PER_PAGE) * BLOCK
}
