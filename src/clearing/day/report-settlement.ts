import { formatDate } from '../../calendar.ts'
import { BEGINNING } from '../settlement/compute.ts'
import type { DayReport } from './report.ts'
import {
  counted,
  left,
  leftOut,
  money,
  quantity,
  type ReportSection,
  type ReportTable,
  right,
  sumOf,
  tableOf,
} from './report-parts.ts'

type Run = DayReport['settlement'][number]

/** The runs of settlement of a day; pure. */
export function settlementSections({ settlement, businessDate }: DayReport): readonly ReportSection[] {
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

function datesOf(from: string, to: string): string {
  if (from === to) return to
  return from === formatDate(BEGINNING) ? `all to ${to}` : `${from} to ${to}`
}

function runSection(run: Run, businessDate: string, several: boolean): ReportSection {
  const { holdback } = run
  return {
    title: several ? `Settlement, run ${run.cycle}` : 'Settlement',
    newPage: true,
    facts: [
      ['state', run.releasedBy === null ? run.state : `${run.state} by ${run.releasedBy}`],
      ['business dates', datesOf(run.coversFrom, businessDate)],
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
    tables: [...payableTable(run), ...positionTable(run), ...waitingTable(run), ...instructionTable(run)],
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

/** What the run could not instruct, or did not yet: nobody is paid it until what the reason names is mended. */
function waitingTable({ waiting }: Run): ReportTable[] {
  return tableOf(
    'Waits, by reason; above zero it is due from us',
    [left('reason'), left('account'), right('accounts'), right('EGP')],
    waiting.map((row) => [row.note, row.kind, counted(row.accounts), money(row.piasters)]),
    [
      [
        'sum',
        '',
        counted(waiting.reduce((count, row) => count + row.accounts, 0)),
        money(sumOf(waiting.map((row) => row.piasters))),
      ],
    ],
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

/** What banks stated of the value date; pure. */
export function bankSection({ bank }: DayReport): ReportSection {
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
      ...leftOut(bank.statementsLeftOut, 'statement', 'mizan bank statements'),
      ...(bank.missing.length === 0 ? [] : [`Banks of the run without a statement of it: ${bank.missing.join(', ')}.`]),
      ...apart.map((one) => `${one.bankCode} ${one.account}: the closing balance is NOT what the ledger had.`),
      ...bank.statements
        .filter((one) => one.suspense > 0)
        .map((one) => `${one.bankCode} ${one.account}: ${counted(one.suspense)} entries stand in suspense.`),
    ],
  }
}
