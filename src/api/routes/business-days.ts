import { Type } from 'typebox'
import { businessDate, type CivilDate, formatDate, isCivilDate } from '../../calendar.ts'
import { balanceAccountView, balanceUnitView, dayView, stepView } from '../../clearing/day/view.ts'
import { MizanError } from '../../errors.ts'
import { listDays, readDay, readSteps } from '../../store/clearing/business-day.ts'
import { askCutoverWithin } from '../../store/clearing/business-day-ask.ts'
import { readTrialBalanceOf } from '../../store/clearing/trial-balance.ts'
import { isWholes, page, readCursor, rowsFor } from '../cursor.ts'
import { dayOf } from '../days.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { date, instant, orNull, pageOf, paging, shape } from '../shapes.ts'
import { dayReportRoute } from './day-report.ts'

const tag = 'business days'
const digits = Type.String({ pattern: '^[0-9]+$' })
const params = shape({ date: date('The business date.') })

const dayFields = {
  businessDate: date('The business date.'),
  state: Type.Enum(['open', 'closing', 'closed']),
  askedBy: orNull(Type.String({ description: 'Who asked for its end.' })),
  askedAt: orNull(instant('When')),
  lanesClosedAt: orNull(instant('From when on no posting could be of the day any more')),
  closedAt: orNull(instant('When all its steps were done')),
}
const stepShape = shape({
  step: Type.String(),
  state: Type.Enum(['pending', 'running', 'waiting', 'blocked', 'failed', 'done']),
  attempts: Type.Integer({ description: 'How often it was begun.' }),
  startedAt: orNull(instant('Beginning of the last attempt')),
  endedAt: orNull(instant('Its end')),
  words: orNull(Type.String({ description: 'What came of it, or what it waits for and the way out.' })),
  detail: orNull(
    Type.Unknown({ description: 'What a step that is done keeps of itself: counts, sums, names of files.' }),
  ),
  progress: orNull(shape({ words: Type.String(), done: orNull(Type.Number()), total: orNull(Type.Number()) })),
})

/** Business days: how far the end of each is, and asking for it. */
export const businessDayRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/business-days',
    tag,
    summary: 'list the business days, the newest first',
    query: shape({ ...paging }),
    answers: { 200: pageOf(shape(dayFields)) },
    handler: async ({ services, query }) => {
      const position = readCursor(query.cursor, (found) => found.length === 1 && isCivilDate(Number(found[0])))
      const before = position === undefined ? undefined : (Number(position[0]) as CivilDate)
      const days = await services.database.read((client) => listDays(client, rowsFor(query.limit), before))
      return ok(page(days, query.limit, (day) => [day.businessDate], dayView))
    },
  }),
  route({
    method: 'GET',
    path: '/business-days/{date}',
    tag,
    summary: 'show a business day with its steps',
    params,
    answers: { 200: shape({ ...dayFields, steps: Type.Array(stepShape) }) },
    handler: async ({ services, params: { date: text } }) => {
      const asked = dayOf(text)
      const found = await services.database.read(async (client) => {
        const day = await readDay(client, asked)
        return day === undefined
          ? undefined
          : { ...dayView(day), steps: (await readSteps(client, asked)).map(stepView) }
      })
      if (found === undefined) throw new MizanError('NOT_FOUND', `business day ${text} is not known`)
      return ok(found)
    },
  }),
  route({
    method: 'GET',
    path: '/business-days/{date}/balance',
    tag,
    summary: 'show the trial balance that was kept with a business day, account by account',
    description:
      'Sums are digits in the smallest part of the unit. One line stands for all accounts of households of a kind.',
    params,
    query: shape({ ...paging }),
    answers: {
      200: shape({
        units: Type.Array(shape({ unit: Type.String(), debits: digits, credits: digits })),
        ...pageOf(
          shape({
            ...{ kind: Type.Integer(), accountName: Type.String(), unit: Type.String(), owner: Type.Integer() },
            ...{ debits: digits, credits: digits, balance: Type.String({ description: 'Credits are above zero.' }) },
          }),
        ).properties,
      }),
    },
    handler: async ({ services, query, params: { date: text } }) => {
      const asked = dayOf(text)
      const position = readCursor(query.cursor, (found) => isWholes(found, 'integer', 'bigint'))
      const after = position === undefined ? undefined : { kind: Number(position[0]), owner: Number(position[1]) }
      const { units, accounts } = await services.database.read((client) =>
        readTrialBalanceOf(client, asked, { limit: rowsFor(query.limit), after }),
      )
      if (units.length === 0) throw new MizanError('NOT_FOUND', `no trial balance is kept with ${text}`)
      const listed = page(accounts, query.limit, ({ kind, owner }) => [kind, owner], balanceAccountView)
      return ok({ units: units.map(balanceUnitView), ...listed })
    },
  }),
  dayReportRoute,
  route({
    method: 'POST',
    path: '/business-days/{date}/cutover',
    tag,
    summary: 'end a business day, and those before it that are open; asked again, nothing changes',
    description:
      'Answers at once; the process that runs jobs does the steps, and the day itself tells how far they are.',
    params,
    answers: {
      202: shape({
        businessDate: date('The day.'),
        state: Type.Enum(['closing', 'closed']),
        ended: Type.Array(date('A day whose end was asked for by this very call.')),
      }),
    },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { clock, cutoverMinutes } = call.services
        const asked = dayOf(call.params.date)
        const byClock = businessDate(clock.now(), cutoverMinutes)
        // The person, also behind a key: who had the day closed does not agree to the release of its files.
        const by = `user:${call.actor.person}`
        const answer = await askCutoverWithin(client, { date: asked, byClock, by })
        const ended = answer.asked.map(formatDate)
        const body = { businessDate: formatDate(answer.date), state: answer.state, ended }
        return { answer: { status: 202, body }, detail: { businessDate: body.businessDate, ended } }
      }),
  }),
]
