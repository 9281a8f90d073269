import { addDays, type CivilDate, daysBetween, formatDate, parseDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Queryable } from '../access-pool.ts'
import type { Client } from '../connection.ts'
import { inTransaction } from '../transaction.ts'
import { DAYS_AT_ONCE, type DayState, listOpenDays, lookAtDays, noteDayEvent, readDay } from './business-day.ts'

/** A clock that is ahead by more days than these is wrong, however long nobody was there. */
const DAYS_AHEAD = 3_660
const ASK_LOCK = 'select pg_advisory_xact_lock(hashtext($1))'
const BY_MAX = 96

/**
 * Asks for the end of a business day, and of all before it that are not asked for yet. Durable when it resolves; asked
 * again, nothing changes, so that a day ends once whoever asks, and however many at once.
 * @param options.date the day; undefined = what is due by `byClock`
 * @param options.byClock business date by the clock
 * @param options.by who asks
 * @param options.mayEndEarly false: without a date only what is over by the clock ends
 * @returns the day that was meant, and the days that were asked for by this very call
 * @throws MizanError CONFLICT when the day has not begun, is not known, is not over and may not end early, or too many
 *   days would end at once
 */
export function askCutover(client: Client, options: CutoverRequest): Promise<CutoverAnswer> {
  return inTransaction(client, () => askCutoverWithin(client, options))
}

/** What is asked for. */
export interface CutoverRequest {
  readonly date?: CivilDate | undefined
  readonly byClock: CivilDate
  readonly by: string
  /** Whether without a date the open day may end before its time. @default true */
  readonly mayEndEarly?: boolean
}

/** What came of it. */
export interface CutoverAnswer {
  readonly date: CivilDate
  readonly asked: readonly CivilDate[]
  readonly state: DayState
}

/** As {@link askCutover}, within the transaction of the caller. */
export async function askCutoverWithin(client: Queryable, options: CutoverRequest): Promise<CutoverAnswer> {
  const { byClock, mayEndEarly = true } = options
  const by = options.by.slice(0, BY_MAX)
  await client.query(ASK_LOCK, ['business-day'])
  await knowDays(client, byClock)
  const date = options.date ?? (await dueDay(client, byClock))
  const day = await readDay(client, date)
  // A clock that was ahead once may have made days known that have not begun.
  if (day === undefined || date > byClock) throw noSuchDay(date, byClock)
  if (options.date === undefined && date === byClock && day.state === 'open' && !mayEndEarly) throw notOver(date)
  const due = await listOpenDays(client, date)
  if (due.length > DAYS_AT_ONCE) {
    const first = formatDate(due[0]?.businessDate ?? date)
    throw new MizanError(
      'CONFLICT',
      `${due.length} days from ${first} on would end at once: if the clock is right, end them in parts, with --date`,
    )
  }
  for (const { businessDate } of due) {
    await client.query(
      `update business_day set state = 'closing', asked_by = $2, asked_at = clock_timestamp() where business_date = $1`,
      [formatDate(businessDate), by],
    )
    await noteDayEvent(client, { businessDate, event: 'asked', by })
  }
  return { date, asked: due.map(({ businessDate }) => businessDate), state: due.length > 0 ? 'closing' : day.state }
}

/** What the database's clock shows, in milliseconds since 1970 UTC. */
export async function databaseNowMs(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ now: Date }>('select clock_timestamp() as now')
  return rows[0]?.now.getTime() ?? Number.NaN
}

/** Makes the days up to the clock's date known. @returns the first that is not closed; undefined when none is open */
export function knowBusinessDays(client: Client, byClock: CivilDate): Promise<CivilDate | undefined> {
  return inTransaction(client, async () => {
    await client.query(ASK_LOCK, ['business-day'])
    await knowDays(client, byClock)
    return (await lookAtDays(client)).firstOpen
  })
}

/** Makes the days up to the clock's date known, from the first of the installation on. */
async function knowDays(client: Queryable, byClock: CivilDate): Promise<void> {
  const { rows } = await client.query<{ last: string | null; first: string | null }>(
    `select (select max(business_date) from business_day) as last,
            case when exists (select from business_day) then null else first_business_date() end as first`,
  )
  const [found] = rows
  const last = found?.last == null ? undefined : parseDate(found.last)
  const first = last === undefined ? parseFirst(found?.first, byClock) : addDays(last, 1)
  if (first > byClock) return
  if (last !== undefined && daysBetween(last, byClock) > DAYS_AHEAD) {
    throw new MizanError(
      'CONFLICT',
      `by the clock it is ${formatDate(byClock)}, and the last business day known is ${formatDate(last)}: set the clock`,
    )
  }
  await client.query(
    `insert into business_day (business_date)
     select day::date from generate_series($1::date, $2::date, interval '1 day') day on conflict do nothing`,
    [formatDate(first), formatDate(byClock)],
  )
}

/** The first day of an installation: that of the oldest posting, or today. */
function parseFirst(first: string | null | undefined, byClock: CivilDate): CivilDate {
  const date = first == null ? byClock : parseDate(first)
  return date < byClock ? date : byClock
}

/**
 * The day that ends when nobody says which: what is over by the clock; if nothing is, the day that is open, before its
 * time; but not right after the one before it, which is what two people who close the same day would do.
 */
async function dueDay(client: Queryable, byClock: CivilDate): Promise<CivilDate> {
  const yesterday = addDays(byClock, -1)
  const { rows } = await client.query<{ over: string | null; ended: boolean }>(
    `select max(business_date) filter (where state <> 'closed') as over,
            coalesce(bool_or(business_date = $1 and asked_at > clock_timestamp() - $2 * interval '1 second'), false) as ended
     from business_day where business_date <= $1`,
    [formatDate(yesterday), JUST_NOW_S],
  )
  const [found] = rows
  if (found?.over != null) return parseDate(found.over)
  return found?.ended === true ? yesterday : byClock
}

const JUST_NOW_S = 3_600

function notOver(date: CivilDate): MizanError {
  const day = formatDate(date)
  return new MizanError('CONFLICT', `no business day is over; --date ${day} ends the open one before its time`)
}

function noSuchDay(date: CivilDate, byClock: CivilDate): MizanError {
  const why =
    date > byClock
      ? `has not begun: by the clock it is ${formatDate(byClock)}`
      : 'was never open: it is before the first one'
  return new MizanError('CONFLICT', `business day ${formatDate(date)} ${why}`)
}
