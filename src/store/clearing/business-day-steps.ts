import { type CivilDate, formatDate } from '../../calendar.ts'
import type { Queryable } from '../access-pool.ts'
import type { Client } from '../connection.ts'
import { inTransaction } from '../transaction.ts'
import { noteDayEvent, type StepState, WORDS_MAX } from './business-day.ts'

/** Makes the steps of a day known that are not yet. Their order is that of the list. */
export async function addSteps(
  client: Queryable,
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
    // What has stopped is looked at again and again: that is no news.
    if (was === 'pending' || was === 'running')
      await noteDayEvent(client, { businessDate: date, step, event: 'began', by })
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

/**
 * Writes down how a step ended.
 * @returns whether that is news: it did not stop for the same reason at the last look
 */
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
): Promise<boolean> {
  const { state, by, detail } = end
  const words = end.words.slice(0, WORDS_MAX)
  return inTransaction(client, async () => {
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
    const isNews = before?.last !== state || before.was !== words
    if (isNews) await noteDayEvent(client, { businessDate: date, step, event: state, by, words })
    return isNews
  })
}

/** Says that no row of the journal can be of the day any more. */
export async function noteLanesClosed(client: Queryable, date: CivilDate): Promise<void> {
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
