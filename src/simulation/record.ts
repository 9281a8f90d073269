import { createHash, type Hash } from 'node:crypto'

/** Lines that are kept of what happened last. */
const KEPT = 80

/**
 * What happened in a simulation, in order: hashed, so that two runs of a seed can be compared, and the end of it kept
 * in words, so that a failure can be read.
 */
export class EventRecord {
  readonly #hash: Hash = createHash('sha256')
  readonly #nowMs: () => number
  readonly #onEvent: ((line: string) => void) | undefined
  #last: string[] = []
  #count = 0

  /** @param onEvent gets every line, for a trace */
  constructor(nowMs: () => number, onEvent?: (line: string) => void) {
    this.#nowMs = nowMs
    this.#onEvent = onEvent
  }

  get count(): number {
    return this.#count
  }

  /** The last lines. */
  get last(): readonly string[] {
    return this.#last.slice(-KEPT)
  }

  note(what: string): void {
    const line = `${this.#nowMs().toFixed(3).padStart(12)} ${what}`
    this.#hash.update(line).update('\n')
    this.#count++
    this.#last.push(line)
    if (this.#last.length >= 2 * KEPT) this.#last = this.#last.slice(-KEPT)
    this.#onEvent?.(line)
  }

  /** Hash of all lines; nothing can be noted after it. */
  digest(): string {
    return this.#hash.digest('hex')
  }
}

/** A promise that does not hold, found by a check. */
export class Violation extends Error {
  readonly promise: string

  constructor(promise: string, detail: string) {
    super(`${promise}: ${detail}`)
    this.name = 'Violation'
    this.promise = promise
  }
}
