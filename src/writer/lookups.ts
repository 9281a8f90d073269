import { addDays, type CivilDate, monthOf, transmissionInstant } from '../calendar.ts'
import type { LaneStore } from '../store/lane-store.ts'
import type { OriginalQuery, Prefetched } from '../store/prefetch.ts'
import type { DueHold } from './hold-sweeper.ts'
import type { HouseholdCache } from './household-cache.ts'
import type { RecentKeys } from './recent-keys.ts'
import { isReversal, needsOriginal, type Work } from './work.ts'

/** What a batch needed to know, beside the cache: firsts of repeats, early reversals, originals by request. */
export interface Lookups {
  readonly previous: Prefetched['previous']
  readonly reversedEarly: Prefetched['reversedEarly']
  readonly originals: ReadonlyMap<Work, Prefetched['previous'] extends ReadonlyMap<string, infer T> ? T : never>
}

const nothing: Lookups = { previous: new Map(), reversedEarly: new Set(), originals: new Map() }

/**
 * Reads what a batch lacks, in one query, or not at all when memory has everything: households that are not cached,
 * keys that the memory of recent keys cannot vouch for, originals of reversals and refunds. Loaded households go into
 * the cache.
 */
export async function lookUp(options: {
  readonly store: LaneStore
  readonly cache: HouseholdCache
  readonly recent: RecentKeys
  readonly works: readonly Work[]
  readonly dueHolds: readonly DueHold[]
  readonly nowMs: number
  readonly entitlementDate: CivilDate
  readonly businessDate: CivilDate
  readonly matchingDays: number
}): Promise<Lookups> {
  const { store, cache, recent, works, nowMs, entitlementDate } = options
  const month = monthOf(entitlementDate)
  const panIndexes = new Set<string>()
  const keys: string[] = []
  const originals: OriginalQuery[] = []
  const asking: Work[] = []
  for (const { panIndex } of options.dueHolds) if (!cache.has(panIndex, month)) panIndexes.add(panIndex)
  for (const work of works) {
    const { request } = work
    if (request.fault === undefined && !cache.has(request.panIndex, month)) panIndexes.add(request.panIndex)
    const transmittedMs = transmissionInstant(request.transmission, nowMs)
    if (recent.mustAsk(request.key, transmittedMs, nowMs)) keys.push(request.key)
    if (!needsOriginal(request)) continue
    const { originalKey: key, panIndex, networkReference, rrn, acceptor, terminal } = request
    const amount = isReversal(request) ? request.amountPiasters : undefined
    originals.push({ key, panIndex, networkReference, rrn, acceptor, terminal, amount })
    asking.push(work)
  }
  if (panIndexes.size === 0 && keys.length === 0 && originals.length === 0) return nothing
  const since = addDays(options.businessDate, -options.matchingDays)
  const found = await store.prefetch({ entitlementDate, since, panIndexes: [...panIndexes], keys, originals })
  for (const loaded of found.households) cache.add(loaded, month)
  const originalOf = new Map<Work, NonNullable<ReturnType<typeof found.originals.get>>>()
  for (const [ordinal, work] of asking.entries()) {
    const original = found.originals.get(ordinal)
    if (original !== undefined) originalOf.set(work, original)
  }
  return { previous: found.previous, reversedEarly: found.reversedEarly, originals: originalOf }
}
