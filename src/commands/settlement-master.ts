import { Command, Option } from 'commander'
import { type OutletCategory, outletCategories } from '../benefit/programme-schema.ts'
import { type CivilDate, civilDate } from '../calendar.ts'
import {
  type InstitutionKind,
  institutionKinds,
  listMasterChanges,
  readSettlementMaster,
  type SettlementAuthor,
  type StoredCycle,
  setPayoutCycle,
  setSettlementBank,
  setSettlementInstitution,
} from '../store/clearing/settlement-master.ts'
import type { Client } from '../store/connection.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, dateOption, keptText, printed, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { numberOption } from './number-option.ts'
import { withSecondPerson } from './settlement-desk.ts'
import { NAME, ROWS_MAX } from './settlement-options.ts'
import { tableLines } from './settlement-table.ts'

const OWNER_MAX = 99_999_999_999
const BANK_MAX = 99_999

interface ListOptions extends CommonOptions {
  readonly date?: string
}

interface SetOptions extends CommonOptions {
  readonly from: string
  readonly reason: string
}

function listing<T>(
  io: CommandIo,
  what: string,
  read: (client: Client, date: CivilDate) => Promise<readonly T[]>,
  table: (rows: readonly T[]) => readonly string[],
): Command {
  const command = new Command('list')
    .description(`list ${what} as they hold on a date`)
    .option('--date <date>', 'business date, yyyy-mm-dd (default: today)')
  return withCommonOptions(command).action((options: ListOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const date = options.date === undefined ? civilDate(Date.now()) : dateOption(options.date)
      const rows = await read(client, date)
      io.out(options.json ? `${JSON.stringify(rows)}\n` : `${table(rows).join('\n')}\n`)
    }),
  )
}

function setting(command: Command): Command {
  command.requiredOption('--from <date>', 'first business date that it counts for, yyyy-mm-dd')
  command.requiredOption('--reason <text>', 'why; it stays in the history', keptText)
  return withCommonOptions(command)
}

/** Makes a dated change with a second person. */
async function setTerm(
  io: CommandIo,
  options: SetOptions,
  event: { readonly action: string; readonly detail: Readonly<Record<string, unknown>>; readonly done: string },
  work: (client: Client, from: CivilDate, by: SettlementAuthor) => Promise<void>,
): Promise<void> {
  await atDatabase(io, options, NAME, async ({ client }) => {
    const from = dateOption(options.from)
    const { action, done } = event
    const detail = { ...event.detail, from: options.from, reason: options.reason }
    await withSecondPerson(io, client, { action, detail }, ({ actor }) =>
      work(client, from, { actor, reason: options.reason }),
    )
    io.out(options.json ? `${JSON.stringify(detail)}\n` : `${done} from ${options.from}\n`)
  })
}

/** `mizan settlement changes`: who changed banks, institutions and cycles, and why. */
export function masterChangesCommand(io: CommandIo): Command {
  const command = new Command('changes')
    .description('list the last changes of banks, institutions and payout cycles: who made them, and why')
    .option('--limit <count>', 'how many', '50')
  return withCommonOptions(command).action((options: CommonOptions & { readonly limit: string }) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const changes = await listMasterChanges(client, numberOption(options.limit, '--limit', ROWS_MAX))
      printed(io, options, changes, () =>
        tableLines(
          ['made', 'what', 'from', 'by', 'reason'],
          changes.map(({ atMs, what, from, actor, reason }) => [
            ...[new Date(atMs).toISOString().slice(0, 16), what, from, actor, reason],
          ]),
        ),
      )
    }),
  )
}

/** `mizan settlement bank`: the banks that outlets and institutions are paid at. */
export function bankCommand(io: CommandIo): Command {
  const set = new Command('set')
    .description('set a settlement bank from a date on; a second person logs in')
    .argument('<number>', 'its number: owner of accounts 7007 and 8007')
    .requiredOption('--code <code>', 'as outlets name their bank')
    .requiredOption('--bic <bic>', 'its BIC')
    .requiredOption('--name <name>', 'its name, in the Latin set of payment messages')
    .requiredOption('--account <account>', 'our account there')
  type Options = SetOptions & {
    readonly code: string
    readonly bic: string
    readonly name: string
    readonly account: string
  }
  setting(set).action((text: string, options: Options) => {
    const { code, bic, name, account } = options
    const bank = { number: numberOption(text, 'the number', BANK_MAX), code, bic, name, account }
    const done = `bank ${bank.number} is ${code}, ${name}`
    return setTerm(io, options, { action: 'settlement bank set', detail: bank, done }, (client, from, by) =>
      setSettlementBank(client, { ...bank, from }, by),
    )
  })
  const list = listing(
    io,
    'settlement banks',
    async (client, date) => (await readSettlementMaster(client, date)).banks,
    (banks) =>
      tableLines(
        ['number', 'code', 'BIC', 'our account', 'name'],
        banks.map(({ number, code, bic, account, name }) => [number, code, bic, account, name]),
      ),
  )
  return new Command('bank')
    .description('the banks that outlets and institutions are paid at')
    .addCommand(list)
    .addCommand(set)
}

