import { Command, Option } from 'commander'
import { outletStatuses } from '../authorization/outlet.ts'
import { outletCategories } from '../benefit/programme-schema.ts'
import { civilDate, formatDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import type { StoredOutlet } from '../store/outlet-record.ts'
import {
  findOutlet,
  listOutlets,
  OUTLET_PAGE_MAX,
  type OutletFilter,
  setOutletStatus,
  standingsInWords,
  statusOn,
} from '../store/outlet-store.ts'
import { notedAs, systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, dateOption, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { outletLoadCommand } from './outlet-load.ts'

/** `mizan outlet`: the register of outlets and their terminals; a running switch follows each change. */
export function outletCommand(io: CommandIo = processIo): Command {
  return new Command('outlet')
    .description('look at outlets and their terminals, load them from a file, suspend, close and reinstate them')
    .addCommand(outletLoadCommand(io))
    .addCommand(showCommand(io))
    .addCommand(listCommand(io))
    .addCommand(statusCommand(io, 'suspend', 'suspended', 'stop an outlet for a time: it serves nobody'))
    .addCommand(statusCommand(io, 'close', 'closed', 'stop an outlet for good: it serves nobody'))
    .addCommand(statusCommand(io, 'reinstate', 'active', 'let a suspended or closed outlet serve again'))
}

/** Today's date in Cairo, yyyy-mm-dd. */
export function todayText(): string {
  return formatDate(civilDate(Date.now()))
}

function showCommand(io: CommandIo): Command {
  const command = new Command('show').description('show an outlet with its terminals')
  return withCommonOptions(command)
    .argument('<acceptor>', 'acceptor of the outlet (DE42)')
    .action((acceptor: string, options: CommonOptions) =>
      atDatabase(io, options, 'mizan outlet', async ({ client }) => {
        const outlet = await findOutlet(client, acceptor)
        io.out(options.json ? `${JSON.stringify(outlet)}\n` : `${outletLines(outlet).join('\n')}\n`)
      }),
    )
}

interface ListOptions extends CommonOptions, OutletFilter {
  readonly after?: string
  readonly limit: number
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list')
    .description('list outlets in order of their acceptors')
    .addOption(new Option('--category <category>', 'only of this category').choices([...outletCategories]))
    .option('--governorate <code>', 'only in this governorate, such as PTS')
    .addOption(new Option('--status <status>', 'only those that are so today').choices([...outletStatuses]))
    .option('--licence-ends-by <date>', 'only those whose licence ends by this day, yyyy-mm-dd', dayOption)
    .option('--after <acceptor>', 'go on after this acceptor')
    .option('--limit <count>', `how many, 1 to ${OUTLET_PAGE_MAX}`, limitOption, 50)
  return withCommonOptions(command).action((options: ListOptions) =>
    atDatabase(io, options, 'mizan outlet', async ({ client }) => {
      const { after, limit, json, ...filter } = options
      const today = todayText()
      const page = await listOutlets(client, filter, { limit, today, ...(after === undefined ? {} : { after }) })
      if (json) io.out(`${JSON.stringify(page)}\n`)
      else for (const outlet of page.outlets) io.out(`${outletLine(outlet, today)}\n`)
      if (!json && page.next !== undefined) io.note(`there are more: --after '${page.next}'\n`)
    }),
  )
}

interface StatusOptions extends CommonOptions {
  readonly from?: string
  readonly reason: string
}

function statusCommand(
  io: CommandIo,
  name: string,
  status: (typeof outletStatuses)[number],
  description: string,
): Command {
  const command = new Command(name)
    .description(description)
    .argument('<acceptor>', 'acceptor of the outlet (DE42)')
    .requiredOption('--reason <text>', 'why; it stays in the history', keptText)
    .option('--from <date>', 'first day of it, yyyy-mm-dd (default: today)', dayOption)
  return withCommonOptions(command).action((acceptor: string, options: StatusOptions) =>
    atDatabase(io, options, 'mizan outlet', async ({ client }) => {
      const today = todayText()
      const { reason, from = today } = options
      const change = await setOutletStatus(
        client,
        acceptor,
        { status, from, reason },
        { ...notedAs(systemActor(io)), today },
      )
      const isSame = change.kind === 'unchanged'
      if (options.json) io.out(`${JSON.stringify({ acceptor, status, from, changed: !isSame })}\n`)
      else io.out(`outlet ${acceptor} ${isSame ? 'was' : 'is'} ${status} from ${from}${isSame ? ' already' : ''}\n`)
    }),
  )
}

function dayOption(text: string): string {
  return formatDate(dateOption(text))
}

function limitOption(text: string): number {
  const value = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (value >= 1 && value <= OUTLET_PAGE_MAX) return value
  throw new MizanError('BAD_INPUT', `${text} is not a number from 1 to ${OUTLET_PAGE_MAX}`)
}

function outletLine(outlet: StoredOutlet, today: string): string {
  const { category, governorate, mcc, name } = outlet.details
  const status = statusOn(outlet, today)
  return `${outlet.acceptor.padEnd(15)}  ${category.padEnd(6)}  ${governorate.padEnd(3)}  ${mcc}  ${status.padEnd(9)}  ${name}`
}

function outletLines(outlet: StoredOutlet): string[] {
  const { details, terminals } = outlet
  const known = (value: unknown) => (value === null || value === '' ? 'not known' : String(value))
  const licence = `${known(details.licence)}, from ${known(details.licenceFrom)} to ${known(details.licenceTo)}`
  const hours = details.opens === null ? 'not known' : `${details.opens} to ${details.closes}`
  const { settlementBank, settlementAccount } = details
  const account =
    settlementAccount === null ? 'not known' : `${settlementBank} ${'*'.repeat(4)}${settlementAccount.slice(-4)}`
  const sacks = details.flourSacksDaily === null ? '' : `; ${details.flourSacksDaily} sacks of flour a day`
  const standings = standingsInWords(outlet)
  return [
    outletLine(outlet, todayText()),
    `  number ${outlet.id}${details.nameAr === '' ? '' : `, ${details.nameAr}`}`,
    `  licence ${licence}; open ${hours}; fuel ${known(details.fuel)}${sacks}`,
    `  settlement ${account}; partial approvals ${details.partialApproval ? 'taken' : 'not taken'}`,
    ...(standings.length === 0 ? [] : [`  ${standings.join(', ')}`]),
    ...terminals.map(({ id, serial, status, from, to }) => {
      const dates = from === null && to === null ? '' : `, from ${from ?? 'the beginning'} to ${to ?? 'further notice'}`
      return `  terminal ${id}, serial ${known(serial)}, ${status}${dates}`
    }),
  ]
}
