import { Command, Option } from 'commander'
import { civilDate, formatDate } from '../calendar.ts'
import { ageBuckets } from '../clearing/reconciliation/ageing.ts'
import { breakNames } from '../clearing/reconciliation/breaks.ts'
import { reconcile } from '../clearing/reconciliation/reconcile.ts'
import { requireAsOf, requireReconcilable } from '../clearing/reconciliation/run-dates.ts'
import {
  type AgeingRow,
  ageingOf,
  bankingDaysOn,
  type ExceptionSearch,
  type ExceptionView,
  exceptionView,
  filterOf,
  lastClosedDate,
} from '../clearing/reconciliation/view.ts'
import { formatPiasters } from '../money.ts'
import { exceptionStates, listExceptions } from '../store/clearing/reconciliation-desk.ts'
import { listRuns, type ReconciliationRun } from '../store/clearing/reconciliation-runs.ts'
import { systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, dateOption, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { stepLine } from './load-progress.ts'
import { numberOption } from './number-option.ts'
import { deskCommands } from './reconcile-desk.ts'
import { tableLines } from './reconcile-text.ts'

const NAME = 'mizan reconcile'
const LIMIT_MAX = 10_000

/** `mizan reconcile`: ledger, clearing and bank against each other, and the desk of exceptions. */
export function reconcileCommand(io: CommandIo = processIo): Command {
  const command = new Command('reconcile')
    .description('compare ledger, clearing and bank, and work the exceptions; see docs/reconciliation.md')
    .addCommand(runCommand(io))
    .addCommand(showCommand(io))
    .addCommand(exceptionsCommand(io))
    .addCommand(ageingCommand(io))
  for (const one of deskCommands(io)) command.addCommand(one)
  return command
}

function runCommand(io: CommandIo): Command {
  const command = new Command('run')
    .description('reconcile a business date; exits 1 when exceptions of the date are open')
    .option('--date <yyyy-mm-dd>', 'business date; default: the last one that was closed')
    .option(
      '--as-of <yyyy-mm-dd>',
      'as if it ran on this date, for a run that was missed: money is due at the bank until then, and what is found counts its age from then; never older than a run before it; default: today in Cairo',
    )
  return withCommonOptions(command).action((options: CommonOptions & { date?: string; asOf?: string }) =>
    atDatabase(io, options, NAME, async ({ client, config, url }) => {
      const businessDate = options.date === undefined ? await lastClosedDate(client) : dateOption(options.date)
      const today = civilDate(Date.now())
      const asOf = options.asOf === undefined ? today : dateOption(options.asOf)
      await requireReconcilable(client, businessDate)
      if (options.asOf !== undefined) await requireAsOf(client, { businessDate, asOf, today })
      const run = await reconcile({
        url,
        businessDate,
        asOf,
        requestedBy: systemActor(io),
        nowMs: () => Date.now(),
        settings: config.clearing.reconciliation,
        progress: stepLine(io),
      })
      const banking = await bankingDaysOn(client, today)
      const date = formatDate(businessDate)
      const open = await listExceptions(client, filterOf({ date, limit: LIMIT_MAX }, today, banking))
      const touched = await listExceptions(client, { ...filterOf({ limit: LIMIT_MAX }, today, banking), run: run.id })
      const all = [...new Map([...open, ...touched].map((one) => [one.id, one])).values()]
      const views = all.map((one) => exceptionView(one, today, banking))
      if (options.json) io.out(`${JSON.stringify({ run, exceptions: views })}\n`)
      else
        io.out(
          `${[...runLines(run), ...(views.length === 0 ? ['nothing is open'] : exceptionLines(views))].join('\n')}\n`,
        )
      if (views.length > 0) process.exitCode = 1
    }),
  )
}

function showCommand(io: CommandIo): Command {
  const command = new Command('show')
    .description('show runs, the newest first, with what they compared and matched')
    .option('--date <yyyy-mm-dd>', 'only of this business date')
    .option('--limit <count>', 'how many', '1')
  return withCommonOptions(command).action((options: CommonOptions & { date?: string; limit: string }) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const businessDate = options.date === undefined ? undefined : formatDate(dateOption(options.date))
      const runs = await listRuns(client, { businessDate, limit: numberOption(options.limit, '--limit', LIMIT_MAX) })
      if (options.json) io.out(`${JSON.stringify(runs)}\n`)
      else
        io.out(
          `${runs.length === 0 ? 'nothing was reconciled yet' : runs.map((run) => [...runLines(run), ...levelLines(run)].join('\n')).join('\n\n')}\n`,
        )
    }),
  )
}