/** `mizan settlement institution`: acquirers, card schemes, post offices and wholesalers. */
export function institutionCommand(io: CommandIo): Command {
  const set = new Command('set')
    .description('set where an institution settles from a date on; a second person logs in')
    .argument('<number>', 'its number: owner of its accounts; scheme 0 is the card scheme')
    .addOption(new Option('--kind <kind>', 'what it is').choices([...institutionKinds]).makeOptionMandatory())
    .requiredOption('--name <name>', 'its name, in the Latin set of payment messages')
    .requiredOption('--bank <number>', 'number of its settlement bank')
    .option('--account <account>', 'its own account there')
  type Options = SetOptions & {
    readonly kind: InstitutionKind
    readonly name: string
    readonly bank: string
    readonly account?: string
  }
  setting(set).action((text: string, options: Options) => {
    const { kind, name, account } = options
    const institution = numberOption(text, 'the number', OWNER_MAX, 0)
    const term = { kind, institution, name, bank: numberOption(options.bank, '--bank', BANK_MAX), account }
    const done = `${kind} ${institution} settles at bank ${term.bank}`
    return setTerm(io, options, { action: 'settlement institution set', detail: term, done }, (client, from, by) =>
      setSettlementInstitution(client, { ...term, from }, by),
    )
  })
  const list = listing(
    io,
    'institutions',
    async (client, date) => (await readSettlementMaster(client, date)).institutions,
    (institutions) =>
      tableLines(
        ['kind', 'number', 'bank', 'account', 'name'],
        institutions.map(({ kind, institution, bank, account = '', name }) => [kind, institution, bank, account, name]),
      ),
  )
  return new Command('institution')
    .description('acquirers, card schemes, post offices and wholesalers')
    .addCommand(list)
    .addCommand(set)
}

/** `mizan settlement cycle`: when and how outlets are paid. */
export function cycleCommand(io: CommandIo): Command {
  const set = new Command('set')
    .description('set when and how outlets of a category are paid, from a date on; a second person logs in')
    .addOption(
      new Option('--category <category>', 'which outlets').choices([...outletCategories]).makeOptionMandatory(),
    )
    .option('--governorate <code>', 'only in this governorate; it goes before the rule of all', '')
    .addOption(
      new Option('--frequency <frequency>', 'how often').choices(['daily', 'weekly', 'monthly']).makeOptionMandatory(),
    )
    .option('--day <day>', 'weekly: 0 Sunday to 6 Saturday; monthly: day of the month', '0')
    .option('--holdback <permille>', 'thousandths that are held back', '0')
    .option('--release-days <days>', 'business dates after which that is payable', '0')
    .option('--wholesaler <number>', 'set it off against this wholesaler instead of paying the outlets')
  type Options = SetOptions & {
    readonly category: OutletCategory
    readonly governorate: string
    readonly frequency: StoredCycle['frequency']
    readonly day: string
    readonly holdback: string
    readonly releaseDays: string
    readonly wholesaler?: string
  }
  setting(set).action((options: Options) => {
    const { category, governorate, frequency, wholesaler } = options
    const term = {
      category,
      governorate,
      frequency,
      day: numberOption(options.day, '--day', 31, 0),
      holdbackPermille: numberOption(options.holdback, '--holdback', 500, 0),
      releaseDays: numberOption(options.releaseDays, '--release-days', 366, 0),
      wholesaler: wholesaler === undefined ? undefined : numberOption(wholesaler, '--wholesaler', OWNER_MAX, 0),
    }
    const done = `outlets of category ${category} are paid ${frequency}`
    return setTerm(io, options, { action: 'settlement cycle set', detail: term, done }, (client, from, by) =>
      setPayoutCycle(client, { ...term, from }, by),
    )
  })
  const list = listing(
    io,
    'payout cycles',
    async (client, date) => (await readSettlementMaster(client, date)).cycles,
    (cycles) =>
      tableLines(
        ['category', 'governorate', 'frequency', 'day', 'held back', 'for days', 'wholesaler'],
        cycles.map((one) => [
          one.category,
          one.governorate === '' ? 'all' : one.governorate,
          one.frequency,
          one.day,
          `${one.holdbackPermille} permille`,
          one.releaseDays,
          one.wholesaler ?? '',
        ]),
      ),
  )
  return new Command('cycle')
    .description('when and how outlets are paid; without a rule each business date, at their bank')
    .addCommand(list)
    .addCommand(set)
}
