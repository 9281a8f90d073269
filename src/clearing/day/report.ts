import { type CivilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { readDay, readSteps } from '../../store/clearing/business-day.ts'
import {
  countOpenExceptions,
  countReconciliationRuns,
  listRunKeys,
  listStatementsOf,
  readFileSums,
  readHoldbackSums,
  readKindBalances,
  readPayableSums,
} from '../../store/clearing/day-report.ts'
import { listFiles } from '../../store/clearing/files.ts'
import { listExceptions } from '../../store/clearing/reconciliation-desk.ts'
import { listRuns as listReconciliationRuns, type ReconciliationRun } from '../../store/clearing/reconciliation-runs.ts'
import { findRun, type RunKey } from '../../store/clearing/settlement-runs.ts'
import { countInstructions, listPositions, readWaiting } from '../../store/clearing/settlement-views.ts'
import type { Client } from '../../store/connection.ts'
import { maskText } from '../../telemetry/mask.ts'
import type { BankingDays } from '../reconciliation/ageing.ts'
import { isBreakName, levels } from '../reconciliation/breaks.ts'
import { matchingRules, type RuleName } from '../reconciliation/rules.ts'
import { ageingOf, bankingDaysOn, exceptionView, openStates } from '../reconciliation/view.ts'
import { valueDateOf } from './banking-calendar.ts'

/** Rows of a list at most; what a list leaves out is counted. */
const REPORT_ROWS_MAX = 1_000
const RUNS_MAX = 50

/** The report of a business date; JSON as it is, sums in digits. */
export type DayReport = Awaited<ReturnType<typeof readDayReport>>

/**
 * Reads the report of a business date: the day, its trial balance, files, settlement, bank statements of the value
 * date, and reconciliation, all as of the transaction of the caller. No card number is in it; account numbers of banks
 * end in four characters.
 * @param options.today the date by which exceptions are aged
 * @throws MizanError NOT_FOUND when the day is not known
 */
export async function readDayReport(
  client: Client,
  date: CivilDate,
  { today, nowMs }: { readonly today: CivilDate; readonly nowMs: number },
) {
  const day = await readDayPart(client, date)
  const banking = await bankingDaysOn(client, today)
  const settled: Awaited<ReturnType<typeof readSettlement>>[] = []
  for (const key of await listRunKeys(client, date)) settled.push(await readSettlement(client, key))
  const settlement = settled.map(({ run }) => run)
  const valueDates = settlement.map((run) => run.valueDate)
  if (valueDates.length === 0) valueDates.push(formatDate(valueDateOf(date, banking)))
  const banks = settled.flatMap((one) => one.banks)
  return {
    businessDate: formatDate(date),
    drawnAt: new Date(nowMs).toISOString(),
    day,
    trialBalance: (await readKindBalances(client, date)).map((row) => ({
      ...row,
      ...{ debits: String(row.debits), credits: String(row.credits), balance: String(row.balance) },
    })),
    files: await readFiles(client, date),
    settlement,
    bank: await readBank(client, [...new Set(valueDates)], banks),
    reconciliation: await readReconciliation(client, date, today, banking),
  }
}

async function readDayPart(client: Client, date: CivilDate) {
  const day = await readDay(client, date)
  if (day === undefined) {
    throw new MizanError(
      'NOT_FOUND',
      `business day ${formatDate(date)} is not known; mizan cutover history lists the days`,
    )
  }
  const steps = await readSteps(client, date)
  return {
    state: day.state,
    askedBy: day.askedBy ?? null,
    askedAt: instant(day.askedAtMs),
    lanesClosedAt: instant(day.lanesClosedAtMs),
    closedAt: instant(day.closedAtMs),
    steps: steps.map(({ step, state, attempts, startedAtMs, endedAtMs, words }) => ({
      ...{ step, state, attempts },
      startedAt: instant(startedAtMs),
      endedAt: instant(endedAtMs),
      words: words === undefined ? null : maskWords(words),
    })),
  }
}

async function readFiles(client: Client, date: CivilDate) {
  const sums = await readFileSums(client, date)
  const rows = await listFiles(client, { businessDate: date, limit: REPORT_ROWS_MAX })
  const all = sums.reduce((count, { files, superseded }) => count + files + superseded, 0)
  return {
    rows: rows.toReversed().map((file) => ({
      ...{ name: file.name, direction: file.direction, type: file.type, institution: file.institution },
      ...{ state: file.state, items: file.items, records: file.records ?? null, bytes: file.bytes ?? null },
      grossPiasters: String(file.grossPiasters),
      sha256: file.sha256?.toString('hex') ?? null,
    })),
    leftOut: all - rows.length,
    sums: sums.map(({ records, items, grossPiasters, ...rest }) => ({
      ...rest,
      ...{ records: String(records), items: String(items), grossPiasters: String(grossPiasters) },
    })),
  }
}

async function readSettlement(client: Client, key: RunKey) {
  const run = await findRun(client, key)
  if (run === undefined) throw new MizanError('NOT_FOUND', `there is no run ${key.cycle} of the date`)
  const payables = await readPayableSums(client, key)
  const holdback = await readHoldbackSums(client, key)
  const positions = await listPositions(client, key)
  const instructions = await countInstructions(client, key)
  const waiting = await readWaiting(client, key)
  const { credit, debit, net } = positions.reduce(
    (sum, one) => ({
      credit: sum.credit + BigInt(one.creditPiasters),
      debit: sum.debit + BigInt(one.debitPiasters),
      net: sum.net + BigInt(one.netPiasters),
    }),
    { credit: 0n, debit: 0n, net: 0n },
  )
  const view = {
    cycle: key.cycle,
    coversFrom: formatDate(run.coversFrom),
    valueDate: formatDate(run.valueDate),
    state: run.state,
    releasedBy: run.releasedBy ?? null,
    payables: payables.map(({ programme, unit, outlets, ...sums }) => ({
      ...{ programme, unit, outlets },
      quantity: String(sums.quantity),
      coPaymentPiasters: String(sums.coPaymentPiasters),
      payablePiasters: String(sums.payablePiasters),
    })),
    holdback: {
      ...{ held: holdback.held, released: holdback.released },
      heldPurchasesPiasters: String(holdback.heldPurchasesPiasters),
      heldSubsidyPiasters: String(holdback.heldSubsidyPiasters),
      releasedPiasters: String(holdback.releasedPiasters),
    },
    positions: positions.slice(0, REPORT_ROWS_MAX).map((one) => ({
      ...{ kind: one.kind, institution: one.institution, bankCode: one.bankCode, parts: one.parts },
      creditPiasters: String(one.creditPiasters),
      debitPiasters: String(one.debitPiasters),
      netPiasters: String(one.netPiasters),
    })),
    positionsLeftOut: Math.max(0, positions.length - REPORT_ROWS_MAX),
    positionSums: { creditPiasters: String(credit), debitPiasters: String(debit), netPiasters: String(net) },
    waiting: waiting.map(({ piasters, ...one }) => ({ ...one, piasters: String(piasters) })),
    instructions: instructions.map(({ state, instructions: count, piasters }) => ({
      state,
      instructions: count,
      piasters: String(piasters),
    })),
  }
  const banks = instructions.length === 0 ? [] : positions.map(({ bankCode }) => bankCode)
  return { run: view, banks }
}

async function readBank(client: Client, valueDates: readonly string[], banks: readonly string[]) {
  const dates = valueDates.map((text) => Number(text.replaceAll('-', '')) as CivilDate)
  const { statements, all } = await listStatementsOf(client, dates, REPORT_ROWS_MAX)
  const seen = new Set(statements.map(({ bankCode }) => bankCode))
  return {
    valueDates,
    statements: statements.map((one) => ({
      ...{ bankCode: one.bankCode, account: ending(one.account), statementId: maskWords(one.statementId) },
      ...{ sequence: one.sequence ?? null, date: formatDate(one.date), state: one.state },
      ...{ entries: one.entries, suspense: one.suspense },
      openingPiasters: digits(one.openingPiasters),
      creditPiasters: String(one.creditPiasters),
      debitPiasters: String(one.debitPiasters),
      closingPiasters: digits(one.closingPiasters),
      ledgerPiasters: digits(one.ledgerPiasters),
    })),
    statementsLeftOut: all - statements.length,
    /** Banks in whose positions money moves, and that have sent no statement of the value date. */
    missing: [...new Set(banks)].filter((code) => !seen.has(code)).sort(),
  }
}

async function readReconciliation(client: Client, date: CivilDate, today: CivilDate, banking: BankingDays) {
  const businessDate = formatDate(date)
  const runs = await listReconciliationRuns(client, { businessDate, limit: RUNS_MAX })
  const open = await countOpenExceptions(client, date)
  const found = await listExceptions(client, { businessDate, states: openStates, limit: REPORT_ROWS_MAX })
  const all = await countReconciliationRuns(client, date)
  const latest = runs.find(({ state }) => state === 'done')
  return {
    runs: runs.toReversed().map((run) => ({
      ...{ runId: run.id, state: run.state, requestedBy: run.requestedBy },
      startedAt: instant(run.startedAtMs),
      endedAt: instant(run.endedAtMs),
      ...{ matched: run.matched, found: run.found, opened: run.opened, resolved: run.resolved },
    })),
    runsLeftOut: all - runs.length,
    matches: latest === undefined ? [] : matchRows(latest),
    openOfDate: { exceptions: open.ofDate, valueAtRiskPiasters: String(open.ofDatePiasters) },
    openOfAll: { exceptions: open.all, valueAtRiskPiasters: String(open.allPiasters) },
    exceptions: found
      // Of a later version of the program, perhaps: it is counted, but nobody here knows its age.
      .filter((one) => isBreakName(one.break))
      .map((one) => {
        const view = exceptionView(one, today, banking)
        return {
          ...{ exceptionId: view.exceptionId, break: view.break, level: view.level, state: view.state },
          ...{ owner: view.owner, openedOn: view.openedOn, ageDays: view.ageDays, lateness: view.lateness },
          valueAtRiskPiasters: String(view.valueAtRiskPiasters),
          summary: maskWords(view.summary),
        }
      }),
    ageing: (await ageingOf(client, today, banking)).map(({ counts, ...row }) => ({ ...row, counts: { ...counts } })),
  }
}

/** What the last run compared and matched, by level. */
function matchRows({ levels: seen }: ReconciliationRun) {
  return Object.entries(seen)
    .flatMap(([level, { compared, matched }]) => [
      ...Object.entries(compared).map(([what, count]) => ({ level, what, compared: count, matched: null })),
      ...Object.entries(matched).map(([rule, count]) => ({
        level: Object.hasOwn(matchingRules, rule) ? matchingRules[rule as RuleName].level : level,
        what: `by ${rule}`,
        compared: null,
        matched: count,
      })),
    ])
    .toSorted((one, other) => order(one.level) - order(other.level))
}

/** Levels that are not known come last. */
function order(level: string): number {
  const index = (levels as readonly string[]).indexOf(level)
  return index < 0 ? levels.length : index
}

/** Takes card numbers and international account numbers out of words that people or programs wrote. */
export function maskWords(text: string): string {
  return maskText(text.replace(IBAN, (found) => ending(found.replaceAll(' ', ''))))
}

/** Country, two check digits, and 11 to 30 more; in one piece or in printed groups of four. */
const IBAN =
  /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[A-Z0-9]{11,30}| [A-Z0-9]{4}(?: (?=[A-Z]*\d)[A-Z0-9]{4}){1,6}(?: [A-Z0-9]{1,3})?)(?![A-Za-z0-9])/g

const ending = (account: string) => `****${account.slice(-4)}`
const digits = (piasters: bigint | undefined) => (piasters === undefined ? null : String(piasters))
const instant = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString())
