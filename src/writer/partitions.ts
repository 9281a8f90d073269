import type { CivilDate, Clock } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import type { LaneJournal } from '../store/lane-journal.ts'

/**
 * The day itself and two more. Few: each look-up of the journal that does not know its day sets out for those to come
 * too.
 */
const DAYS_AHEAD = 3
const RETRY_MS = 60_000

/**
 * Keeps the journal's partitions ahead of the business date. Each day makes that of the day after next, so an attempt
 * that finds the journal locked by a long query costs nothing: it is made again a minute later.
 */
export class Partitions {
  readonly #store: LaneJournal
  readonly #clock: Clock
  readonly #onRefused: (error: MizanError) => void
  /** Last date on which nothing needs to be done. */
  #preparedUntil = 0
  #retryAtMs = 0

  constructor(store: LaneJournal, clock: Clock, onRefused: (error: MizanError) => void) {
    this.#store = store
    this.#clock = clock
    this.#onRefused = onRefused
  }

  /** Called with each batch's business date. @throws MizanError STORE_UNAVAILABLE */
  async prepare(day: CivilDate): Promise<void> {
    if (day <= this.#preparedUntil || this.#clock.now() < this.#retryAtMs) return
    const refused = await this.#store.ensurePartitions(day, DAYS_AHEAD)
    if (refused === undefined) {
      this.#preparedUntil = day
      return
    }
    this.#retryAtMs = this.#clock.now() + RETRY_MS
    this.#onRefused(new MizanError('STORE_REJECTED', `partitions from ${day}: ${refused}`))
  }
}
