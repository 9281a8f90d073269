import { cairoOffsetMs, minutesOfTime } from '../calendar.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../time-units.ts'

/** When messages rest, and how long one waits after it failed. */

/** Hours of rest in Cairo, `22:00` to `08:00`; the same twice = never. */
export interface QuietHours {
  readonly from: string
  readonly to: string
}

/**
 * How long from an instant until the hours of rest are over: 0 when they are not. Right also in the nights when Cairo
 * changes its clocks.
 * @param instantMs milliseconds since 1970 UTC
 */
export function quietForMs(instantMs: number, { from, to }: QuietHours): number {
  const begin = minutesOfTime(from)
  const end = minutesOfTime(to)
  const offsetMs = cairoOffsetMs(instantMs)
  const localMs = (instantMs + offsetMs) % DAY_MS
  const minute = Math.floor(localMs / MINUTE_MS)
  const isQuiet = begin <= end ? minute >= begin && minute < end : minute >= begin || minute < end
  if (!isQuiet) return 0
  const waitMs = (((end * MINUTE_MS - localMs) % DAY_MS) + DAY_MS) % DAY_MS
  // Midnight comes an hour early or late when the clocks change meanwhile.
  return Math.max(0, waitMs + offsetMs - cairoOffsetMs(instantMs + waitMs))
}

/** How failures are repeated. */
export interface RetryPolicy {
  /** Sendings of a message in all. */
  readonly attempts: number
  readonly firstRetryMs: number
  readonly longestRetryMs: number
}

/**
 * Wait before the next sending: doubles with each one that failed, with half of it left to chance so that a provider
 * that comes back is not met by all at once.
 * @param failed sendings that failed so far, from 1
 * @param chance 0 to 1
 * @param wantedMs what the provider asked for (Retry-After), taken up to the longest wait
 */
export function retryDelayMs(policy: RetryPolicy, failed: number, chance: number, wantedMs = 0): number {
  const full = Math.min(policy.longestRetryMs, policy.firstRetryMs * 2 ** Math.min(failed - 1, 30))
  const jittered = full / 2 + (full / 2) * chance
  return Math.round(Math.max(jittered, Math.min(wantedMs, policy.longestRetryMs)))
}

/** Whether a message is too old to be news. */
export function isStale(createdAtMs: number, staleAfterHours: number, nowMs: number): boolean {
  return nowMs - createdAtMs > staleAfterHours * HOUR_MS
}
