import { assert } from '../errors.ts'

const WORDS = 4
const KEY_LENGTH = 16
const EMPTY = -1
/** Part of the table that may be in use before it doubles. */
const LOAD_MAX = 0.6
const SIZE_MIN = 64

/**
 * Whole numbers by 16-byte keys, such as keyed hashes, in typed arrays: hundreds of thousands of keys that live long
 * are two objects to the garbage collector instead of one each. Open addressing with linear probing; the keys end
 * in bits of a hash, which place them. Keys are latin1 strings of 16 characters.
 */
export class KeyTable {
  #words: Int32Array
  #values: Int32Array
  #mask: number
  #size = 0
  #limit: number

  /** @param expected keys to make room for; more may come */
  constructor(expected: number) {
    let slots = SIZE_MIN
    while (slots * LOAD_MAX < expected) slots *= 2
    this.#words = new Int32Array(slots * WORDS)
    this.#values = new Int32Array(slots).fill(EMPTY)
    this.#mask = slots - 1
    this.#limit = Math.floor(slots * LOAD_MAX)
  }

  get size(): number {
    return this.#size
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  get(key: string): number | undefined {
    const value = this.#values[this.#slotOf(key)]
    return value === EMPTY ? undefined : value
  }

  /** @param value not negative, below 2^31 */
  set(key: string, value: number): void {
    assert(value >= 0, 'the values of a key table are not negative')
    let slot = this.#slotOf(key)
    if (this.#values[slot] === EMPTY) {
      if (this.#size >= this.#limit) {
        this.#grow()
        slot = this.#slotOf(key)
      }
      this.#size++
      for (let word = 0; word < WORDS; word++) this.#words[slot * WORDS + word] = wordOf(key, word)
    }
    this.#values[slot] = value
  }

  /** Removes a key; those behind it move up, so that no probe ends early. */
  delete(key: string): void {
    let gap = this.#slotOf(key)
    if (this.#values[gap] === EMPTY) return
    this.#size--
    for (let slot = (gap + 1) & this.#mask; this.#values[slot] !== EMPTY; slot = (slot + 1) & this.#mask) {
      const home = this.#homeOf(this.#words, slot)
      // It may fill the gap unless its home lies behind the gap: then a probe would not come past it.
      if (((slot - home) & this.#mask) < ((slot - gap) & this.#mask)) continue
      this.#words.copyWithin(gap * WORDS, slot * WORDS, (slot + 1) * WORDS)
      this.#values[gap] = this.#values[slot] ?? EMPTY
      gap = slot
    }
    this.#values[gap] = EMPTY
  }

  clear(): void {
    this.#values.fill(EMPTY)
    this.#size = 0
  }

  /** Slot of a key, or the empty one where it would stand. */
  #slotOf(key: string): number {
    assert(key.length === KEY_LENGTH, 'a key of a key table has 16 bytes')
    const first = wordOf(key, 0)
    const second = wordOf(key, 1)
    const third = wordOf(key, 2)
    const fourth = wordOf(key, 3)
    const words = this.#words
    let slot = fourth & this.#mask
    while (this.#values[slot] !== EMPTY) {
      const at = slot * WORDS
      if (words[at] === first && words[at + 1] === second && words[at + 2] === third && words[at + 3] === fourth) break
      slot = (slot + 1) & this.#mask
    }
    return slot
  }

  /** Where the key that stands in a slot of `words` belongs. */
  #homeOf(words: Int32Array, slot: number): number {
    return (words[slot * WORDS + WORDS - 1] ?? 0) & this.#mask
  }

  #grow(): void {
    const words = this.#words
    const values = this.#values
    const slots = values.length * 2
    this.#words = new Int32Array(slots * WORDS)
    this.#values = new Int32Array(slots).fill(EMPTY)
    this.#mask = slots - 1
    this.#limit = Math.floor(slots * LOAD_MAX)
    for (const [old, value] of values.entries()) {
      if (value === EMPTY) continue
      let slot = this.#homeOf(words, old)
      while (this.#values[slot] !== EMPTY) slot = (slot + 1) & this.#mask
      this.#words.set(words.subarray(old * WORDS, (old + 1) * WORDS), slot * WORDS)
      this.#values[slot] = value
    }
  }
}

function wordOf(key: string, word: number): number {
  const at = word * 4
  return (
    key.charCodeAt(at) | (key.charCodeAt(at + 1) << 8) | (key.charCodeAt(at + 2) << 16) | (key.charCodeAt(at + 3) << 24)
  )
}
