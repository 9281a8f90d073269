import type { CivilDate } from '../calendar.ts'
import type { CardStatus } from './household.ts'
import type { OrderReason } from './issuance.ts'
import { addWorkingDays, type WorkingCalendar } from './working-days.ts'

/** What a person may report of a card. */
export const reportKinds = ['loss', 'theft', 'damage'] as const
export type ReportKind = (typeof reportKinds)[number]

/** What a replacement costs and how fast it is made, from a date on. */
export interface ReplacementTerms {
  readonly from: CivilDate
  /** 300 pounds since the beginning; the first card is free (RU-7, RU-8). */
  readonly feePiasters: number
  /** Working days until it is printed: 10 (RU-8). */
  readonly workingDays: number
}

/** The terms that hold on a date; undefined before the first. */
export function replacementTermsOn(terms: readonly ReplacementTerms[], date: CivilDate): ReplacementTerms | undefined {
  return terms.filter(({ from }) => from <= date).toSorted((a, b) => b.from - a.from)[0]
}

/** What a card becomes at once when it is reported: nobody uses it any more, whoever finds it. */
export function statusAfterReport(kind: ReportKind): CardStatus {
  if (kind === 'loss') return 'lost'
  return kind === 'theft' ? 'stolen' : 'closed'
}

/** What a new card costs its household, in piasters. A card that has only expired is replaced for nothing. */
export function feeOf(reason: OrderReason, { feePiasters }: Pick<ReplacementTerms, 'feePiasters'>): number {
  return reason === 'first' || reason === 'expiry' ? 0 : feePiasters
}

/** The last day on which a replacement is printed in time, as the calendar is known when it is ordered. */
export function replacementDueOn(
  orderedOn: CivilDate,
  { workingDays }: Pick<ReplacementTerms, 'workingDays'>,
  calendar: WorkingCalendar,
): CivilDate {
  return addWorkingDays(orderedOn, workingDays, calendar)
}
