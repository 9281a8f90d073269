import { Type } from 'typebox'
import { type CivilDate, civilDate } from '../../calendar.ts'
import { ageBuckets } from '../../clearing/reconciliation/ageing.ts'
import { breakNames, breakTypes, levels } from '../../clearing/reconciliation/breaks.ts'
import { resolveByWords } from '../../clearing/reconciliation/desk.ts'
import {
  ageingOf,
  bankingDaysOn,
  type ExceptionView,
  exceptionView,
  filterOf,
} from '../../clearing/reconciliation/view.ts'
import {
  type Author,
  assignException,
  commentException,
  waitException,
} from '../../store/clearing/reconciliation-change.ts'
import {
  exceptionStates,
  listExceptions,
  type ReconciliationException,
  readEvents,
  readException,
  readRelatedMatches,
} from '../../store/clearing/reconciliation-desk.ts'
import { listRuns, type ReconciliationRun } from '../../store/clearing/reconciliation-runs.ts'
import type { Client } from '../../store/connection.ts'
import { idCursor, instantOf, page, rowsFor } from '../cursor.ts'
import { dayOf } from '../days.ts'
import { changeOnce } from '../once.ts'
import { type Answer, type Call, ok, type Route, route } from '../route.ts'
import { date, id, instant, orNull, pageOf, paging, shape, words } from '../shapes.ts'

const tag = 'reconciliation'
const text = orNull(Type.String())
const count = Type.Integer({ minimum: 0 })

const runShape = shape({
  runId: Type.Integer(),
  businessDate: Type.String(),
  state: Type.Enum(['running', 'done', 'failed']),
  requestedBy: Type.String(),
  startedAt: orNull(instant('When it began')),
  endedAt: orNull(instant('When it ended')),
  levels: Type.Record(Type.String(), Type.Unknown(), {
    description: 'What was compared on each level, and what was matched by which rule.',
  }),
  matched: count,
  found: count,
  opened: count,
  resolved: count,
  openAfter: count,
  valueAtRiskPiasters: count,
  words: text,
})

const exceptionProperties = {
  exceptionId: Type.Integer(),
  break: Type.Enum([...breakNames], { description: 'docs/reconciliation.md has what each means.' }),
  level: Type.Enum([...levels]),
  state: Type.Enum([...exceptionStates]),
  owner: text,
  businessDate: Type.String(),
  openedOn: Type.String(),
  ageDays: count,
  age: Type.Enum([...ageBuckets]),
  lateness: Type.Enum(['in-time', 'late', 'overdue']),
  valueAtRiskPiasters: count,
  account: orNull(Type.Integer({ description: 'The account that holds the difference.' })),
  differencePiasters: Type.Integer({
    description: 'As it was found, whatever was corrected since; above zero: a credit too much.',
  }),
  inSuspense: Type.Boolean({ description: 'Whether two people moved of it to the suspense of its break.' }),
  suspendedPiasters: Type.Integer({ description: 'What of it stands there.' }),
  settledPiasters: Type.Integer({ description: 'What of it was written off or given to another account.' }),
  summary: Type.String(),
  detail: Type.Record(Type.String(), Type.Unknown()),
  meaning: Type.String(),
  action: Type.String(),
  proposedPostings: Type.Array(
    shape({ kind: Type.String(), debit: Type.Integer(), credit: Type.Integer(), amountPiasters: Type.Integer() }),
  ),
  holdsMoney: Type.Boolean({
    description: 'Then it is closed by a posting or a write-off, which need a second person.',
  }),
  waitUntil: text,
  openedRun: Type.Integer(),
  lastRun: Type.Integer(),
  openedAt: Type.String(),
  closedAt: text,
  closedBy: text,
  resolution: text,
}
const exceptionShape = shape(exceptionProperties)
const params = shape({ exceptionId: id('Number of the exception.') })

