import { addDays, type CivilDate, type CivilMonth, monthOf, nextMonth } from '../calendar.ts'
import type { OutletRule, WalletProgramme } from './programme.ts'

/** Periods of a span are 9 followed by yyyymm of its first month: apart from months (6 digits) and days (8). */
const SPAN_BASE = 9_000_000

/** What a household of `members` is entitled to in one period of a programme, in the programme's unit. */
export function entitlementOf(programme: Pick<WalletProgramme, 'entitlement'>, members: number): number {
  const { perMember, tiers, perHousehold } = programme.entitlement
  if (perMember !== undefined) return perMember * members
  if (perHousehold !== undefined) {
    return perHousehold.find((step) => members <= (step.membersUpTo ?? members))?.amount ?? 0
  }
  let total = 0
  let counted = 0
  for (const tier of tiers ?? []) {
    const reach = Math.min(members, tier.membersUpTo ?? members)
    if (reach > counted) {
      total += (reach - counted) * tier.perMember
      counted = reach
    }
  }
  return total
}

/** Whether a household of these classes gets the programme's entitlement. */
export function isEntitled(programme: Pick<WalletProgramme, 'classes'>, classes: readonly string[]): boolean {
  return programme.classes.length === 0 || programme.classes.some((code) => classes.includes(code))
}

/** The period that holds a date: yyyymmdd of the day itself, yyyymm of its month, or 9yyyymm of the span's first. */
export function periodOf({ period, span }: Pick<WalletProgramme, 'period' | 'span'>, date: CivilDate): number {
  if (period === 'day') return date
  return span === undefined ? monthOf(date) : SPAN_BASE + monthOf(span.from)
}

/** The month that a period belongs to; of a span, its first. */
export function monthOfPeriod(period: number): CivilMonth {
  return (periodKindOf(period) === 'day' ? Math.floor(period / 100) : period % SPAN_BASE) as CivilMonth
}

/** The first date of a period: whoever is a member then counts for it. */
export function firstDateOf(period: number): CivilDate {
  return (periodKindOf(period) === 'day' ? period : monthOfPeriod(period) * 100 + 1) as CivilDate
}

/** What kind of period a number stands for. */
export function periodKindOf(period: number): WalletProgramme['period'] {
  if (period > 9_999_999) return 'day'
  return period > SPAN_BASE ? 'span' : 'month'
}

/**
 * The date on which a programme last counts a period as open: what is left of it lapses, is converted or goes on in the
 * next period after that date. Day cells stay open to the end of their month: what is returned can still become points.
 */
export function lastOpenDate({ span }: Pick<WalletProgramme, 'span'>, period: number): CivilDate {
  const kind = periodKindOf(period)
  if (kind === 'span' && span !== undefined && SPAN_BASE + monthOf(span.from) === period) return span.to
  return addDays((nextMonth(monthOfPeriod(period)) * 100 + 1) as CivilDate, -1)
}

/** Whether a period belongs to the month of a date, or to a later one; earlier ones are closed. */
export function isPeriodOpen(period: number, date: CivilDate): boolean {
  return monthOfPeriod(period) >= monthOf(date)
}

/** Price of one unit on a date in piasters; undefined for value programmes. */
export function priceOn(programme: Pick<WalletProgramme, 'tariff'>, date: CivilDate): number | undefined {
  let price: number | undefined
  for (const step of programme.tariff) if (step.from <= date) price = step.piasters
  return price
}

/** How many days one draw may name. */
export function drawAheadDays(programme: Pick<WalletProgramme, 'drawAheadDays'>, members: number): number {
  return programme.drawAheadDays.find((step) => members <= step.membersUpTo)?.days ?? 1
}

/** Whether outlets of a governorate serve only its own households on a date. */
export function servesOwnOnly(outlets: OutletRule, governorate: string, date: CivilDate): boolean {
  if (!outlets.issuingGovernorateOnly) return false
  return !outlets.exceptions.some(
    ({ governorates, from, to }) => from <= date && date <= to && governorates.includes(governorate),
  )
}
