import { Command, Option } from 'commander'
import { formatDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { formatPiasters } from '../money.ts'
import {
  findInstruction,
  type Instruction,
  type InstructionKind,
  type InstructionState,
  instructionKinds,
  instructionStates,
  listInstructionEvents,
  listInstructions,
} from '../store/clearing/settlement-instructions.ts'
import { listSuspensions } from '../store/clearing/settlement-views.ts'
import { findOutlet } from '../store/outlet-store.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, dateOption, printed, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { numberOption } from './number-option.ts'
import { NAME, ROWS_MAX } from './settlement-options.ts'
import { tableLines } from './settlement-table.ts'

/** Commands that show payment instructions and payouts that are stopped. */
export function settlementInstructionCommands(io: CommandIo): Command[] {
  return [instructionsCommand(io), instructionCommand(io), suspensionsCommand(io)]
}

interface InstructionsOptions extends CommonOptions {
  readonly date?: string
  readonly state?: InstructionState
  readonly kind?: InstructionKind
  readonly outlet?: string
  readonly after?: string
  readonly limit: string
}

function instructionsCommand(io: CommandIo): Command {
  const command = new Command('instructions')
    .description('list payment instructions and what became of them')
    .option('--date <date>', 'only of this business date, yyyy-mm-dd')
    .addOption(new Option('--state <state>', 'only in this state').choices([...instructionStates]))
    .addOption(new Option('--kind <kind>', 'only of this kind').choices([...instructionKinds]))
    .option('--outlet <acceptor>', 'only to this outlet (DE42)')
    .option('--after <id>', 'go on after this number')
    .option('--limit <count>', 'how many', '50')
  return withCommonOptions(command).action((options: InstructionsOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const { date, state, kind, after } = options
      const outlet = options.outlet === undefined ? undefined : await findOutlet(client, options.outlet)
      const limit = numberOption(options.limit, '--limit', ROWS_MAX)
      const found = await listInstructions(client, {
        limit,
        ...(date === undefined ? {} : { businessDate: dateOption(date) }),
        ...(state === undefined ? {} : { state }),
        ...(kind === undefined ? {} : { kind }),
        ...(outlet === undefined ? {} : { outletId: outlet.id }),
        ...(after === undefined ? {} : { afterId: numberOption(after, '--after') }),
      })
      printed(io, options, found.map(masked), () => found.map(instructionLine))
      const last = found.at(-1)
      if (!options.json && last !== undefined && found.length === limit)
        io.note(`there may be more: --after ${last.id}\n`)
    }),
  )
}

function masked(instruction: Instruction) {
  const { partyAccount } = instruction
  return { ...instruction, partyAccount: partyAccount === undefined ? null : `****${partyAccount.slice(-4)}` }
}

function instructionLine(one: Instruction): string {
  const { endToEndId, kind, direction, bankCode, partyName, amountPiasters, state, reasonCode } = one
  const amount = `${direction === 'collect' ? '-' : ''}${formatPiasters(amountPiasters)}`
  const why = reasonCode === undefined ? '' : ` (${reasonCode})`
  return `${endToEndId.padEnd(32)}  ${kind}  ${bankCode.padEnd(6)}  ${amount.padStart(14)} EGP  ${state}${why}  ${partyName}`
}

function instructionCommand(io: CommandIo): Command {
  const command = new Command('instruction')
    .description('show one payment instruction with its history')
    .argument('<id>', 'its EndToEndId')
  return withCommonOptions(command).action((id: string, options: CommonOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const instruction = await findInstruction(client, id)
      if (instruction === undefined) throw new MizanError('NOT_FOUND', `there is no instruction ${id}`)
      const events = await listInstructionEvents(client, instruction.id)
      const { replaces, replacedBy, reason, valueDate } = instruction
      printed(io, options, { ...masked(instruction), events }, () => [
        instructionLine(instruction),
        `  value date ${formatDate(valueDate)}${reason === undefined ? '' : `; ${reason}`}`,
        ...(replaces === undefined ? [] : [`  stands for ${replaces}`]),
        ...(replacedBy === undefined ? [] : [`  ${replacedBy} stands for it`]),
        ...events.map(({ atMs, state, source, reasonCode = '' }) =>
          `  ${new Date(atMs).toISOString()}  ${state}  ${reasonCode} ${source}`.trimEnd(),
        ),
      ])
    }),
  )
}

function suspensionsCommand(io: CommandIo): Command {
  const command = new Command('suspensions').description('list outlets whose payouts are stopped, and why')
  return withCommonOptions(command).action((options: CommonOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const found = await listSuspensions(client, ROWS_MAX)
      printed(io, options, found, () =>
        tableLines(
          ['outlet', 'cause', 'payment', 'since', 'reason'],
          found.map(({ acceptor, cause, endToEndId, atMs, reason }) => [
            acceptor,
            cause,
            endToEndId ?? '',
            new Date(atMs).toISOString().slice(0, 16),
            reason,
          ]),
        ),
      )
    }),
  )
}
