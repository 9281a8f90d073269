import { addDays, type CivilDate, type CivilMonth, type Clock, monthOf, previousMonth } from '../calendar.ts'
import type { LaneJournal } from '../store/lane-journal.ts'
import type { Timing } from '../timing.ts'
import { type Authenticator, authenticateAll } from './authenticator.ts'
import { ClockWatch } from './clock-watch.ts'
import type { HouseholdCache } from './household-cache.ts'
import type { LaneRules } from './lane-rules.ts'
import { type Lookups, lookUp } from './lookups.ts'
import { dependsOnClosing } from './month-closing.ts'
import type { Moment } from './open-batch.ts'
import { Partitions } from './partitions.ts'
import type { RecentKeys } from './recent-keys.ts'
import type { Portion } from './work.ts'

/** Business days in which keys of senders that are ahead are looked for at a start: as far as a clock may be ahead. */
const KEY_DAYS = 3
const nothingPast: Lookups['past'] = new Map()

export interface BatchReaderOptions {
  readonly store: LaneJournal
  readonly cache: HouseholdCache
  readonly recent: RecentKeys
  readonly authenticator: Authenticator
  readonly clock: Clock
  readonly timing: Timing
  readonly matchingDays: number
  readonly rules: LaneRules
  /** Gets what could not be prepared and does not stop the lane. */
  readonly onFault: (error: unknown) => void
}

/** Finds out what a lane needs to know before it decides: from the database where memory lacks it, and by verifying. */
export class BatchReader {
  readonly #options: BatchReaderOptions
  readonly #partitions: Partitions
  readonly #watch: ClockWatch

  constructor(options: BatchReaderOptions) {
    this.#options = options
    this.#watch = new ClockWatch(options.clock, options.timing)
    this.#partitions = new Partitions(options.store, options.clock, options.onFault)
  }

  /**
   * Begins the memory of recent keys, and prepares the day.
   * @param byClock business date by the clock
   * @param day business date of the first batch: later where a day was closed early
   * @throws MizanError STORE_UNAVAILABLE
   */
  async start(byClock: CivilDate, day: CivilDate): Promise<void> {
    const { store, recent, clock } = this.#options
    const since = addDays(byClock, -KEY_DAYS)
    await recent.recall(clock.now(), (from, to, limit) => store.keysWithin(since, from, to, limit))
    await this.#partitions.prepare(day)
  }

  /**
   * What a portion is decided on.
   * @param asksAll whether the journal is asked for every key, whatever memory says
   * @throws MizanError STORE_UNAVAILABLE
   */
  async read(portion: Portion, moment: Moment, asksAll: boolean): Promise<Lookups> {
    const { store, cache, recent, authenticator, matchingDays, clock } = this.#options
    if (this.#watch.wasSet()) recent.distrust(clock.now())
    await this.#partitions.prepare(moment.businessDate)
    const found = await lookUp({ store, cache, recent: asksAll ? undefined : recent, portion, moment, matchingDays })
    const authentications = await authenticateAll(authenticator, portion.works, cache)
    return { ...found, authentications, past: await this.#readPast(portion, moment) }
  }

  /** Wallets of past months, where a household's are to be closed now. */
  async #readPast({ works, chores }: Portion, { entitlementDate }: Moment): Promise<Lookups['past']> {
    const { cache, rules, store } = this.#options
    const last = previousMonth(monthOf(entitlementDate))
    const keys = new Set<string>()
    for (const { kind, householdKey } of chores) {
      if (kind === 'close-months' && householdKey !== undefined) keys.add(householdKey)
    }
    const programmes = rules.programmesOn(entitlementDate)
    for (const { request } of works) if (dependsOnClosing(request, rules, programmes)) keys.add(request.panIndex)
    const due = new Map<number, CivilMonth>()
    for (const key of keys) {
      const household = cache.peek(key)
      if (household !== undefined && household.closedMonth < last) due.set(household.id, household.closedMonth)
    }
    return due.size === 0 ? nothingPast : store.pastWallets(due, last)
  }
}