interface ListOptions extends CommonOptions, Omit<ExceptionSearch, 'limit' | 'beforeId'> {
  readonly limit: string
  readonly before?: string
}

function exceptionsCommand(io: CommandIo): Command {
  const command = new Command('exceptions')
    .description('list exceptions, the newest first')
    .addOption(new Option('--state <state>', 'default: those that are open').choices([...exceptionStates, 'any']))
    .option('--owner <name>', 'of this owner; none = without one')
    .addOption(new Option('--break <name>', 'of this kind').choices([...breakNames]))
    .addOption(new Option('--age <days>', 'of this age').choices([...ageBuckets]))
    .option('--date <yyyy-mm-dd>', 'of this business date')
    .option('--before <id>', 'only older ones than this')
    .option('--limit <count>', 'how many', '50')
  return withCommonOptions(command).action((options: ListOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const today = civilDate(Date.now())
      const banking = await bankingDaysOn(client, today)
      const search: ExceptionSearch = {
        ...options,
        date: options.date === undefined ? undefined : formatDate(dateOption(options.date)),
        beforeId: options.before === undefined ? undefined : numberOption(options.before, '--before'),
        limit: numberOption(options.limit, '--limit', LIMIT_MAX),
      }
      const found = await listExceptions(client, filterOf(search, today, banking))
      const views = found.map((one) => exceptionView(one, today, banking))
      if (options.json) io.out(`${JSON.stringify(views)}\n`)
      else io.out(`${views.length === 0 ? 'no exceptions' : exceptionLines(views).join('\n')}\n`)
    }),
  )
}

function ageingCommand(io: CommandIo): Command {
  const command = new Command('ageing').description('what is open, by kind of break and age, with the value at risk')
  return withCommonOptions(command).action((options: CommonOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const today = civilDate(Date.now())
      const rows = await ageingOf(client, today, await bankingDaysOn(client, today))
      if (options.json) io.out(`${JSON.stringify(rows)}\n`)
      else io.out(`${rows.length === 0 ? 'nothing is open' : ageingLines(rows).join('\n')}\n`)
    }),
  )
}

function runLines(run: ReconciliationRun): string[] {
  const { id, businessDate, state, words, requestedBy, endedAtMs, startedAtMs, openAfter, valueAtRiskPiasters } = run
  const took = endedAtMs === undefined ? 'running' : `${((endedAtMs - startedAtMs) / 1_000).toFixed(1)} s`
  return [
    `run ${id} of business date ${businessDate}: ${state} (${took}), asked for by ${requestedBy}`,
    `  ${words ?? 'under way'}`,
    `  open of all dates: ${openAfter}, value at risk ${formatPiasters(valueAtRiskPiasters)} EGP`,
  ]
}

function levelLines({ levels }: ReconciliationRun): string[] {
  return Object.entries(levels).flatMap(([level, { compared, matched }]) => [
    ...Object.entries(compared).map(
      ([what, count]) => `  ${level.padEnd(10)}${what.padEnd(40)}${String(count).padStart(12)}`,
    ),
    ...Object.entries(matched).map(
      ([rule, count]) => `  ${'matched'.padEnd(10)}by ${rule.padEnd(37)}${String(count).padStart(12)}`,
    ),
  ])
}

/** Exceptions as a table. */
function exceptionLines(views: readonly ExceptionView[]): string[] {
  return tableLines(
    ['id', 'break', 'state', 'owner', 'date', 'age', 'EGP at risk', 'what'],
    views.map((view) => [
      String(view.exceptionId),
      view.break,
      view.inSuspense ? `${view.state}*` : view.state,
      view.owner ?? '-',
      view.businessDate,
      `${view.ageDays}d${view.lateness === 'in-time' ? '' : ` ${view.lateness}`}`,
      formatPiasters(view.valueAtRiskPiasters),
      view.summary,
    ]),
    [6],
  )
}

function ageingLines(rows: readonly AgeingRow[]): string[] {
  return tableLines(
    ['break', ...ageBuckets.map((bucket) => `${bucket} d`), 'all', 'overdue', 'oldest', 'EGP at risk'],
    rows.map((row) => [
      row.break,
      ...ageBuckets.map((bucket) => String(row.counts[bucket])),
      String(row.exceptions),
      String(row.overdue),
      `${row.oldestDays} d`,
      formatPiasters(BigInt(row.valueAtRiskPiasters)),
    ]),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
}
