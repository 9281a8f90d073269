import { formatDate } from '../../calendar.ts'
import type { BusinessDay, DayStepRow } from '../../store/clearing/business-day.ts'
import type { DayBalance, UnitTotals } from '../../store/clearing/trial-balance.ts'

/** A business day as programs see it: dates yyyy-mm-dd, instants ISO 8601. */
export function dayView(day: BusinessDay) {
  return {
    businessDate: formatDate(day.businessDate),
    state: day.state,
    askedBy: day.askedBy ?? null,
    askedAt: instantText(day.askedAtMs),
    lanesClosedAt: instantText(day.lanesClosedAtMs),
    closedAt: instantText(day.closedAtMs),
  }
}

/** A step of a business day as programs see it. */
export function stepView({ step, state, attempts, startedAtMs, endedAtMs, words, detail, progress }: DayStepRow) {
  return {
    step,
    state,
    attempts,
    startedAt: instantText(startedAtMs),
    endedAt: instantText(endedAtMs),
    words: words ?? null,
    detail: detail ?? null,
    progress:
      progress === undefined
        ? null
        : { words: progress.words, done: progress.done ?? null, total: progress.total ?? null },
  }
}

/** Where an account stands in a trial balance. */
export type BalanceAccount = Pick<DayBalance, 'kind' | 'owner'>

/** Debits and credits of a unit in a trial balance as programs see them, in digits. */
export function balanceUnitView({ unit, debits, credits }: UnitTotals) {
  return { unit, debits: String(debits), credits: String(credits) }
}

/** An account in a trial balance as programs see it: sums in digits, in the smallest part of the unit. */
export function balanceAccountView({ kind, accountName, unit, owner, debits, credits, balance }: DayBalance) {
  return {
    ...{ kind, accountName, unit, owner },
    ...{ debits: String(debits), credits: String(credits), balance: String(balance) },
  }
}

/** An instant in ISO 8601; null when there is none. */
export function instantText(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
