import type { Card, Household } from '../card/household.ts'
import type { LoadedHousehold } from '../store/prefetch.ts'

interface Entry extends LoadedHousehold {
  /** Month (yyyymm) whose balances were loaded. */
  readonly month: number
}

/** A card and its household. */
export interface CachedCard {
  readonly card: Card
  readonly household: Household
}

/**
 * Households in memory, least recently used out first. What it holds equals the database: it changes only with batches,
 * and a household whose batch failed is dropped.
 */
export class HouseholdCache {
  readonly #capacity: number
  readonly #byId = new Map<number, Entry>()
  readonly #idByPanIndex = new Map<string, number>()
  #hits = 0
  #misses = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#byId.size
  }

  /** Hits and misses since the last call. */
  takeCounts(): { cacheHits: number; cacheMisses: number } {
    const counts = { cacheHits: this.#hits, cacheMisses: this.#misses }
    this.#hits = 0
    this.#misses = 0
    return counts
  }

  /** Whether a card can be served from memory in this month. Counts a hit or a miss. */
  has(panIndex: string, month: number): boolean {
    const id = this.#idByPanIndex.get(panIndex)
    const entry = id === undefined ? undefined : this.#byId.get(id)
    if (entry !== undefined && entry.month !== month) this.drop(entry.household.id)
    const found = entry !== undefined && entry.month === month
    if (found) this.#hits++
    else this.#misses++
    return found
  }

  /** The card and its household, marked as used. */
  get(panIndex: string): CachedCard | undefined {
    const id = this.#idByPanIndex.get(panIndex)
    if (id === undefined) return undefined
    const entry = this.#byId.get(id)
    const card = entry?.cardsByPanIndex.get(panIndex)
    if (entry === undefined || card === undefined) return undefined
    this.#byId.delete(id)
    this.#byId.set(id, entry)
    return { card, household: entry.household }
  }

  /** Takes a loaded household in. One that is here already stays as it is: it may be ahead of what was read. */
  add(loaded: LoadedHousehold, month: number): void {
    const { id } = loaded.household
    if (this.#byId.has(id)) return
    this.#byId.set(id, { ...loaded, month })
    for (const panIndex of loaded.cardsByPanIndex.keys()) this.#idByPanIndex.set(panIndex, id)
  }

  /** Makes room. Called between batches, so that nothing a batch works on disappears under it. */
  trim(): void {
    while (this.#byId.size > this.#capacity) {
      for (const id of this.#byId.keys()) {
        this.drop(id)
        break
      }
    }
  }

  /** Forgets a household; its next message loads it again. */
  drop(id: number): void {
    const entry = this.#byId.get(id)
    if (entry === undefined) return
    this.#byId.delete(id)
    for (const panIndex of entry.cardsByPanIndex.keys()) this.#idByPanIndex.delete(panIndex)
  }

  clear(): void {
    this.#byId.clear()
    this.#idByPanIndex.clear()
  }
}
