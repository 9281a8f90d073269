import { assert } from '../errors.ts'

/**
 * A bounded first-in first-out queue over a fixed array. Full means full: the caller answers at once. What was taken out
 * may come back to the front although others came meanwhile: `headroom` slots are kept for that.
 */
export class Ring<T> {
  readonly #slots: (T | undefined)[]
  readonly #capacity: number
  #head = 0
  #size = 0

  /** @param headroom how many items may be out of the ring and come back */
  constructor(capacity: number, headroom = 0) {
    assert(Number.isInteger(capacity) && capacity > 0, 'a ring needs room for one item at least')
    this.#capacity = capacity
    this.#slots = new Array<T | undefined>(capacity + headroom).fill(undefined)
  }

  get size(): number {
    return this.#size
  }

  get capacity(): number {
    return this.#capacity
  }

  /** @returns false when there is no room */
  push(item: T): boolean {
    if (this.#size >= this.#capacity) return false
    this.#slots[(this.#head + this.#size) % this.#slots.length] = item
    this.#size++
    return true
  }

  peek(): T | undefined {
    return this.#slots[this.#head]
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const item = this.#slots[this.#head]
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) % this.#slots.length
    this.#size--
    return item
  }

  /** Puts items back in front, in their order. They came out of this ring, so there is room. */
  unshift(items: readonly T[]): void {
    assert(this.#size + items.length <= this.#slots.length, 'items that go back must have come from this ring')
    for (let i = items.length - 1; i >= 0; i--) {
      this.#head = (this.#head - 1 + this.#slots.length) % this.#slots.length
      this.#slots[this.#head] = items[i]
      this.#size++
    }
  }
}
