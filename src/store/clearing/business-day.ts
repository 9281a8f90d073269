import { type CivilDate, formatDate, parseDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'

/** `closing`: somebody asked for its end; `closed`: all its steps are done. */
export type DayState = 'open' | 'closing' | 'closed'
export type StepState = 'pending' | 'running' | 'waiting' | 'blocked' | 'failed' | 'done'
/** What is written down of a day, and never changed. */
export type DayEventName = 'asked' | 'began' | 'done' | 'waiting' | 'blocked' | 'failed' | 'cut-off' | 'closed'

/** Days that may be closed at once; more of them, and somebody should look at the clock. */
export const DAYS_AT_ONCE = 62
/** Characters of what is said of a step or an event. */
export const WORDS_MAX = 2_000

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

interface DayRow {
  readonly business_date: string
  readonly state: DayState
  readonly asked_by: string | null
  readonly asked_at: Date | null
  readonly lanes_closed_at: Date | null
  readonly closed_at: Date | null
}

async function readDays(client: Queryable, rest: string, values: readonly unknown[] = []): Promise<BusinessDay[]> {
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
export async function readDay(client: Queryable, date: CivilDate): Promise<BusinessDay | undefined> {
  return (await readDays(client, 'where business_date = $1', [formatDate(date)]))[0]
}

/** The newest days, newest first. @param before only those before it */
export function listDays(client: Queryable, limit: number, before?: CivilDate): Promise<BusinessDay[]> {
  return readDays(client, 'where business_date < $2 order by business_date desc limit $1', [
    limit,
    before === undefined ? 'infinity' : formatDate(before),
  ])
}

/** Days up to one whose end nobody asked for, oldest first. */
export function listOpenDays(client: Queryable, until: CivilDate): Promise<BusinessDay[]> {
  return readDays(client, `where business_date <= $1 and state = 'open' order by business_date`, [formatDate(until)])
}

/** Days whose end was asked for and that are not closed, oldest first. */
export function listClosingDays(client: Queryable): Promise<BusinessDay[]> {
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
export async function readSteps(client: Queryable, date: CivilDate): Promise<DayStepRow[]> {
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
export async function readDayEvents(client: Queryable, limit: number, date?: CivilDate): Promise<DayEvent[]> {
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
  client: Queryable,
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

/** How days stand, at a glance. */
export interface DaysSeen {
  /** Days whose end was asked for and that are not closed. */
  readonly closing: number
  /** The oldest of them, and where it is. */
  readonly oldest: { readonly businessDate: CivilDate; readonly askedAtMs: number } | undefined
  readonly step: { readonly name: string; readonly state: StepState; readonly sinceMs: number | undefined } | undefined
  /** The oldest day that is not closed, whether its end was asked for or not. */
  readonly firstOpen: CivilDate | undefined
}

/** Looks at how days stand. */
export async function lookAtDays(client: Queryable): Promise<DaysSeen> {
  const { rows } = await client.query<{
    closing: string
    oldest: string | null
    asked_at: Date | null
    step: string | null
    step_state: StepState | null
    since: Date | null
    first_open: string | null
  }>(
    `select c.closing, d.business_date as oldest, d.asked_at, d.step, d.step_state,
            (select max(e.at) from business_day_event e where e.business_date = d.business_date and e.step = d.step) as since,
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
    step: step === null || state === null ? undefined : { name: step, state, sinceMs: row?.since?.getTime() },
    firstOpen: row?.first_open == null ? undefined : parseDate(row.first_open),
  }
}

/** First business day that is open in each lane, by lane. */
export async function laneOpenDates(client: Queryable): Promise<ReadonlyMap<number, CivilDate>> {
  const { rows } = await client.query<{ lane: number; open_date: string }>(
    'select lane, open_date from lane order by lane',
  )
  return new Map(rows.map((row) => [row.lane, parseDate(row.open_date)]))
}
