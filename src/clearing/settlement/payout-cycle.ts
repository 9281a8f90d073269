import type { OutletCategory } from '../../benefit/programme-schema.ts'
import { addDays, type CivilDate, daysBetween, monthOf } from '../../calendar.ts'
import { lastDayOf } from '../../card/issuance.ts'

/** When and how outlets of a category are paid. */
export interface PayoutCycle {
  readonly frequency: 'daily' | 'weekly' | 'monthly'
  /** Weekly: 0 Sunday to 6 Saturday. Monthly: day of the month, or the last one when it is shorter. Daily: 0. */
  readonly day: number
  /** Thousandths of a payout that are kept for a while. */
  readonly holdbackPermille: number
  /** Business dates after which what was held back is payable. */
  readonly releaseDays: number
  /** The wholesaler whose invoices it is set off against; undefined = paid to the outlet's account. */
  readonly wholesaler: number | undefined
}

/** A cycle with the outlets that it is for. */
export interface PayoutCycleRule extends PayoutCycle {
  readonly category: OutletCategory
  /** '' = in every governorate. */
  readonly governorate: string
}

/** What holds where no rule was made: everything is paid each business date. */
const DEFAULT_CYCLE: PayoutCycle = {
  frequency: 'daily',
  day: 0,
  holdbackPermille: 0,
  releaseDays: 0,
  wholesaler: undefined,
}

/** A Sunday. */
const SUNDAY = 20000102 as CivilDate

/** Day of the week of a date: 0 Sunday to 6 Saturday. */
export function weekdayOf(date: CivilDate): number {
  return ((daysBetween(SUNDAY, date) % 7) + 7) % 7
}

/** The cycle of an outlet: the rule of its governorate goes before that of every governorate. */
export function cycleOf(
  rules: readonly PayoutCycleRule[],
  outlet: { readonly category: OutletCategory; readonly governorate: string },
): PayoutCycle {
  const ofCategory = rules.filter(({ category }) => category === outlet.category)
  return (
    ofCategory.find(({ governorate }) => governorate === outlet.governorate) ??
    ofCategory.find(({ governorate }) => governorate === '') ??
    DEFAULT_CYCLE
  )
}

/** Whether one of the business dates of a run, both ends included, is a day on which the cycle pays. */
export function paysWithin(cycle: Pick<PayoutCycle, 'frequency' | 'day'>, from: CivilDate, to: CivilDate): boolean {
  if (cycle.frequency === 'daily') return true
  // A longer stretch has every weekday and every day of a month.
  const first = daysBetween(from, to) > 31 ? addDays(to, -31) : from
  for (let date = first; date <= to; date = addDays(date, 1)) if (paysOn(cycle, date)) return true
  return false
}

function paysOn({ frequency, day }: Pick<PayoutCycle, 'frequency' | 'day'>, date: CivilDate): boolean {
  if (frequency === 'weekly') return weekdayOf(date) === day
  return date % 100 === Math.min(day, lastDayOf(monthOf(date)))
}

/**
 * What is held back of a payout: the thousandths, rounded down to the piaster; first of what the state pays for
 * subsidies, then of purchases. Both parts are at least zero; what was released before is never held back again, so it
 * is not given here.
 */
export function holdbackOf(
  { holdbackPermille }: Pick<PayoutCycle, 'holdbackPermille'>,
  due: { readonly purchasesPiasters: bigint; readonly subsidyPiasters: bigint },
): { readonly purchasesPiasters: bigint; readonly subsidyPiasters: bigint } {
  const gross = due.purchasesPiasters + due.subsidyPiasters
  const held = gross <= 0n ? 0n : (gross * BigInt(holdbackPermille)) / 1_000n
  const available = due.subsidyPiasters > 0n ? due.subsidyPiasters : 0n
  const ofSubsidy = held < available ? held : available
  return { purchasesPiasters: held - ofSubsidy, subsidyPiasters: ofSubsidy }
}
