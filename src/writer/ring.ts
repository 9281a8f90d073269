import { assert } from '../errors.ts'

/** A bounded first-in first-out queue over a fixed array. Full means full: the caller answers at once. */
export class Ring<T> {
  readonly #slots: (T | undefined)[]
  #head = 0
  #size = 0

  constructor(capacity: number) {
    assert(Number.isInteger(capacity) && capacity > 0, 'a ring needs room for one item at least')
    this.#slots = new Array<T | undefined>(capacity).fill(undefined)
  }

  get size(): number {
    return this.#size
  }

  get capacity(): number {
    return this.#slots.length
  }

  /** @returns false when there is no room */
  push(item: T): boolean {
    if (this.#size === this.#slots.length) return false
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
