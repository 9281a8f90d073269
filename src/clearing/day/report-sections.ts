import type { DayReport } from './report.ts'
import {
  counted,
  left,
  leftOut,
  money,
  quantity,
  type ReportSection,
  right,
  sumOf,
  tableOf,
  timeOf,
} from './report-parts.ts'
import { reconciliationSection } from './report-reconciliation.ts'
import { bankSection, settlementSections } from './report-settlement.ts'

/** The report of a day in parts, for people; pure. Amounts have two decimals, times are Cairo's. */
export function reportSections(report: DayReport): readonly ReportSection[] {
  return [
    daySection(report),
    balanceSection(report),
    filesSection(report),
    ...settlementSections(report),
    bankSection(report),
    reconciliationSection(report),
  ]
}

function daySection({ businessDate, day, drawnAt }: DayReport): ReportSection {
  return {
    title: `Business day ${businessDate}`,
    newPage: false,
    facts: [
      ['state', day.state],
      ['end asked for', day.askedAt === null ? 'not yet' : `${timeOf(day.askedAt)} by ${day.askedBy ?? ''}`],
      ['closed in all lanes', day.lanesClosedAt === null ? 'not yet' : timeOf(day.lanesClosedAt)],
      ['all steps done', day.closedAt === null ? 'not yet' : timeOf(day.closedAt)],
      ['report drawn up', `${timeOf(drawnAt)}, Cairo time as all of these`],
    ],
    tables: tableOf(
      'Steps',
      [left('step'), left('state'), left('begun'), left('ended'), right('times'), left('what came of it')],
      day.steps.map(({ step, state, startedAt, endedAt, attempts, words }) => [
        ...[step, state, startedAt === null ? '' : timeOf(startedAt), endedAt === null ? '' : timeOf(endedAt)],
        ...[String(attempts), words ?? ''],
      ]),
    ),
    notes: day.steps.length === 0 ? ['No step of the day has begun.'] : [],
  }
}

function balanceSection({ trialBalance }: DayReport): ReportSection {
  const units = [...new Set(trialBalance.map(({ unit }) => unit))]
  const unequal: string[] = []
  const sums = units.map((unit) => {
    const own = trialBalance.filter((row) => row.unit === unit)
    const [debits, credits, balance] = [
      sumOf(own.map((row) => row.debits)),
      sumOf(own.map((row) => row.credits)),
      sumOf(own.map((row) => row.balance)),
    ]
    if (debits !== credits || balance !== 0n) unequal.push(unit)
    const lines = String(own.reduce((count, row) => count + row.lines, 0))
    return ['', 'sum', unit, lines, ...[debits, credits, balance].map((one) => quantity(one, unit))]
  })
  return {
    title: 'Trial balance kept with the day',
    newPage: false,
    facts: [],
    tables: tableOf(
      'By kind of account; balances after the day, credits above zero',
      [
        right('kind'),
        left('account'),
        left('unit'),
        right('lines'),
        right('debits'),
        right('credits'),
        right('balance'),
      ],
      trialBalance.map(({ kind, accountName, unit, lines, debits, credits, balance }) => [
        ...[String(kind), accountName, unit, String(lines)],
        ...[debits, credits, balance].map((one) => quantity(one, unit)),
      ]),
      sums,
    ),
    notes: [
      ...(trialBalance.length === 0 ? ['No trial balance is kept with the day yet.'] : []),
      ...unequal.map((unit) => `Debits and credits of ${unit} do NOT agree.`),
    ],
  }
}

function filesSection({ files }: DayReport): ReportSection {
  return {
    title: 'Clearing files',
    newPage: true,
    facts: [],
    tables: [
      ...tableOf(
        'Files',
        [
          ...[left('name'), left('way'), left('state'), right('records'), right('items'), right('gross EGP')],
          { head: 'SHA-256', code: true },
        ],
        files.rows.map(({ name, direction, state, records, items, grossPiasters, sha256 }) => [
          ...[name, direction, state, records === null ? '' : counted(records), counted(items)],
          ...[money(grossPiasters), sha256 ?? 'not written yet'],
        ]),
      ),
      ...tableOf(
        'Sums by type, without what a correction superseded',
        [
          ...[left('type'), left('way'), right('files'), right('superseded')],
          ...[right('records'), right('items'), right('gross EGP')],
        ],
        files.sums.map((row) => [
          ...[row.type, row.direction, counted(row.files), counted(row.superseded)],
          ...[counted(row.records), counted(row.items), money(row.grossPiasters)],
        ]),
      ),
    ],
    notes: [
      ...(files.rows.length === 0 ? ['There are no files of the date yet.'] : []),
      ...leftOut(files.leftOut, 'file', 'mizan clearing list'),
    ],
  }
}
