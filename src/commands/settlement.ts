import { Command } from 'commander'
import { type CivilDate, civilDate, formatDate } from '../calendar.ts'
import { identityOf } from '../clearing/settlement/identity.ts'
import { requireBalanced, settleRun } from '../clearing/settlement/run.ts'
import { MizanError } from '../errors.ts'
import { formatPiasters } from '../money.ts'
import { readRunFiles } from '../store/clearing/settlement-release.ts'
import { listRuns } from '../store/clearing/settlement-runs.ts'
import { readBankFunds } from '../store/clearing/settlement-standing.ts'
import {
  countInstructions,
  listPayables,
  listPositions,
  type PayablePosition,
} from '../store/clearing/settlement-views.ts'
import { findOutlet } from '../store/outlet-store.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, dateOption, printed, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { numberOption } from './number-option.ts'
import { settlementChangeCommands } from './settlement-desk.ts'
import { settlementInstructionCommands } from './settlement-instructions.ts'
import { bankCommand, cycleCommand, institutionCommand, masterChangesCommand } from './settlement-master.ts'
import { type CycleOptions, NAME, ROWS_MAX, runKey, withCycle } from './settlement-options.ts'
import { tableLines } from './settlement-table.ts'

/** `mizan settlement`: what is payable, what is instructed to banks, and what became of it. */
export function settlementCommand(io: CommandIo = processIo): Command {
  const command = new Command('settlement').description(
    'what is payable to outlets and institutions, and the payments for it; see docs/settlement.md',
  )
  for (const one of [runCommand, listCommand, showCommand, positionsCommand, payablesCommand])
    command.addCommand(one(io))
  for (const one of settlementInstructionCommands(io)) command.addCommand(one)
  for (const one of settlementChangeCommands(io)) command.addCommand(one)
  command.addCommand(masterChangesCommand(io))
  return command.addCommand(bankCommand(io)).addCommand(institutionCommand(io)).addCommand(cycleCommand(io))
}

function runCommand(io: CommandIo): Command {
  const command = new Command('run')
    .description(
      'make the run of a closed business date, or go on with one that was cut off; the cutover does so by itself',
    )
    .argument('<date>', 'business date, yyyy-mm-dd')
  return withCycle(command).action((date: string, options: CycleOptions) =>
    atDatabase(io, options, NAME, async ({ client, config }) => {
      const { folder, settlement } = config.clearing
      const key = runKey(date, options)
      await requireBalanced(client, key.businessDate)
      const { run, postings, files } = await settleRun(client, {
        ...key,
        folder,
        identity: identityOf(config.clearing),
        cutoverMinutes: config.businessDay.cutoverMinutes,
        madeOn: civilDate(Date.now()),
        writerStallMs: settlement.writerStallMs,
      })
      const names = files.map(({ name }) => name)
      printed(io, options, { ...run, postings, files: names }, () => [
        `run ${run.cycle} of ${date}: ${postings} posting(s), value date ${formatDate(run.valueDate)}`,
        ...names.map((name) => `  ${name}`),
        ...(names.length === 0
          ? ['nothing is to be paid']
          : [
              `mizan clearing deliver ${date} signs them where the cutover has not,`,
              `then two people let them go: mizan settlement release ${date}, or mizan clearing release ${date} with all files`,
            ]),
      ])
    }),
  )
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list').description('list the last runs').option('--limit <count>', 'how many', '20')
  return withCommonOptions(command).action((options: CommonOptions & { readonly limit: string }) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const runs = await listRuns(client, numberOption(options.limit, '--limit', ROWS_MAX))
      printed(io, options, runs, () =>
        tableLines(
          ['date', 'cycle', 'value date', 'state', 'payouts', 'EGP'],
          runs.map(({ businessDate, cycle, valueDate, state, totals }) => [
            formatDate(businessDate),
            cycle,
            formatDate(valueDate),
            state,
            String(totals.payouts ?? 0),
            pounds(totals.payoutPiasters),
          ]),
        ),
      )
    }),
  )
}

const pounds = (piasters: unknown) => formatPiasters(BigInt(String(piasters ?? 0)))

