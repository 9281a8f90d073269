import type { CivilDate } from '../calendar.ts'

/** `closed` is for good, as far as people intend it; neither serves anybody. */
export const outletStatuses = ['active', 'suspended', 'closed'] as const
export type OutletStatus = (typeof outletStatuses)[number]

/** Whether an outlet serves, from a date on. */
export interface OutletStanding {
  readonly from: CivilDate
  readonly status: OutletStatus
}

/** First and last day of a terminal at its outlet. */
export interface TerminalDates {
  readonly from: CivilDate | undefined
  readonly to: CivilDate | undefined
}

/** The part of an outlet that has dates. */
export interface DatedOutlet {
  /** DE41 of its terminals, trimmed. */
  readonly terminals: ReadonlySet<string>
  /**
   * In order of their dates, for the same date the later one last; absent for an outlet that was never anything but
   * active.
   */
  readonly standings?: readonly OutletStanding[]
  /** Terminals that have a first or a last day; absent without any. */
  readonly terminalDates?: ReadonlyMap<string, TerminalDates>
}

/** Status of an outlet on a date: the last one set for that date or before. */
export function outletStatusOn({ standings }: Pick<DatedOutlet, 'standings'>, date: CivilDate): OutletStatus {
  return standings?.findLast((standing) => standing.from <= date)?.status ?? 'active'
}

/** Whether a terminal (DE41) belongs to an outlet on a date. */
export function hasTerminalOn(outlet: DatedOutlet, terminal: string, date: CivilDate): boolean {
  if (!outlet.terminals.has(terminal)) return false
  const dates = outlet.terminalDates?.get(terminal)
  if (dates === undefined) return true
  return (dates.from === undefined || dates.from <= date) && (dates.to === undefined || date <= dates.to)
}
