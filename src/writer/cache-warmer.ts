import { type CivilDate, monthOf } from '../calendar.ts'
import type { LaneJournal } from '../store/lane-journal.ts'
import type { HouseholdCache } from './household-cache.ts'

/** Few enough that a request which arrives meanwhile waits a millisecond or two. */
const CHUNK_HOUSEHOLDS = 24
/** Part of the cache that warming may fill; the rest is for whoever comes. */
const FILL_SHARE = 0.9

/**
 * Fills an empty memory while the lane has nothing else to do, so that after a start the first message of a card does
 * not wait for its household. It runs in the lane's own turn, between batches: what it reads is never behind a commit.
 */
export class CacheWarmer {
  readonly #store: LaneJournal
  readonly #cache: HouseholdCache
  readonly #fillUpTo: number
  readonly #onProgress: (households: number, filling: boolean) => void
  /** Last household read; undefined when nothing is to be read. */
  #after: number | undefined

  /** @param onProgress told of the households in memory, and whether more will be read */
  constructor(
    store: LaneJournal,
    cache: HouseholdCache,
    capacity: number,
    onProgress: (households: number, filling: boolean) => void,
  ) {
    this.#store = store
    this.#cache = cache
    this.#fillUpTo = Math.floor(capacity * FILL_SHARE)
    this.#onProgress = onProgress
  }

  get done(): boolean {
    return this.#after === undefined
  }

  /** Gives up: the memory fills by use. */
  stop(): void {
    this.#moveTo(undefined)
  }

  /** Begins with the first household: at the start of the lane, and again when the memory was cleared. */
  begin(): void {
    this.#moveTo(0)
  }

  /** Loads the next few households. @throws MizanError STORE_UNAVAILABLE */
  async step(today: CivilDate): Promise<void> {
    if (this.#after === undefined) return
    const loaded = await this.#store.loadAfter(this.#after, CHUNK_HOUSEHOLDS, today)
    for (const household of loaded) this.#cache.add(household, monthOf(today))
    const full = this.#cache.size >= this.#fillUpTo
    this.#moveTo(loaded.length < CHUNK_HOUSEHOLDS || full ? undefined : loaded.at(-1)?.id)
  }

  #moveTo(after: number | undefined): void {
    this.#after = after
    this.#onProgress(this.#cache.size, !this.done)
  }
}
