import { type CivilDate, type CivilMonth, monthOf, previousMonth } from '../calendar.ts'
import type { Card, CardStatus } from './household.ts'
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

/**
 * Months before the one in which a card expires from which on it is replaced for nothing. No source states a time; three
 * months hold the ten working days of printing and the two months in which a card waits to be collected.
 */
export const EXPIRY_NOTICE_MONTHS = 3

/** What stopped a card for good, by its status: what is stated as the reason of a replacement has to go with it. */
const stoppedBy: Readonly<Partial<Record<CardStatus, readonly ReportKind[]>>> = {
  lost: ['loss'],
  stolen: ['theft'],
  // Also one that was lost or stolen first: it does not say any more.
  closed: reportKinds,
}

/**
 * Why a card is not replaced for a reason, in words; undefined when it is. The fee hangs on the reason, so the reason has
 * to be what the report of the card, or its expiry, says.
 * @param card `expiry` is YYMM, its last month
 */
export function replacementRefusal(
  reason: Exclude<OrderReason, 'first'>,
  { status, expiry }: Pick<Card, 'status' | 'expiry'>,
  today: CivilDate,
): string | undefined {
  const kinds = stoppedBy[status]
  if (reason !== 'expiry') {
    if (kinds === undefined) return 'report the card first: it is not stopped'
    return kinds.includes(reason) ? undefined : `the card was not reported for ${reason}: it is ${status}`
  }
  if (kinds !== undefined)
    return `the card is ${status}: it is replaced for what it was reported for, and not for its expiry`
  const from = noticeFrom(expiry)
  if (from === undefined || monthOf(today) >= from) return undefined
  const month = `${Math.floor(from / 100)}-${String(from % 100).padStart(2, '0')}`
  return `the card does not expire yet: it is replaced for that from ${month} on`
}

/** First month in which a card is replaced because it expires; undefined for an expiry that is no month. */
function noticeFrom(expiry: string): CivilMonth | undefined {
  if (!/^\d{2}(0[1-9]|1[0-2])$/.test(expiry)) return undefined
  let month = (200_000 + Number(expiry)) as CivilMonth
  for (let back = 0; back < EXPIRY_NOTICE_MONTHS; back++) month = previousMonth(month)
  return month
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
