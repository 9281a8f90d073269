import { addDays, type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../../store/access-pool.ts'
import { DAYS_AT_ONCE, listDays } from '../../store/clearing/business-day.ts'
import {
  type ExceptionFilter,
  type ExceptionState,
  exceptionStates,
  type OpenGroup,
  type ReconciliationException,
  readOpenGroups,
} from '../../store/clearing/reconciliation-desk.ts'
import type { Client } from '../../store/connection.ts'
import { listHolidays } from '../../store/people-rules.ts'
import { bankingCalendar } from '../day/banking-calendar.ts'
import {
  type AgeBucket,
  ageBucketOf,
  ageBuckets,
  ageOf,
  type BankingDays,
  type OpenedRange,
  openedWithin,
} from './ageing.ts'
import { type BreakName, breakNames, breakTypes, isBreakName } from './breaks.ts'
import { ageOfException, breakOf, hasMoney, proposalOf } from './desk.ts'

/** Open ones, whoever has them. */
export const openStates: readonly ExceptionState[] = ['open', 'assigned', 'waiting']
/** Days back for which holidays are read: older exceptions are in the last bucket anyway. */
const HOLIDAYS_BACK_DAYS = 400

/** The banking days as they are known today. */
export async function bankingDaysOn(client: Client, today: CivilDate): Promise<BankingDays> {
  const holidays = await listHolidays({ client }, addDays(today, -HOLIDAYS_BACK_DAYS))
  return bankingCalendar(
    holidays.map((holiday) => ({
      ...holiday,
      date: holiday.date as CivilDate,
      announcedOn: holiday.announcedOn as CivilDate,
    })),
    today,
  )
}

/** What somebody looks for, as it is written on the command line and in a query of the API. */
export interface ExceptionSearch {
  /** A state, or `any`; absent = those that are open. */
  readonly state?: string | undefined
  /** `none` = without an owner. */
  readonly owner?: string | undefined
  readonly break?: string | undefined
  readonly age?: string | undefined
  /** Business date, yyyy-mm-dd. */
  readonly date?: string | undefined
  readonly beforeId?: number | undefined
  readonly limit: number
}

/** Reads a search. @throws MizanError BAD_INPUT that names what there is */
export function filterOf(search: ExceptionSearch, today: CivilDate, banking: BankingDays): ExceptionFilter {
  const { state, owner, break: name, age, date, beforeId, limit } = search
  if (name !== undefined && !isBreakName(name)) {
    throw new MizanError('BAD_INPUT', `${name} is no break; there are ${breakNames.join(', ')}`)
  }
  return {
    states: statesOf(state),
    breaks: name === undefined ? undefined : [name],
    owner: owner === 'none' ? '' : owner,
    businessDate: date,
    opened: age === undefined ? undefined : openedOf(age, today, banking),
    beforeId,
    limit,
  }
}

function statesOf(state: string | undefined): readonly ExceptionState[] | undefined {
  if (state === undefined) return openStates
  if (state === 'any') return undefined
  const found = exceptionStates.find((one) => one === state)
  if (found === undefined)
    throw new MizanError('BAD_INPUT', `${state} is no state: ${exceptionStates.join(', ')} or any`)
  return [found]
}

function openedOf(age: string, today: CivilDate, banking: BankingDays): NonNullable<ExceptionFilter['opened']> {
  const bucket = ageBuckets.find((one) => one === age)
  if (bucket === undefined) throw new MizanError('BAD_INPUT', `${age} is no age: ${ageBuckets.join(', ')} days`)
  const range = ({ from, to }: OpenedRange) => ({
    from: from === undefined ? undefined : formatDate(from),
    to: to === undefined ? undefined : formatDate(to),
  })
  return {
    banking: range(openedWithin(bucket, today, 'banking', banking)),
    calendar: range(openedWithin(bucket, today, 'calendar', banking)),
    bankingBreaks: breakNames.filter((name) => breakTypes[name].count === 'banking'),
  }
}

/** An exception as people and programs see it. */
export function exceptionView(exception: ReconciliationException, today: CivilDate, banking: BankingDays) {
  const { meaning, action } = breakOf(exception)
  const { days, bucket, lateness } = ageOfException(exception, today, banking)
  const { id, openedAtMs, closedAtMs, ...rest } = exception
  return {
    exceptionId: id,
    break: rest.break,
    level: rest.level,
    state: rest.state,
    owner: rest.owner ?? null,
    businessDate: rest.businessDate,
    openedOn: rest.openedOn,
    ageDays: days,
    age: bucket,
    lateness,
    valueAtRiskPiasters: rest.valueAtRiskPiasters,
    account: rest.account ?? null,
    differencePiasters: rest.differencePiasters,
    inSuspense: rest.suspendedPiasters !== 0,
    suspendedPiasters: rest.suspendedPiasters,
    settledPiasters: rest.settledPiasters,
    summary: rest.summary,
    detail: rest.detail,
    meaning,
    action,
    proposedPostings: openStates.includes(rest.state) ? proposalOf(exception) : [],
    holdsMoney: openStates.includes(rest.state) && hasMoney(exception),
    waitUntil: rest.waitUntil ?? null,
    openedRun: rest.openedRun,
    lastRun: rest.lastRun,
    openedAt: new Date(openedAtMs).toISOString(),
    closedAt: closedAtMs === undefined ? null : new Date(closedAtMs).toISOString(),
    closedBy: rest.closedBy ?? null,
    resolution: rest.resolution ?? null,
  }
}

/** An exception as {@link exceptionView} shows it. */
export type ExceptionView = ReturnType<typeof exceptionView>

/** What is open of a break, by age. */
export interface AgeingRow {
  readonly break: BreakName
  readonly counts: Readonly<Record<AgeBucket, number>>
  readonly exceptions: number
  readonly valueAtRiskPiasters: string
  readonly oldestDays: number
  /** Past the days within which it has to be closed. */
  readonly overdue: number
}

/** The ageing report: what is open by break and age. */
export async function ageingOf(client: Queryable, today: CivilDate, banking: BankingDays): Promise<AgeingRow[]> {
  return ageingRows(await readOpenGroups(client), today, banking)
}

/** The report of what is open; pure. */
function ageingRows(groups: readonly OpenGroup[], today: CivilDate, banking: BankingDays): AgeingRow[] {
  return breakNames.flatMap((name) => {
    const own = groups.filter((group) => group.break === name)
    if (own.length === 0) return []
    const counts: Record<AgeBucket, number> = { '0-1': 0, '2-3': 0, '4-7': 0, '8-30': 0, '>30': 0 }
    let [exceptions, oldestDays, overdue, piasters] = [0, 0, 0, 0n]
    for (const { openedOn, count, piasters: sum } of own) {
      const days = ageOf(Number(openedOn.replaceAll('-', '')) as CivilDate, today, breakTypes[name], banking)
      counts[ageBucketOf(days)] += count
      exceptions += count
      piasters += sum
      oldestDays = Math.max(oldestDays, days)
      if (days > breakTypes[name].closeDays) overdue += count
    }
    return [{ break: name, counts, exceptions, valueAtRiskPiasters: String(piasters), oldestDays, overdue }]
  })
}

/** The last business date that ended in every lane. @throws MizanError NOT_FOUND when none has */
export async function lastClosedDate(client: Client): Promise<CivilDate> {
  const days = await listDays(client, DAYS_AT_ONCE)
  const closed = days.find(({ lanesClosedAtMs }) => lanesClosedAtMs !== undefined)
  if (closed !== undefined) return closed.businessDate
  throw new MizanError('NOT_FOUND', 'no business day was closed yet; mizan cutover closes one')
}
