import type { WalletProgramme } from '../benefit/programme.ts'
import { type CivilDate, civilDate, civilInstant, firstDay, monthOf, transmissionInstant } from '../calendar.ts'
import { type Household, OFFLINE_COUNTER, usageCounter, usedOf } from '../card/household.ts'
import { HOUR_MS } from '../time-units.ts'
import type { Decision, DecisionContext, DecisionDraft } from './decision.ts'
import type { AuthorizationRequest } from './request.ts'

/** A draw that a terminal made on its own, and sends now. */
export interface OfflineDraw {
  readonly drawnAtMs: number
  /** Its day, of the current month: one of the month before counts on the first. */
  readonly date: CivilDate
}

/** Whether a message is what a terminal did on its own, and sends now: a 0220 with DE48 FL. */
export function isStored({ offlineSequence, messageClass }: AuthorizationRequest): boolean {
  return offlineSequence !== undefined && messageClass === 'financial-advice'
}

/** When a stored message was made. */
export function storedAtMs({ localTime, transmission }: AuthorizationRequest, nowMs: number): number {
  return civilInstant(localTime, nowMs) ?? transmissionInstant(transmission, nowMs) ?? nowMs
}

/** What a message says of a draw made offline; undefined for every other message. */
export function offlineDrawOf(request: AuthorizationRequest, context: DecisionContext): OfflineDraw | undefined {
  if (!isStored(request)) return undefined
  const { nowMs, entitlementDate } = context
  const drawnAtMs = storedAtMs(request, nowMs)
  const first = firstDay(monthOf(entitlementDate))
  const day = civilDate(drawnAtMs)
  // A terminal's clock may be ahead of ours.
  return { drawnAtMs, date: day < first ? first : day > entitlementDate ? entitlementDate : day }
}

/**
 * The caps of offline draws (product.md, "offline draws"): a programme allows so many units a day, and takes them for
 * so many hours.
 * @param amount in the programme's unit
 */
export function checkOffline(
  { drawnAtMs, date }: OfflineDraw,
  programme: WalletProgramme,
  household: Household,
  amount: number,
  draft: DecisionDraft,
): Decision | undefined {
  const { offline } = programme
  if (offline === undefined) return draft.decline('amount-limit', 'offline.none', programme.code)
  const { perDay, withinHours } = offline
  const hours = Math.floor((draft.context.nowMs - drawnAtMs) / HOUR_MS)
  if (draft.context.nowMs - drawnAtMs > withinHours * HOUR_MS) {
    return draft.decline('amount-limit', 'offline.late', hours, withinHours)
  }
  const used = usedOf(household, counterOf(programme), date)
  if (used + amount > perDay) return draft.decline('amount-limit', 'offline.over', used, amount, perDay)
  draft.note('offline.draw', date, used, amount, perDay)
  return undefined
}

/** Counts a draw against the day's cap on offline draws. */
export function countOffline(
  { date }: OfflineDraw,
  programme: WalletProgramme,
  amount: number,
  draft: DecisionDraft,
): void {
  draft.use(counterOf(programme), date, amount)
}

function counterOf({ number }: WalletProgramme): number {
  return usageCounter(number, OFFLINE_COUNTER)
}
