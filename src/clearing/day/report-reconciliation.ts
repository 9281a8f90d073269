import type { DayReport } from './report.ts'
import {
  counted,
  left,
  leftOut,
  money,
  type ReportSection,
  type ReportTable,
  right,
  sumOf,
  tableOf,
  timeOf,
} from './report-parts.ts'

/** Runs of the reconciliation, and what is open; pure. */
export function reconciliationSection({ reconciliation, businessDate }: DayReport): ReportSection {
  const { runs, matches, exceptions, ageing, openOfDate, openOfAll } = reconciliation
  const told = ({ exceptions: count, valueAtRiskPiasters }: typeof openOfDate) =>
    `${counted(count)}, value at risk ${money(valueAtRiskPiasters)} EGP`
  return {
    title: 'Reconciliation',
    newPage: true,
    facts: [
      ['open of the date', told(openOfDate)],
      ['open of all dates', told(openOfAll)],
    ],
    tables: [
      ...tableOf(
        'Runs',
        [
          ...[right('run'), left('state'), left('begun'), left('ended'), right('matched'), right('breaks')],
          ...[right('opened'), right('resolved'), left('by')],
        ],
        runs.map((run) => [
          ...[String(run.runId), run.state, run.startedAt === null ? '' : timeOf(run.startedAt)],
          run.endedAt === null ? '' : timeOf(run.endedAt),
          ...[run.matched, run.found, run.opened, run.resolved].map(counted),
          run.requestedBy,
        ]),
      ),
      ...tableOf(
        'Compared and matched by the last run',
        [left('level'), left('what'), right('compared'), right('matched')],
        matches.map(({ level, what, compared, matched }) => [
          ...[level, what, compared === null ? '' : counted(compared), matched === null ? '' : counted(matched)],
        ]),
        [['sum', '', '', counted(matches.reduce((count, { matched }) => count + (matched ?? 0), 0))]],
      ),
      ...exceptionTable(exceptions),
      ...tableOf(
        'Open exceptions of all dates, by age in days',
        [
          left('break'),
          ...Object.keys(ageing[0]?.counts ?? {}).map(right),
          ...[right('open'), right('overdue'), right('oldest'), right('EGP at risk')],
        ],
        ageing.map((row) => [
          ...[row.break, ...Object.values(row.counts).map(counted), counted(row.exceptions), counted(row.overdue)],
          ...[counted(row.oldestDays), money(row.valueAtRiskPiasters)],
        ]),
      ),
    ],
    notes: [
      ...(runs.length === 0 ? ['The date was not reconciled yet.'] : []),
      ...leftOut(reconciliation.runsLeftOut, 'run', `mizan reconcile show`),
      ...(openOfDate.exceptions === 0 ? ['No exception of the date is open.'] : []),
      ...leftOut(
        openOfDate.exceptions - exceptions.length,
        'exception',
        `mizan reconcile exceptions --date ${businessDate}`,
      ),
    ],
  }
}

function exceptionTable(exceptions: DayReport['reconciliation']['exceptions']): ReportTable[] {
  return tableOf(
    'Open exceptions of the date',
    [
      ...[right('number'), left('break'), left('state'), left('owner'), right('age, days'), left('lateness')],
      ...[right('EGP at risk'), left('what')],
    ],
    exceptions.map((one) => [
      ...[String(one.exceptionId), one.break, one.state, one.owner ?? 'nobody', counted(one.ageDays), one.lateness],
      ...[money(one.valueAtRiskPiasters), one.summary],
    ]),
    [['listed', '', '', '', '', '', money(sumOf(exceptions.map((one) => one.valueAtRiskPiasters))), '']],
  )
}
