import { type CivilDate, civilTime, formatDate } from '../../calendar.ts'
import { formatPiasters } from '../../money.ts'
import type { DayReport } from './report.ts'

/** A column of a table. */
export interface ReportColumn {
  readonly head: string
  /** Amounts and counts stand on the right. */
  readonly right?: true
  /** Long and without blanks, such as a hash: it may break anywhere. */
  readonly code?: true
}

/** A table: rows of texts, and the lines of sums below them. */
export interface ReportTable {
  readonly title: string
  readonly columns: readonly ReportColumn[]
  readonly rows: readonly (readonly string[])[]
  readonly sums: readonly (readonly string[])[]
}

/** A part of the report: facts, tables and remarks, as they come on paper or on a screen. */
export interface ReportSection {
  readonly title: string
  /** On paper it begins a page. */
  readonly newPage: boolean
  readonly facts: readonly (readonly [string, string])[]
  readonly tables: readonly ReportTable[]
  readonly notes: readonly string[]
}

type Run = DayReport['settlement'][number]

const right = (head: string): ReportColumn => ({ head, right: true })
const left = (head: string): ReportColumn => ({ head })

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

function settlementSections({ settlement, businessDate }: DayReport): readonly ReportSection[] {
  if (settlement.length > 0) return settlement.map((run) => runSection(run, businessDate, settlement.length > 1))
  return [
    {
      title: 'Settlement',
      newPage: true,
      facts: [],
      tables: [],
      notes: ['There is no run of settlement of the date yet.'],
    },
  ]
}

function runSection(run: Run, businessDate: string, several: boolean): ReportSection {
  const { holdback } = run
  return {
    title: several ? `Settlement, run ${run.cycle}` : 'Settlement',
    newPage: true,
    facts: [
      ['state', run.releasedBy === null ? run.state : `${run.state} by ${run.releasedBy}`],
      ['business dates', run.coversFrom === businessDate ? businessDate : `${run.coversFrom} to ${businessDate}`],
      ['value date', run.valueDate],
      [
        'held back',
        `${money(sumOf([holdback.heldPurchasesPiasters, holdback.heldSubsidyPiasters]))} EGP of ${counted(holdback.held)} outlet(s)`,
      ],
      [
        'released of earlier holdback',
        `${money(holdback.releasedPiasters)} EGP of ${counted(holdback.released)} entries`,
      ],
    ],
    tables: [...payableTable(run), ...positionTable(run), ...instructionTable(run)],
    notes: [
      ...(run.payables.length === 0 ? ['Nothing is payable for subsidies.'] : []),
      ...(run.positions.length === 0 ? ['No institution has a net position.'] : []),
      ...(run.instructions.length === 0 ? ['There are no payment instructions.'] : []),
      ...leftOut(run.positionsLeftOut, 'position', `mizan settlement positions ${businessDate}`),
    ],
  }
}

function payableTable({ payables }: Run): ReportTable[] {
  return tableOf(
    'Payable for subsidies, by programme',
    [
      ...[right('programme'), right('outlets'), right('quantity'), left('unit')],
      ...[right('holders paid EGP'), right('payable EGP')],
    ],
    payables.map((row) => [
      ...[String(row.programme), counted(row.outlets), quantity(row.quantity, row.unit), row.unit],
      ...[money(row.coPaymentPiasters), money(row.payablePiasters)],
    ]),
    [
      [
        ...['sum', '', '', ''],
        money(sumOf(payables.map((row) => row.coPaymentPiasters))),
        money(sumOf(payables.map((row) => row.payablePiasters))),
      ],
    ],
  )
}

function positionTable({ positions, positionSums: sums }: Run): ReportTable[] {
  return tableOf(
    'Net positions; above zero the institution gets',
    [
      ...[left('institution'), left('bank'), right('parts')],
      ...[right('gets EGP'), right('pays EGP'), right('net EGP')],
    ],
    positions.map((row) => [
      ...[`${row.kind} ${row.institution}`, row.bankCode, counted(row.parts)],
      ...[money(row.creditPiasters), money(row.debitPiasters), money(row.netPiasters)],
    ]),
    [['sum', '', '', money(sums.creditPiasters), money(sums.debitPiasters), money(sums.netPiasters)]],
  )
}

function instructionTable({ instructions }: Run): ReportTable[] {
  return tableOf(
    'Payment instructions by state',
    [left('state'), right('instructions'), right('EGP')],
    instructions.map((row) => [row.state, counted(row.instructions), money(row.piasters)]),
    [
      [
        'sum',
        counted(instructions.reduce((count, row) => count + row.instructions, 0)),
        money(sumOf(instructions.map((row) => row.piasters))),
      ],
    ],
  )
}

function bankSection({ bank }: DayReport): ReportSection {
  const dates = bank.valueDates.join(', ')
  const apart = bank.statements.filter(
    (one) => one.ledgerPiasters !== null && one.closingPiasters !== null && one.ledgerPiasters !== one.closingPiasters,
  )
  return {
    title: 'Bank statements of the value date',
    newPage: true,
    facts: [['value date', dates]],
    tables: tableOf(
      'Statements; above zero the bank owes us',
      [
        ...[left('bank'), left('account'), left('date'), left('statement'), left('state'), right('entries')],
        ...[right('opening EGP'), right('credits EGP'), right('debits EGP'), right('closing EGP'), right('ledger EGP')],
      ],
      bank.statements.map((one) => [
        ...[one.bankCode, one.account, one.date, one.statementId, one.state, counted(one.entries)],
        ...[one.openingPiasters, one.creditPiasters, one.debitPiasters, one.closingPiasters, one.ledgerPiasters].map(
          (piasters) => (piasters === null ? '' : money(piasters)),
        ),
      ]),
    ),
    notes: [
      ...(bank.statements.length === 0 ? [`No statement of ${dates} has come yet.`] : []),
      ...(bank.missing.length === 0 ? [] : [`Banks of the run without a statement of it: ${bank.missing.join(', ')}.`]),
      ...apart.map((one) => `${one.bankCode} ${one.account}: the closing balance is NOT what the ledger had.`),
      ...bank.statements
        .filter((one) => one.suspense > 0)
        .map((one) => `${one.bankCode} ${one.account}: ${counted(one.suspense)} entries stand in suspense.`),
    ],
  }
}

function reconciliationSection({ reconciliation, businessDate }: DayReport): ReportSection {
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

/** A table, or none where it has no rows. */
function tableOf(
  title: string,
  columns: readonly ReportColumn[],
  rows: readonly (readonly string[])[],
  sums: readonly (readonly string[])[] = [],
): ReportTable[] {
  return rows.length === 0 ? [] : [{ title, columns, rows, sums }]
}

function leftOut(count: number, what: string, where: string): string[] {
  return count > 0 ? [`${counted(count)} further ${what}(s) are not listed; ${where} shows them.`] : []
}

const sumOf = (values: readonly string[]) => values.reduce((sum, value) => sum + BigInt(value), 0n)
const money = (piasters: string | bigint) => formatPiasters(BigInt(piasters))
const counted = (count: number | string) => String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ',')
const quantity = (amount: string | bigint, unit: string) => (unit === 'EGP' ? money(amount) : counted(String(amount)))

/** An instant as a clock in Cairo shows it. */
function timeOf(instant: string): string {
  const { date, time } = civilTime(Date.parse(instant))
  const civil: CivilDate = date
  return `${formatDate(civil)} ${time.replace(/^(..)(..)(..)$/, '$1:$2:$3')}`
}
