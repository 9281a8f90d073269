import { addDays, type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import type { Client } from '../connection.ts'
import { inTransaction } from '../transaction.ts'

type Reader = Pick<Client, 'query'>

/** `closing`: somebody asked for its end; `closed`: all its steps are done. */
export type DayState = 'open' | 'closing' | 'closed'
export type StepState = 'pending' | 'running' | 'waiting' | 'blocked' | 'failed' | 'done'
/** What is written down of a day, and never changed. */
export type DayEventName = 'asked' | 'began' | 'done' | 'waiting' | 'blocked' | 'failed' | 'cut-off' | 'closed'

/** A business day. */
export interface BusinessDay {
  readonly businessDate: CivilDate
  readonly state: DayState
  readonly askedBy: string | undefined
  readonly askedAtMs: number | undefined
  /** From when on no row of the journal could be of the day any more. */
  readonly lanesClosedAtMs: number | undefined
  readonly closedAtMs: number | undefined
}

/** A step of a business day as it stands. */
export interface DayStepRow {
  readonly businessDate: CivilDate
  readonly step: string
  readonly state: StepState
  /** How often it was begun. */
  readonly attempts: number
  readonly startedAtMs: number | undefined
  readonly endedAtMs: number | undefined
  readonly words: string | undefined
  readonly detail: unknown
  readonly progress: { readonly words: string; readonly done?: number; readonly total?: number } | undefined
}

/** An entry of the history of a day. */
export interface DayEvent {
  readonly businessDate: CivilDate
  readonly atMs: number
  readonly step: string | undefined
  readonly event: DayEventName
  readonly by: string
  readonly words: string | undefined
}

/** Days that may be closed at once; more of them, and somebody should look at the clock. */
export const DAYS_AT_ONCE = 62
const ASK_LOCK = 'select pg_advisory_xact_lock(hashtext($1))'
const WORDS_MAX = 2_000
const BY_MAX = 96

/**
 * Asks for the end of a business day, and of all before it that are not asked for yet. Durable when it resolves; asked again,
 * nothing changes, so that a day ends once whoever asks, and however many at once.
 * @param options.date the day; undefined = what is due by `byClock`
 * @param options.byClock business date by the clock
 * @param options.by who asks
 * @returns the day that was meant, and the days that were asked for by this very call
 * @throws MizanError CONFLICT when the day has not begun, is not known, or too many days would end at once
 */
export function askCutover(client: Client, options: CutoverRequest): Promise<CutoverAnswer> {
  return inTransaction(client, () => askCutoverWithin(client, options))
}

/** What is asked for. */
export interface CutoverRequest {
  readonly date?: CivilDate | undefined
  readonly byClock: CivilDate
  readonly by: string
}

/** What came of it. */
export interface CutoverAnswer {
  readonly date: CivilDate
  readonly asked: readonly CivilDate[]
  readonly state: DayState
}

/** As {@link askCutover}, within the transaction of the caller. */
export async function askCutoverWithin(client: Pick<Client, 'query'>, options: CutoverRequest): Promise<CutoverAnswer> {
  const { byClock } = options
  const by = options.by.slice(0, BY_MAX)
  await client.query(ASK_LOCK, ['business-day'])
  await knowDays(client, byClock)
  const date = options.date ?? (await dueDay(client, byClock))
  const day = await readDay(client, date)
  if (day === undefined) throw noSuchDay(date, byClock)
  const due = await readDays(client, `where business_date <= $1 and state = 'open' order by business_date`, [
    formatDate(date),
  ])
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

/** Makes the days up to the clock's date known. @returns the first that is not closed; undefined when none is open */
export function knowBusinessDays(client: Client, byClock: CivilDate): Promise<CivilDate | undefined> {
  return inTransaction(client, async () => {
    await client.query(ASK_LOCK, ['business-day'])
    await knowDays(client, byClock)
    return (await lookAtDays(client)).firstOpen
  })
}

/** Makes the days up to the clock's date known, from the first of the installation on. */
async function knowDays(client: Reader, byClock: CivilDate): Promise<void> {
  const { rows } = await client.query<{ last: string | null; first: string | null }>(
    `select (select max(business_date) from business_day) as last,
            case when exists (select from business_day) then null else first_business_date() end as first`,
  )
  const [found] = rows
  const last = found?.last == null ? undefined : parseDate(found.last)
  const first = last === undefined ? parseFirst(found?.first, byClock) : addDays(last, 1)
  if (first > byClock) return
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
async function dueDay(client: Reader, byClock: CivilDate): Promise<CivilDate> {
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

function noSuchDay(date: CivilDate, byClock: CivilDate): MizanError {
  const why =
    date > byClock
      ? `has not begun: by the clock it is ${formatDate(byClock)}`
      : 'was never open: it is before the first one'
  return new MizanError('CONFLICT', `business day ${formatDate(date)} ${why}`)
}

interface DayRow {
  readonly business_date: string
  readonly state: DayState
  readonly asked_by: string | null
  readonly asked_at: Date | null
  readonly lanes_closed_at: Date | null
  readonly closed_at: Date | null
}

async function readDays(client: Reader, rest: string, values: readonly unknown[] = []): Promise<BusinessDay[]> {
  const { rows } = await client.query<DayRow>(
    `select business_date, state, asked_by, asked_at, lanes_closed_at, closed_at from business_day ${rest}`,
    [...values],
  )
  return rows.map((row) => ({
    businessDate: parseDate(row.business_date),
    state: row.state,
    askedBy: row.asked_by ?? undefined,
    askedAtMs: row.asked_at?.getTime(),
    lanesClosedAtMs: row.lanes_closed_at?.getTime(),
    closedAtMs: row.closed_at?.getTime(),
  }))
}

/** One business day; undefined when it is not known. */
export async function readDay(client: Reader, date: CivilDate): Promise<BusinessDay | undefined> {
  return (await readDays(client, 'where business_date = $1', [formatDate(date)]))[0]
}

/** The newest days, newest first. @param before only those before it */
export function listDays(client: Reader, limit: number, before?: CivilDate): Promise<BusinessDay[]> {
  return readDays(client, 'where business_date < $2 order by business_date desc limit $1', [
    limit,
    before === undefined ? 'infinity' : formatDate(before),
  ])
}

/** Days whose end was asked for and that are not closed, oldest first. */
export function listClosingDays(client: Client): Promise<BusinessDay[]> {
  return readDays(client, `where state = 'closing' order by business_date`)
}

interface StepRow {
  readonly business_date: string
  readonly step: string
  readonly state: StepState
  readonly attempts: number
  readonly started_at: Date | null
  readonly ended_at: Date | null
  readonly words: string | null
  readonly detail: unknown
  readonly progress: string | null
  readonly progress_done: string | null
  readonly progress_total: string | null
}

/** The steps of a day, in order. */
export async function readSteps(client: Reader, date: CivilDate): Promise<DayStepRow[]> {
  const { rows } = await client.query<StepRow>(
    `select business_date, step, state, attempts, started_at, ended_at, words, detail, progress, progress_done, progress_total
     from business_day_step where business_date = $1 order by ordinal`,
    [formatDate(date)],
  )
  return rows.map((row) => ({
    businessDate: parseDate(row.business_date),
    step: row.step,
    state: row.state,
    attempts: row.attempts,
    startedAtMs: row.started_at?.getTime(),
    endedAtMs: row.ended_at?.getTime(),
    words: row.words ?? undefined,
    detail: row.detail ?? undefined,
    progress: row.progress === null ? undefined : progressOf(row.progress, row),
  }))
}

function progressOf(words: string, { progress_done: done, progress_total: total }: StepRow): DayStepRow['progress'] {
  return {
    words,
    ...(done === null ? {} : { done: Number(done) }),
    ...(total === null ? {} : { total: Number(total) }),
  }
}

/** The history of a day, or of all days; the newest last. */
export async function readDayEvents(client: Reader, limit: number, date?: CivilDate): Promise<DayEvent[]> {
  const { rows } = await client.query<{
    business_date: string
    at: Date
    step: string | null
    event: DayEventName
    by: string
    words: string | null
  }>(
    `select * from (
       select id, business_date, at, step, event, by, words from business_day_event
       where $2::date is null or business_date = $2 order by id desc limit $1) e order by e.id`,
    [limit, date === undefined ? null : formatDate(date)],
  )
  return rows.map((row) => ({
    businessDate: parseDate(row.business_date),
    atMs: row.at.getTime(),
    step: row.step ?? undefined,
    event: row.event,
    by: row.by,
    words: row.words ?? undefined,
  }))
}

/** Writes down what happened to a day. */
export async function noteDayEvent(
  client: Reader,
  event: {
    readonly businessDate: CivilDate
    readonly step?: string
    readonly event: DayEventName
    readonly by: string
    readonly words?: string
  },
): Promise<void> {
  await client.query(
    'insert into business_day_event (business_date, step, event, by, words) values ($1, $2, $3, $4, $5)',
    [
      formatDate(event.businessDate),
      event.step ?? null,
      event.event,
      event.by,
      event.words?.slice(0, WORDS_MAX) ?? null,
    ],
  )
}

/** Makes the steps of a day known that are not yet. Their order is that of the list. */
export async function addSteps(
  client: Reader,
  date: CivilDate,
  steps: readonly { readonly name: string; readonly ordinal: number }[],
): Promise<void> {
  await client.query(
    `insert into business_day_step (business_date, step, ordinal)
     select $1::date, s.step, s.ordinal from unnest($2::text[], $3::smallint[]) s(step, ordinal)
     on conflict (business_date, step) do nothing`,
    [formatDate(date), steps.map(({ name }) => name), steps.map(({ ordinal }) => ordinal)],
  )
}

/** Marks a step as running. */
export async function beginStep(client: Client, date: CivilDate, step: string, by: string): Promise<void> {
  await inTransaction(client, async () => {
    const { rows } = await client.query<{ was: StepState }>(
      `select state as was from business_day_step where business_date = $1 and step = $2 for update`,
      [formatDate(date), step],
    )
    const was = rows[0]?.was
    // Whoever ran it is gone without a word.
    if (was === 'running') await noteDayEvent(client, { businessDate: date, step, event: 'cut-off', by })
    await client.query(
      `update business_day_step set state = 'running', attempts = attempts + 1, started_at = clock_timestamp(),
         ended_at = null, progress = null, progress_done = null, progress_total = null, progress_at = null
       where business_date = $1 and step = $2`,
      [formatDate(date), step],
    )
    // What waits is looked at again and again: that is no news.
    if (was !== 'waiting') await noteDayEvent(client, { businessDate: date, step, event: 'began', by })
  })
}

/** Keeps how far a step is. */
export async function noteProgress(
  client: Client,
  date: CivilDate,
  step: string,
  progress: { readonly words: string; readonly done?: number | undefined; readonly total?: number | undefined },
): Promise<void> {
  await client.query(
    `update business_day_step set progress = $3, progress_done = $4, progress_total = $5, progress_at = clock_timestamp()
     where business_date = $1 and step = $2 and state = 'running'`,
    [formatDate(date), step, progress.words.slice(0, 500), progress.done ?? null, progress.total ?? null],
  )
}

/** Writes down how a step ended. */
export async function endStep(
  client: Client,
  date: CivilDate,
  step: string,
  end: {
    readonly state: 'done' | 'waiting' | 'blocked' | 'failed'
    readonly words: string
    readonly detail?: unknown
    readonly by: string
  },
): Promise<void> {
  const { state, by, detail } = end
  const words = end.words.slice(0, WORDS_MAX)
  await inTransaction(client, async () => {
    const { rows } = await client.query<{ was: string | null; last: string | null }>(
      `select s.words as was, (select e.event from business_day_event e
         where e.business_date = s.business_date and e.step = s.step order by e.id desc limit 1) as last
       from business_day_step s where s.business_date = $1 and s.step = $2 for update`,
      [formatDate(date), step],
    )
    await client.query(
      `update business_day_step set state = $3, ended_at = clock_timestamp(), words = $4, detail = $5
       where business_date = $1 and step = $2`,
      [formatDate(date), step, state, words, detail === undefined ? null : JSON.stringify(detail)],
    )
    const [before] = rows
    if (before?.last !== state || before.was !== words) {
      await noteDayEvent(client, { businessDate: date, step, event: state, by, words })
    }
  })
}

/** Says that no row of the journal can be of the day any more. */
export async function noteLanesClosed(client: Reader, date: CivilDate): Promise<void> {
  await client.query(
    `update business_day set lanes_closed_at = clock_timestamp() where business_date = $1 and lanes_closed_at is null`,
    [formatDate(date)],
  )
}

/** Closes a day: all its steps are done. */
export async function closeBusinessDay(client: Client, date: CivilDate, by: string): Promise<void> {
  await inTransaction(client, async () => {
    const { rowCount } = await client.query(
      `update business_day set state = 'closed', closed_at = clock_timestamp() where business_date = $1 and state = 'closing'`,
      [formatDate(date)],
    )
    if (rowCount === 1) await noteDayEvent(client, { businessDate: date, event: 'closed', by })
  })
}

/** How days stand, at a glance. */
export interface DaysSeen {
  /** Days whose end was asked for and that are not closed. */
  readonly closing: number
  /** The oldest of them, and where it is. */
  readonly oldest: { readonly businessDate: CivilDate; readonly askedAtMs: number } | undefined
  readonly step: { readonly name: string; readonly state: StepState } | undefined
  /** The oldest day that is not closed, whether its end was asked for or not. */
  readonly firstOpen: CivilDate | undefined
}

/** Looks at how days stand. */
export async function lookAtDays(client: Reader): Promise<DaysSeen> {
  const { rows } = await client.query<{
    closing: string
    oldest: string | null
    asked_at: Date | null
    step: string | null
    step_state: StepState | null
    first_open: string | null
  }>(
    `select c.closing, d.business_date as oldest, d.asked_at, d.step, d.step_state,
            (select min(business_date) from business_day where state <> 'closed') as first_open
     from (select count(*) as closing, min(business_date) as oldest from business_day where state = 'closing') c
     left join business_days d on d.business_date = c.oldest`,
  )
  const [row] = rows
  const { oldest = null, asked_at: askedAt = null, step = null, step_state: state = null } = row ?? {}
  return {
    closing: Number(row?.closing ?? 0),
    oldest:
      oldest === null || askedAt === null
        ? undefined
        : { businessDate: parseDate(oldest), askedAtMs: askedAt.getTime() },
    step: step === null || state === null ? undefined : { name: step, state },
    firstOpen: row?.first_open == null ? undefined : parseDate(row.first_open),
  }
}

/** First business day that is open in each lane, by lane. */
export async function laneOpenDates(client: Reader): Promise<ReadonlyMap<number, CivilDate>> {
  const { rows } = await client.query<{ lane: number; open_date: string }>(
    'select lane, open_date from lane order by lane',
  )
  return new Map(rows.map((row) => [row.lane, parseDate(row.open_date)]))
}