function runView({ id: runId, startedAtMs, endedAtMs, words: said, ...run }: ReconciliationRun) {
  return { runId, ...run, words: said ?? null, startedAt: instantOf(startedAtMs), endedAt: instantOf(endedAtMs) }
}

function todayOf(call: Call<unknown, unknown, unknown>): CivilDate {
  return civilDate(call.services.clock.now())
}

async function viewIn(client: Client, exception: ReconciliationException, today: CivilDate): Promise<ExceptionView> {
  return exceptionView(exception, today, await bankingDaysOn(client, today))
}

function work(
  call: Call<{ exceptionId: number }, unknown, unknown>,
  what: string,
  change: (client: Client, id: number, author: Author) => Promise<ReconciliationException>,
): Promise<Answer> {
  return changeOnce(call, async (client) => {
    const { exceptionId } = call.params
    const author = { actor: call.actor.id, nowMs: call.services.clock.now() }
    const changed = await change(client, exceptionId, author)
    const view = await viewIn(client, changed, todayOf(call))
    return { answer: ok(view), households: [], detail: { exception: exceptionId, what } }
  })
}

/** Reconciliation: its runs, the exceptions and the desk that works them. What moves money is a change request. */
export const reconciliationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/reconciliation/runs',
    tag,
    summary: 'list runs of the reconciliation, the newest first',
    query: shape({ date: Type.Optional(date('Business date.')), ...paging }),
    answers: { 200: pageOf(runShape) },
    handler: async (call) => {
      const { date: businessDate, limit, cursor } = call.query
      if (businessDate !== undefined) dayOf(businessDate)
      const rows = await call.services.database.read((client) =>
        listRuns(client, { businessDate, beforeId: idCursor(cursor), limit: rowsFor(limit) }),
      )
      return ok(page(rows, limit, ({ id: row }) => [row], runView))
    },
  }),
  route({
    method: 'GET',
    path: '/reconciliation/breaks',
    tag,
    summary: 'list the kinds of break with what they mean and what is done about them',
    answers: {
      200: shape({
        items: Type.Array(
          shape({
            break: Type.String(),
            number: Type.Integer({ description: 'Owner of its suspense and write-off accounts.' }),
            level: Type.Enum([...levels]),
            meaning: Type.String(),
            action: Type.String(),
            warnDays: count,
            closeDays: count,
            count: Type.Enum(['banking', 'calendar']),
          }),
        ),
      }),
    },
    handler: async () => ok({ items: breakNames.map((name) => ({ break: name, ...breakTypes[name] })) }),
  }),
  route({
    method: 'GET',
    path: '/reconciliation/exceptions',
    tag,
    summary: 'list exceptions, the newest first; those that are open unless told',
    query: shape({
      state: Type.Optional(Type.Enum([...exceptionStates, 'any'])),
      owner: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: '`none` = without an owner.' })),
      break: Type.Optional(Type.Enum([...breakNames])),
      age: Type.Optional(Type.Enum([...ageBuckets])),
      date: Type.Optional(date('Business date.')),
      ...paging,
    }),
    answers: { 200: pageOf(exceptionShape) },
    handler: async (call) => {
      const { limit, cursor, ...search } = call.query
      if (search.date !== undefined) dayOf(search.date)
      const today = todayOf(call)
      return call.services.database.read(async (client) => {
        const banking = await bankingDaysOn(client, today)
        const filter = filterOf({ ...search, beforeId: idCursor(cursor), limit: rowsFor(limit) }, today, banking)
        const rows = await listExceptions(client, filter)
        return ok(
          page(
            rows,
            limit,
            ({ id: row }) => [row],
            (row) => exceptionView(row, today, banking),
          ),
        )
      })
    },
  }),
  route({
    method: 'GET',
    path: '/reconciliation/ageing',
    tag,
    summary: 'show what is open by kind of break and age, with the value at risk',
    answers: {
      200: shape({
        items: Type.Array(
          shape({
            break: Type.String(),
            counts: Type.Record(Type.String(), count, { description: 'By age in days.' }),
            exceptions: count,
            valueAtRiskPiasters: Type.String(),
            oldestDays: count,
            overdue: count,
          }),
        ),
      }),
    },
    handler: async (call) => {
      const today = todayOf(call)
      return call.services.database.read(async (client) =>
        ok({ items: await ageingOf(client, today, await bankingDaysOn(client, today)) }),
      )
    },
  }),
  route({
    method: 'GET',
    path: '/reconciliation/exceptions/{exceptionId}',
    tag,
    summary: 'show an exception with its matches and all that happened to it',
    params,
    answers: {
      200: shape({
        ...exceptionProperties,
        events: Type.Array(
          shape({
            at: orNull(instant('When')),
            actor: Type.String(),
            event: Type.String(),
            comment: text,
            detail: Type.Record(Type.String(), Type.Unknown()),
          }),
        ),
        matches: Type.Array(
          shape({
            businessDate: Type.String(),
            rule: Type.String(),
            confidence: count,
            authorizationId: count,
            fileId: count,
            item: count,
            instructionId: count,
            statementId: count,
            entry: count,
            amountPiasters: Type.Integer(),
          }),
        ),
      }),
    },
    handler: async (call) =>
      call.services.database.read(async (client) => {
        const exception = await readException(client, call.params.exceptionId)
        const events = await readEvents(client, exception.id)
        return ok({
          ...(await viewIn(client, exception, todayOf(call))),
          events: events.map(({ atMs, comment, ...event }) => ({
            ...event,
            at: instantOf(atMs),
            comment: comment ?? null,
          })),
          matches: await readRelatedMatches(client, exception),
        })
      }),
  }),
  route({
    method: 'POST',
    path: '/reconciliation/exceptions/{exceptionId}/assign',
    tag,
    summary: 'give an exception to somebody',
    params,
    body: shape({ owner: words('Who works on it.', 64), comment: Type.Optional(words('What to know.')) }),
    answers: { 200: exceptionShape },
    changes: true,
    handler: (call) =>
      work(call, 'assign', (client, exceptionId, author) =>
        assignException(client, exceptionId, call.body.owner, call.body.comment, author),
      ),
  }),
  route({
    method: 'POST',
    path: '/reconciliation/exceptions/{exceptionId}/wait',
    tag,
    summary: 'let an exception rest until a date',
    params,
    body: shape({ until: date('From then on it is open again.'), comment: words('What is waited for.') }),
    answers: { 200: exceptionShape },
    changes: true,
    handler: (call) => {
      dayOf(call.body.until)
      return work(call, 'wait', (client, exceptionId, author) =>
        waitException(client, exceptionId, call.body.until, call.body.comment, author),
      )
    },
  }),
  route({
    method: 'POST',
    path: '/reconciliation/exceptions/{exceptionId}/comment',
    tag,
    summary: 'say something of an exception',
    params,
    body: shape({ comment: words('What there is to say.') }),
    answers: { 200: exceptionShape },
    changes: true,
    handler: (call) =>
      work(call, 'comment', (client, exceptionId, author) =>
        commentException(client, exceptionId, call.body.comment, author),
      ),
  }),
  route({
    method: 'POST',
    path: '/reconciliation/exceptions/{exceptionId}/resolve',
    tag,
    summary: 'close an exception that holds no money; one that does needs a change request of two people',
    description:
      'Postings and write-offs: POST /change-requests of kind reconciliation-correction or reconciliation-write-off.',
    params,
    body: shape({ comment: words('How it was settled.') }),
    answers: { 200: exceptionShape },
    changes: true,
    handler: (call) =>
      work(call, 'resolve', (client, exceptionId, author) =>
        resolveByWords(client, exceptionId, call.body.comment, author),
      ),
  }),
]
