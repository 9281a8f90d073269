const MANTISSA_BITS = 7
const SUB_BUCKETS = 1 << MANTISSA_BITS
const MICROSECONDS_MAX = 0xffff_ffff
const BUCKETS = (32 - MANTISSA_BITS + 1) * SUB_BUCKETS

/**
 * Latencies in microseconds, in buckets that grow with the value: 128 to each power of two, so a percentile is exact to
 * 0.8 %. Recording costs some nanoseconds and never allocates.
 */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS)
  #total = 0
  #max = 0
  #sum = 0

  get count(): number {
    return this.#total
  }

  /** Largest value recorded, exact. */
  get max(): number {
    return this.#max
  }

  get mean(): number {
    return this.#total === 0 ? 0 : this.#sum / this.#total
  }

  record(microseconds: number): void {
    const value = microseconds <= 0 ? 0 : microseconds >= MICROSECONDS_MAX ? MICROSECONDS_MAX : Math.floor(microseconds)
    const index = bucketOf(value)
    this.#counts[index] = (this.#counts[index] as number) + 1
    this.#total += 1
    this.#sum += value
    if (value > this.#max) this.#max = value
  }

  /** Adds all values of another histogram. */
  add(other: Histogram): void {
    for (let index = 0; index < BUCKETS; index++) {
      this.#counts[index] = (this.#counts[index] as number) + (other.#counts[index] as number)
    }
    this.#total += other.#total
    this.#sum += other.#sum
    this.#max = Math.max(this.#max, other.#max)
  }

  /** The value that a share of all values does not exceed: the upper edge of its bucket, at most the maximum. */
  percentile(share: number): number {
    if (this.#total === 0) return 0
    const rank = Math.max(1, Math.ceil(share * this.#total))
    let seen = 0
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.#counts[index] as number
      if (seen >= rank) return Math.min(this.#max, upperEdge(index))
    }
    return this.#max
  }
}

function bucketOf(value: number): number {
  if (value < SUB_BUCKETS) return value
  const shift = 31 - Math.clz32(value) - MANTISSA_BITS
  return (shift + 1) * SUB_BUCKETS + ((value >>> shift) - SUB_BUCKETS)
}

function upperEdge(index: number): number {
  if (index < SUB_BUCKETS) return index
  const shift = Math.floor(index / SUB_BUCKETS) - 1
  return ((index % SUB_BUCKETS) + SUB_BUCKETS + 1) * 2 ** shift - 1
}