function showCommand(io: CommandIo): Command {
  const command = new Command('show')
    .description('show a run: its totals, its files, the states of its instructions, what waits and why')
    .argument('<date>', 'business date, yyyy-mm-dd')
  return withCycle(command).action((date: string, options: CycleOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const key = runKey(date, options)
      const { run, files, digest } = await readRunFiles(client, key)
      const states = await countInstructions(client, key)
      const short = (await readBankFunds(client)).filter(({ shortPiasters }) => shortPiasters > 0n)
      const { totals } = run
      const waiting = Object.entries((totals.waiting ?? {}) as Record<string, { accounts: number; piasters: string }>)
      const listed = files.map(({ name, state, items, grossPiasters }) => ({
        name,
        state,
        items,
        piasters: String(grossPiasters),
      }))
      const atBanks = short.map(({ bankCode, atBankPiasters, outstandingPiasters, shortPiasters }) => ({
        bankCode,
        atBankPiasters: String(atBankPiasters),
        outstandingPiasters: String(outstandingPiasters),
        shortPiasters: String(shortPiasters),
      }))
      printed(io, options, { ...run, digest, files: listed, instructions: states, short: atBanks }, () => [
        `run ${run.cycle} of ${date} is ${run.state}, value date ${formatDate(run.valueDate)}` +
          (run.releasedBy === undefined ? '' : `, released by ${run.releasedBy}`),
        `payable for subsidies ${pounds(totals.payablePiasters)} EGP (${totals.payables ?? 0} payables)`,
        `held back ${pounds(totals.heldBackPiasters)} EGP of ${totals.heldBack ?? 0} outlet(s)`,
        `to outlets ${pounds(totals.payoutPiasters)} EGP in ${totals.payouts ?? 0} payment(s)`,
        `to institutions ${pounds(totals.payPiasters)} EGP, from them ${pounds(totals.collectPiasters)} EGP`,
        ...(Number(totals.withoutTariff ?? 0) > 0
          ? [
              `${totals.withoutTariff} payable(s) have no tariff: nothing is paid for them (mizan settlement payables ${date})`,
            ]
          : []),
        ...waiting.map(
          ([note, { accounts, piasters }]) => `waits (${note}): ${pounds(piasters)} EGP on ${accounts} account(s)`,
        ),
        ...listed.map(({ name, state, items, piasters }) => `  ${name}  ${state}  ${items} of ${pounds(piasters)} EGP`),
        ...states.map(({ state, instructions, piasters }) => `  ${state}: ${instructions} of ${pounds(piasters)} EGP`),
        ...atBanks.map(
          ({ bankCode, atBankPiasters, outstandingPiasters, shortPiasters }) =>
            `${bankCode} is short of ${pounds(shortPiasters)} EGP: ${pounds(outstandingPiasters)} EGP is to leave, ` +
            `${pounds(atBankPiasters)} EGP is there by the ledger; our account there has to be funded`,
        ),
      ])
    }),
  )
}

function positionsCommand(io: CommandIo): Command {
  const command = new Command('positions')
    .description('show the net positions of a run: what each institution gets less what it pays')
    .argument('<date>', 'business date, yyyy-mm-dd')
  return withCycle(command).action((date: string, options: CycleOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const positions = await listPositions(client, runKey(date, options))
      printed(io, options, positions, () =>
        tableLines(
          ['institution', 'bank', 'gets', 'pays', 'net EGP'],
          positions.map(({ kind, institution, bankCode, creditPiasters, debitPiasters, netPiasters }) => [
            `${kind} ${institution}`,
            bankCode,
            formatPiasters(creditPiasters),
            formatPiasters(debitPiasters),
            formatPiasters(netPiasters),
          ]),
        ),
      )
    }),
  )
}

function payablesCommand(io: CommandIo): Command {
  const command = new Command('payables')
    .description('show what is payable for what outlets gave out, by programme and entitlement date, with the tariff')
    .argument('<date>', 'business date, yyyy-mm-dd')
    .option('--outlet <acceptor>', 'only of this outlet (DE42)')
    .option('--limit <count>', 'how many rows', '100')
    .option('--after <position>', 'go on after this position')
  return withCycle(command).action((date: string, options: PayablesOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const outlet = options.outlet === undefined ? undefined : await findOutlet(client, options.outlet)
      const limit = numberOption(options.limit, '--limit', ROWS_MAX)
      const rows = await listPayables(client, runKey(date, options), {
        limit,
        ...(outlet === undefined ? {} : { outletId: outlet.id }),
        ...(options.after === undefined ? {} : { after: positionOf(options.after) }),
      })
      printed(io, options, rows, () =>
        tableLines(
          ['outlet', 'programme', 'date', 'quantity', 'tariff', 'co-payment', 'payable EGP'],
          rows.map((row) => [
            row.acceptor,
            row.programme,
            formatDate(row.entitlementDate),
            `${row.quantity} ${row.unit}`,
            tariffWords(row),
            formatPiasters(row.coPaymentPiasters),
            formatPiasters(row.payablePiasters),
          ]),
        ),
      )
      const last = rows.at(-1)
      if (!options.json && last !== undefined && rows.length === limit) {
        const { outletId, programme, entitlementDate } = last
        io.note(`there may be more: --after ${outletId}:${programme}:${formatDate(entitlementDate)}\n`)
      }
    }),
  )
}

interface PayablesOptions extends CycleOptions {
  readonly outlet?: string
  readonly limit: string
  readonly after?: string
}

/** Reads the position of a payable, as a list that goes on names it. @throws MizanError BAD_INPUT */
function positionOf(text: string): PayablePosition {
  const [outletId = '', programme = '', date = '', ...more] = text.split(':')
  if (more.length > 0) throw new MizanError('BAD_INPUT', '--after is what the list before ended with')
  const entitlementDate = dateOption(date)
  return {
    outletId: numberOption(outletId, '--after'),
    programme: numberOption(programme, '--after', 99),
    entitlementDate,
  }
}

function tariffWords(row: {
  readonly tariffVersion: number | undefined
  readonly tariffFrom: CivilDate | undefined
  readonly piastersPerUnit: number | undefined
  readonly permilleOfValue: number | undefined
}): string {
  if (row.tariffFrom === undefined) return 'none'
  const rate = row.piastersPerUnit === undefined ? `${row.permilleOfValue} permille` : `${row.piastersPerUnit} pt`
  return `${rate} (v${row.tariffVersion}, ${formatDate(row.tariffFrom)})`
}
