/**
 * A seeded generator (xoshiro128**): the same sequence on every machine. Not for secrets. Each concern of a simulation
 * draws from a fork of its own, so that switching one kind of fault off leaves what the others do as it was.
 */
export class Chance {
  readonly #seed: number
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number) {
    this.#seed = seed
    let state = (seed ^ Math.floor(seed / 0x1_0000_0000)) >>> 0
    const split = () => {
      state = (state + 0x9e3779b9) >>> 0
      let mixed = state
      mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
      return (mixed ^ (mixed >>> 15)) >>> 0
    }
    this.#a = split()
    this.#b = split()
    this.#c = split()
    this.#d = split()
  }

  /** A generator for one concern, by its name. */
  fork(name: string): Chance {
    let mixed = 0x811c9dc5
    for (let index = 0; index < name.length; index++) mixed = Math.imul(mixed ^ name.charCodeAt(index), 0x01000193)
    return new Chance((this.#seed * 0x1_0000 + (mixed >>> 8)) % Number.MAX_SAFE_INTEGER)
  }

  /** A number from 0 up to, not including, 1. */
  next(): number {
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = rotate(this.#d, 11)
    return result / 0x1_0000_0000
  }

  /** Whether something of this probability happens. */
  happens(probability: number): boolean {
    return this.next() < probability
  }

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  /** A number between two bounds, as likely in each power of ten. */
  spread(low: number, high: number): number {
    return low * (high / low) ** this.next()
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.next() * items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  /** Picks by weight. */
  weighted<K extends string>(weights: Readonly<Partial<Record<K, number>>>): K {
    const entries = Object.entries(weights) as [K, number][]
    let at = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of entries) {
      at -= weight
      if (at < 0) return key
    }
    return (entries.at(-1) as [K, number])[0]
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.integer(0, 255)))
  }
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}
