import { Type } from 'typebox'
import { civilDate } from '../../calendar.ts'
import { readDayReport } from '../../clearing/day/report.ts'
import { reportHtml } from '../../clearing/day/report-html.ts'
import { reportSections } from '../../clearing/day/report-sections.ts'
import { dayOf } from '../days.ts'
import { ok, type Route, route } from '../route.ts'
import { date, instant, orNull, shape } from '../shapes.ts'

const text = Type.String()
const count = Type.Integer()
const piasters = Type.String({ description: 'Piasters, digits.' })
const quantity = Type.String({ description: 'Piasters, loaves or kilograms by the unit, digits.' })
const sum = shape({ exceptions: count, valueAtRiskPiasters: piasters })
const many = (properties: Parameters<typeof shape>[0]) => Type.Array(shape(properties))

const dayPart = shape({
  state: Type.Enum(['open', 'closing', 'closed']),
  askedBy: orNull(text),
  askedAt: orNull(instant('When its end was asked for')),
  lanesClosedAt: orNull(instant('From when on no posting could be of the day')),
  closedAt: orNull(instant('When all its steps were done')),
  steps: many({
    ...{ step: text, state: text, attempts: count, words: orNull(text) },
    startedAt: orNull(instant('Beginning of the last attempt')),
    endedAt: orNull(instant('Its end')),
  }),
})

const balancePart = many({
  ...{ kind: count, accountName: text, unit: text, debits: quantity, credits: quantity, balance: quantity },
  lines: Type.Integer({ description: 'Lines of the trial balance that are of the kind.' }),
})

const filesPart = shape({
  rows: many({
    ...{ name: text, direction: text, type: text, institution: text, state: text },
    ...{ items: count, records: orNull(count), bytes: orNull(count), grossPiasters: piasters, sha256: orNull(text) },
  }),
  leftOut: Type.Integer({ description: 'Files that are not listed here.' }),
  sums: many({
    ...{ direction: text, type: text, files: count, superseded: count },
    ...{ records: text, items: text, grossPiasters: piasters },
  }),
})

const settlementPart = many({
  ...{ cycle: count, coversFrom: date('First date covered.'), valueDate: date('When banks are to pay.') },
  ...{ state: text, releasedBy: orNull(text) },
  payables: many({
    ...{ programme: count, unit: text, outlets: count, quantity },
    ...{ coPaymentPiasters: piasters, payablePiasters: piasters },
  }),
  holdback: shape({
    ...{ held: count, heldPurchasesPiasters: piasters, heldSubsidyPiasters: piasters },
    ...{ released: count, releasedPiasters: piasters },
  }),
  positions: many({
    ...{ kind: text, institution: count, bankCode: text, parts: count },
    ...{ creditPiasters: piasters, debitPiasters: piasters, netPiasters: piasters },
  }),
  positionsLeftOut: count,
  positionSums: shape({ creditPiasters: piasters, debitPiasters: piasters, netPiasters: piasters }),
  /** Left on accounts, by reason and kind of account. */
  waiting: many({ note: text, kind: text, accounts: count, piasters }),
  instructions: many({ state: text, instructions: count, piasters }),
})

const bankPart = shape({
  valueDates: Type.Array(date('Of the runs, else the next banking day.')),
  statements: many({
    ...{ bankCode: text, statementId: text, sequence: orNull(count), date: date('Of the statement.'), state: text },
    account: Type.String({ description: 'Its last four characters.' }),
    ...{ entries: count, suspense: count, creditPiasters: piasters, debitPiasters: piasters },
    ...{ openingPiasters: orNull(piasters), closingPiasters: orNull(piasters), ledgerPiasters: orNull(piasters) },
  }),
  statementsLeftOut: count,
  missing: Type.Array(Type.String({ description: 'Bank of the run without a statement of the value date.' })),
})

const reconciliationPart = shape({
  runs: many({
    ...{ runId: count, state: text, requestedBy: text, matched: count, found: count, opened: count, resolved: count },
    ...{ startedAt: orNull(instant('Begun')), endedAt: orNull(instant('Ended')) },
  }),
  runsLeftOut: count,
  matches: many({ level: text, what: text, compared: orNull(count), matched: orNull(count) }),
  openOfDate: sum,
  openOfAll: sum,
  exceptions: many({
    ...{ exceptionId: count, break: text, level: text, state: text, owner: orNull(text), openedOn: date('Opened.') },
    ...{ ageDays: count, lateness: text, valueAtRiskPiasters: piasters, summary: text },
  }),
  ageing: many({
    ...{ break: text, exceptions: count, valueAtRiskPiasters: piasters, oldestDays: count, overdue: count },
    counts: Type.Record(text, count, { description: 'By age in days.' }),
  }),
})

/** The report of a business day; a browser gets it as a page. */
export const dayReportRoute: Route = route({
  method: 'GET',
  path: '/business-days/{date}/report',
  tag: 'business days',
  summary: 'the report of a business day: steps, trial balance, files, settlement, bank, reconciliation',
  description: 'With `accept: text/html` it is a page to print and sign; it holds no scripts and loads nothing.',
  params: shape({ date: date('The business date.') }),
  answers: {
    200: shape({
      businessDate: date('The day.'),
      drawnAt: instant('As of when'),
      day: dayPart,
      trialBalance: balancePart,
      files: filesPart,
      settlement: settlementPart,
      bank: bankPart,
      reconciliation: reconciliationPart,
    }),
  },
  handler: async ({ services, params, wantsPage }) => {
    const nowMs = services.clock.now()
    const report = await services.database.read((client) =>
      readDayReport(client, dayOf(params.date), { today: civilDate(nowMs), nowMs }),
    )
    if (!wantsPage) return ok(report)
    return { status: 200, page: reportHtml(`Day report ${report.businessDate}`, reportSections(report)) }
  },
})
