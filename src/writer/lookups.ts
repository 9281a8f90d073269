import type { Authentication } from '../authorization/authentication.ts'
import type { StoredAuthorization } from '../authorization/decision.ts'
import { earlyKeysOf } from '../authorization/early-keys.ts'
import { isStored, storedAtMs } from '../authorization/offline.ts'
import type { AuthorizationRequest } from '../authorization/request.ts'
import { transactionTypes } from '../authorization/routing.ts'
import { addDays, type CivilDate, type CivilMonth, civilDate, monthOf, transmissionInstant } from '../calendar.ts'
import type { Balance } from '../ledger/transfer.ts'
import type { LaneJournal } from '../store/lane-journal.ts'
import type { NumberedQuery, OriginalQuery, Prefetched, PrefetchQuery, StoredQuery } from '../store/prefetch.ts'
import type { Chore } from './chores.ts'
import type { HouseholdCache } from './household-cache.ts'
import type { Moment } from './open-batch.ts'
import type { RecentKeys } from './recent-keys.ts'
import { isReversal, needsOriginal, type Portion, type Work } from './work.ts'

/** What a batch needed to know, beside the cache: firsts of repeats, early reversals, originals by request. */
export interface Lookups {
  readonly previous: Prefetched['previous']
  readonly reversedEarly: Prefetched['reversedEarly']
  readonly originals: ReadonlyMap<Work, StoredAuthorization>
  /** Authorizations that presentments of a clearing file were matched to, by number. */
  readonly byId: Prefetched['byId']
  /** Of those that bring something to verify. */
  readonly authentications: ReadonlyMap<Work, Authentication>
  /** Wallets of past months that are to be closed first, by household. */
  readonly past: ReadonlyMap<number, readonly Balance[]>
}

type Found = Omit<Lookups, 'authentications' | 'past'>

const nothing: Found = { previous: new Map(), reversedEarly: new Set(), originals: new Map(), byId: new Map() }

/** Days by which a sender's clock may be ahead of ours before its earlier messages are no longer found. */
const CLOCK_AHEAD_DAYS = 3

/** How far back the journal is searched: each business date has its own partitions, so a short span is a cheap one. */
class JournalSpan {
  since: CivilDate
  readonly #oldest: CivilDate
  readonly #today: CivilDate

  constructor({ businessDate, entitlementDate }: Moment, matchingDays: number) {
    this.since = businessDate
    this.#oldest = addDays(businessDate, -matchingDays)
    this.#today = entitlementDate
  }

  /** Makes the span reach what was sent at an instant, or at an unknown one. */
  reach(transmittedMs: number | undefined): void {
    const sent = transmittedMs === undefined ? this.#oldest : civilDate(transmittedMs)
    const first = addDays(sent < this.#today ? sent : this.#today, -CLOCK_AHEAD_DAYS)
    if (first < this.since) this.since = first < this.#oldest ? this.#oldest : first
  }
}

/**
 * Reads what a portion lacks, in one query, or not at all when memory has everything: households that are not cached,
 * keys that the memory of recent keys cannot vouch for, originals of reversals and refunds. Loaded households go into
 * the cache.
 */
export async function lookUp(options: {
  readonly store: LaneJournal
  readonly cache: HouseholdCache
  /** Absent: the journal is asked for every key. */
  readonly recent: RecentKeys | undefined
  readonly portion: Portion
  readonly moment: Moment
  readonly matchingDays: number
}): Promise<Found> {
  const { store, cache, portion } = options
  const { entitlementDate } = options.moment
  const asked = new Asked(options)
  for (const chore of portion.chores) asked.addChore(chore)
  for (const work of portion.works) asked.addWork(work)
  if (asked.isEmpty) return nothing
  const found = await store.prefetch(asked.query())
  for (const loaded of found.households) cache.add(loaded, monthOf(entitlementDate))
  const originals = new Map<Work, StoredAuthorization>()
  for (const [ordinal, work] of asked.naming.entries()) {
    const original = found.originals.get(ordinal)
    if (original !== undefined) originals.set(work, original)
  }
  return { previous: found.previous, reversedEarly: found.reversedEarly, originals, byId: found.byId }
}

/** What a portion lacks. */
class Asked {
  /** Requests whose originals are asked for, in the order of the query. */
  readonly naming: Work[] = []
  readonly #cache: HouseholdCache
  readonly #recent: RecentKeys | undefined
  readonly #moment: Moment
  readonly #matchingDays: number
  readonly #month: CivilMonth
  readonly #span: JournalSpan
  readonly #panIndexes = new Set<string>()
  readonly #householdIds = new Set<number>()
  readonly #keys: string[] = []
  readonly #originals: OriginalQuery[] = []
  readonly #stored: StoredQuery[] = []
  readonly #byId: NumberedQuery[] = []

