/**
 * How far ahead of ours a sender's clock may run before a key must be looked up. A sender further ahead is still caught
 * by the unique index of the journal.
 */
const SKEW_MS = 10_000

/**
 * The duplicate keys that this writer made durable lately. The lane has one writer, so a key whose DE7 lies in the time
 * this memory covers, and which is not in it, was never processed: the database need not be asked. Bounded.
 */
export class RecentKeys {
  readonly #capacity: number
  readonly #seen = new Map<string, number>()
  #coveredFromMs: number

  /** @param nowMs start of the cover: what came before it is not known here */
  constructor(capacity: number, nowMs: number) {
    this.#capacity = capacity
    this.#coveredFromMs = nowMs
  }

  get size(): number {
    return this.#seen.size
  }

  /** Records a key that is durable now. */
  add(key: string, nowMs: number): void {
    this.#seen.set(key, nowMs)
    if (this.#seen.size <= this.#capacity) return
    for (const [oldest, atMs] of this.#seen) {
      this.#seen.delete(oldest)
      this.#coveredFromMs = Math.max(this.#coveredFromMs, atMs)
      break
    }
  }

  /** Whether the journal has to be asked about a key. `transmissionMs` is the instant of its DE7. */
  mustAsk(key: string, transmissionMs: number | undefined, nowMs: number): boolean {
    if (transmissionMs === undefined || this.#seen.has(key)) return true
    return transmissionMs < this.#coveredFromMs + SKEW_MS || transmissionMs > nowMs + SKEW_MS
  }

  /** Forgets everything: from now on the journal is asked until the cover has grown again. */
  reset(nowMs: number): void {
    this.#seen.clear()
    this.#coveredFromMs = nowMs
  }
}
