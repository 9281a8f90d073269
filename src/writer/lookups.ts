import type { Authentication } from '../authorization/authentication.ts'
import type { StoredAuthorization } from '../authorization/decision.ts'
import { earlyKeysOf } from '../authorization/early-keys.ts'
import { isStored, storedAtMs } from '../authorization/offline.ts'
import type { AuthorizationRequest } from '../authorization/request.ts'
import { transactionTypes } from '../authorization/routing.ts'
import { addDays, type CivilDate, civilDate, monthOf, transmissionInstant } from '../calendar.ts'
import type { Balance } from '../ledger/transfer.ts'
import type { LaneJournal } from '../store/lane-journal.ts'
import type { NumberedQuery, OriginalQuery, Prefetched, StoredQuery } from '../store/prefetch.ts'
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
  const { store, cache, recent } = options
  const { works, chores } = options.portion
  const { atMs: nowMs, entitlementDate } = options.moment
  const month = monthOf(entitlementDate)
  const panIndexes = new Set<string>()
  const keys: string[] = []
  const originals: OriginalQuery[] = []
  const stored: StoredQuery[] = []
  const asking: Work[] = []
  const span = new JournalSpan(options.moment, options.matchingDays)
  const householdIds = new Set<number>()
  const byId: NumberedQuery[] = []
  for (const chore of chores) {
    const { householdKey: key, cardlessId } = chore
    if (chore.kind === 'command' && chore.presentment !== undefined) {
      const { request, original } = chore.presentment
      // Nobody waits for it: the journal is asked, whatever memory says.
      keys.push(request.key)
      span.reach(transmissionInstant(request.transmission, nowMs))
      if (original !== undefined) byId.push(original)
    }
    if (key === undefined || cache.has(key, month)) continue
    if (cardlessId === undefined) panIndexes.add(key)
    else householdIds.add(cardlessId)
  }
  for (const work of works) {
    const { request } = work
    if (request.fault === undefined && !cache.has(request.panIndex, month)) panIndexes.add(request.panIndex)
    const transmittedMs = transmissionInstant(request.transmission, nowMs)
    const earlyKeys = () => (isReversal(request) ? [] : earlyKeysOf(request))
    if (recent?.mustAsk(request.key, transmittedMs, nowMs) !== false || recent.hasAny(earlyKeys)) {
      keys.push(request.key, ...earlyKeys())
      span.reach(transmittedMs)
    }
    if (!needsOriginal(request)) continue
    const { original } = request
    span.reach(original === undefined ? undefined : transmissionInstant(original.transmission, nowMs))
    const { originalKey: key, panIndex, networkReference, rrn, acceptor, terminal } = request
    if (isStored(request)) stored.push(storedQueryOf(request, options.moment, options.matchingDays))
    const amount = isReversal(request) ? request.amountPiasters : undefined
    const isRefund = request.transactionType === transactionTypes.refund
    const completes = !isReversal(request) && !isRefund
    const returned = isRefund && request.messageClass === 'financial-advice' ? request.amountPiasters : undefined
    originals.push({ key, panIndex, networkReference, rrn, acceptor, terminal, amount, completes, returned })
    asking.push(work)
  }
  if (panIndexes.size === 0 && householdIds.size === 0 && keys.length === 0 && originals.length === 0) return nothing
  const { since } = span
  const wanted = { panIndexes: [...panIndexes], householdIds: [...householdIds] }
  const found = await store.prefetch({ entitlementDate, since, ...wanted, keys, originals, stored, byId })
  for (const loaded of found.households) cache.add(loaded, month)
  const originalOf = new Map<Work, StoredAuthorization>()
  for (const [ordinal, work] of asking.entries()) {
    const original = found.originals.get(ordinal)
    if (original !== undefined) originalOf.set(work, original)
  }
  return { previous: found.previous, reversedEarly: found.reversedEarly, originals: originalOf, byId: found.byId }
}

/** It cannot have come before it was made, as far as clocks can be trusted. */
function storedQueryOf(request: AuthorizationRequest, moment: Moment, matchingDays: number): StoredQuery {
  const span = new JournalSpan(moment, matchingDays)
  span.reach(storedAtMs(request, moment.atMs))
  const { key, panIndex, terminal, contentHash } = request
  return { key, panIndex, terminal, contentHash, since: span.since }
}
