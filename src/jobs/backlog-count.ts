import type { KeptConnection } from '../store/kept-connection.ts'
import { type DeliveryBacklog, readBacklog } from '../store/notification-delivery.ts'

const EVERY_MS = 5_000
/** Messages counted at once: to count all of a large backlog takes as long as some dozens of batches of a lane. */
const PART_MAX = 5_000

/** Counts what waits to be sent, a part at each look and all of it every few seconds. */
export class BacklogCount {
  readonly #max: number
  readonly #partMax: number
  #countedAtMs = Number.NEGATIVE_INFINITY
  #soFar: DeliveryBacklog = { waiting: 0 }

  /** @param max counts no further than one more than this */
  constructor(max: number, partMax = PART_MAX) {
    this.#max = max
    this.#partMax = partMax
  }

  /** Counts the next part. @returns the whole count when this was its last part; undefined otherwise */
  async step(connection: KeptConnection): Promise<DeliveryBacklog | undefined> {
    const before = this.#soFar
    if (before.last === undefined && performance.now() - this.#countedAtMs < EVERY_MS) return undefined
    const limit = Math.min(this.#partMax, this.#max + 1 - before.waiting)
    const part = await connection.use((client) => readBacklog(client, before.last, limit))
    const waiting = before.waiting + part.waiting
    const soFar = { ...part, waiting, oldestAtMs: before.oldestAtMs ?? part.oldestAtMs }
    if (part.waiting === limit && waiting <= this.#max) {
      this.#soFar = soFar
      return undefined
    }
    this.#soFar = { waiting: 0 }
    this.#countedAtMs = performance.now()
    return soFar
  }
}