  constructor({ cache, recent, moment, matchingDays }: Parameters<typeof lookUp>[0]) {
    this.#cache = cache
    this.#recent = recent
    this.#moment = moment
    this.#matchingDays = matchingDays
    this.#month = monthOf(moment.entitlementDate)
    this.#span = new JournalSpan(moment, matchingDays)
  }

  /** Whether memory has everything. */
  get isEmpty(): boolean {
    const households = this.#panIndexes.size + this.#householdIds.size
    return households === 0 && this.#keys.length === 0 && this.#originals.length === 0
  }

  addChore(chore: Chore): void {
    const { householdKey: key, cardlessId } = chore
    if (chore.kind === 'command' && chore.presentment !== undefined) {
      const { request, original } = chore.presentment
      // Nobody waits for it: the journal is asked, whatever memory says.
      this.#keys.push(request.key)
      this.#span.reach(transmissionInstant(request.transmission, this.#moment.atMs))
      if (original !== undefined) this.#byId.push(original)
    }
    if (key === undefined || this.#cache.has(key, this.#month)) return
    if (cardlessId === undefined) this.#panIndexes.add(key)
    else this.#householdIds.add(cardlessId)
  }

  addWork(work: Work): void {
    const { request } = work
    const { panIndex } = request
    if (request.fault === undefined && !this.#cache.has(panIndex, this.#month)) this.#panIndexes.add(panIndex)
    const { atMs } = this.#moment
    const transmittedMs = transmissionInstant(request.transmission, atMs)
    const earlyKeys = () => (isReversal(request) ? [] : earlyKeysOf(request))
    const recent = this.#recent
    if (recent?.mustAsk(request.key, transmittedMs, atMs) !== false || recent.hasAny(earlyKeys)) {
      this.#keys.push(request.key, ...earlyKeys())
      this.#span.reach(transmittedMs)
    }
    if (!needsOriginal(request)) return
    const { original } = request
    this.#span.reach(original === undefined ? undefined : transmissionInstant(original.transmission, atMs))
    this.#originals.push(originalQueryOf(request))
    this.naming.push(work)
    if (isStored(request)) this.#stored.push(storedQueryOf(request, this.#moment, this.#matchingDays))
  }

  query(): PrefetchQuery {
    return {
      entitlementDate: this.#moment.entitlementDate,
      since: this.#span.since,
      panIndexes: [...this.#panIndexes],
      householdIds: [...this.#householdIds],
      keys: this.#keys,
      originals: this.#originals,
      stored: this.#stored,
      byId: this.#byId,
    }
  }
}

function originalQueryOf(request: AuthorizationRequest): OriginalQuery {
  const { originalKey: key, panIndex, networkReference, rrn, acceptor, terminal, amountPiasters } = request
  const isRefund = request.transactionType === transactionTypes.refund
  const isBack = isReversal(request)
  return {
    ...{ key, panIndex, networkReference, rrn, acceptor, terminal },
    amount: isBack ? amountPiasters : undefined,
    completes: !isBack && !isRefund,
    returned: isRefund && request.messageClass === 'financial-advice' ? amountPiasters : undefined,
  }
}

/** It cannot have come before it was made, as far as clocks can be trusted. */
function storedQueryOf(request: AuthorizationRequest, moment: Moment, matchingDays: number): StoredQuery {
  const span = new JournalSpan(moment, matchingDays)
  span.reach(storedAtMs(request, moment.atMs))
  const { key, panIndex, terminal, contentHash } = request
  return { key, panIndex, terminal, contentHash, since: span.since }
}
