/** Finds the lanes of cards in the store. */
export type LaneLookup = (panIndexes: readonly string[]) => Promise<ReadonlyMap<string, number>>

const REMEMBERED_MAX = 1_000_000
const WAITING_MAX = 8_192
const LOOKUP_MAX = 512

interface Waiting {
  readonly panIndex: string
  readonly found: (lane: number | undefined) => void
}

/**
 * Which lane a card's household belongs to, where there is more than one lane. Asks the store for what it does not
 * know, many cards at once and one query at a time; a card's lane never changes, so answers are remembered.
 */
export class CardDirectory {
  readonly #lookup: LaneLookup
  readonly #lanes = new Map<string, number>()
  #waiting: Waiting[] = []
  #asking = false

  constructor(lookup: LaneLookup) {
    this.#lookup = lookup
  }

  /**
   * Calls back with the lane, at once when it is known; with undefined when the store does not answer or too many
   * wait. A card that nobody issued belongs to lane 0, which declines it.
   */
  find(panIndex: string, found: (lane: number | undefined) => void): void {
    const known = this.#lanes.get(panIndex)
    if (known !== undefined || this.#waiting.length >= WAITING_MAX) {
      found(known)
      return
    }
    this.#waiting.push({ panIndex, found })
    if (!this.#asking) void this.#ask()
  }

  async #ask(): Promise<void> {
    this.#asking = true
    while (this.#waiting.length > 0) {
      const asked = this.#waiting.slice(0, LOOKUP_MAX)
      this.#waiting = this.#waiting.slice(LOOKUP_MAX)
      let lanes: ReadonlyMap<string, number> | undefined
      try {
        lanes = await this.#lookup([...new Set(asked.map((waiting) => waiting.panIndex))])
      } catch {
        lanes = undefined
      }
      for (const { panIndex, found } of asked) {
        const lane = lanes?.get(panIndex)
        if (lane !== undefined) this.#remember(panIndex, lane)
        found(lanes === undefined ? undefined : (lane ?? 0))
      }
    }
    this.#asking = false
  }

  #remember(panIndex: string, lane: number): void {
    if (this.#lanes.size >= REMEMBERED_MAX) this.#lanes.clear()
    this.#lanes.set(panIndex, lane)
  }
}
