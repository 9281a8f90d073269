import { type CivilDate, type CivilMonth, monthOf, nextMonth } from '../calendar.ts'

/** Where the issue of a card stands (subsidy-domain.md, 1.5), from the application to a card that works. */
export const issuanceStates = [
  'applied',
  'account-linked',
  'fingerprint-enrolled',
  'ordered',
  'printed',
  'ready',
  'collected',
  'active',
  'cancelled',
] as const
export type IssuanceState = (typeof issuanceStates)[number]

/** Why a card is made. */
export const orderReasons = ['first', 'loss', 'theft', 'damage', 'expiry'] as const
export type OrderReason = (typeof orderReasons)[number]

/** Before the card is ordered an application may be withdrawn; after the notice it lapses. */
const successors: Readonly<Record<IssuanceState, readonly IssuanceState[]>> = {
  applied: ['account-linked', 'cancelled'],
  'account-linked': ['fingerprint-enrolled', 'cancelled'],
  'fingerprint-enrolled': ['ordered', 'cancelled'],
  ordered: ['printed', 'cancelled'],
  printed: ['ready', 'cancelled'],
  ready: ['collected', 'cancelled'],
  collected: ['active', 'cancelled'],
  active: [],
  cancelled: [],
}

/** Why the issue of a card does not go from one state to another, in words; undefined when it does. */
export function issuanceRefusal(from: IssuanceState, to: IssuanceState): string | undefined {
  if (from === to) return `the card is ${to} already`
  if (successors[from].includes(to)) return undefined
  if (from === 'cancelled') return 'the issue of this card was cancelled: apply again'
  return `a card that is ${from} does not become ${to}`
}

/**
 * The same day in the next month, or its last day where that month is shorter: 31 January is followed by 28 or 29
 * February (subsidy-domain.md, section 3).
 */
export function sameDayNextMonth(date: CivilDate): CivilDate {
  const month = nextMonth(monthOf(date))
  return (month * 100 + Math.min(date % 100, lastDayOf(month))) as CivilDate
}

/** 28 to 31. */
export function lastDayOf(month: CivilMonth): number {
  return new Date(Date.UTC(Math.floor(month / 100), month % 100, 0)).getUTCDate()
}

/** A notice that a card waits to be collected. */
export interface Notice {
  readonly sentOn: CivilDate
  /** Last day on which the card is handed out. */
  readonly collectBy: CivilDate
  readonly extended: boolean
}

/** The notice of a card that is ready: it is handed out to the same day of the next month (RU-9). */
export function noticeOf(sentOn: CivilDate): Notice {
  return { sentOn, collectBy: sameDayNextMonth(sentOn), extended: false }
}

/**
 * The notice with its one month more. It is counted from the day of the notice: one of 31 January lasts to 31 March,
 * not to the 28th.
 * @returns the notice, or why it cannot be extended
 */
export function extendNotice(notice: Notice, today: CivilDate): Notice | string {
  if (notice.extended) return 'the notice was extended once already'
  if (today > notice.collectBy) return 'the time to collect the card is over: apply again'
  const month = nextMonth(nextMonth(monthOf(notice.sentOn)))
  const collectBy = (month * 100 + Math.min(notice.sentOn % 100, lastDayOf(month))) as CivilDate
  return { ...notice, collectBy, extended: true }
}

/** Whether the last day to collect is past. */
export function isNoticeOver({ collectBy }: Pick<Notice, 'collectBy'>, today: CivilDate): boolean {
  return today > collectBy
}
