import { Command, Option } from 'commander'
import { type CivilDate, formatDate } from '../calendar.ts'
import { activationMoments } from '../card/activation.ts'
import { parsePounds } from '../money.ts'
import type { Client } from '../store/connection.ts'
import { type PeopleDesk, todayAt } from '../store/people-desk.ts'
import { lateReplacements } from '../store/people-orders.ts'
import {
  announceHoliday,
  listHolidays,
  setActivationPolicy,
  setReplacementTerms,
  withdrawHoliday,
} from '../store/people-rules.ts'
import { changeNoted } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { authorOf } from './keys-desk.ts'
import { atPeopleDesk } from './people-access.ts'

/** `mizan issuance`: what the issue of cards goes by, and what of it is late. */
export function issuanceCommand(io: CommandIo = processIo): Command {
  return new Command('issuance')
    .description('holidays, when cards become active, what a replacement costs, and which are late (docs/people.md)')
    .addCommand(lateCommand(io))
    .addCommand(holidaysCommand(io))
    .addCommand(holidayCommand(io, 'add-holiday', 'announce a holiday; dates promised before it was known stay'))
    .addCommand(holidayCommand(io, 'withdraw-holiday', 'say that an announced day is no holiday after all'))
    .addCommand(activationCommand(io))
    .addCommand(termsCommand(io))
}

function lateCommand(io: CommandIo): Command {
  const command = new Command('late').description('replacements that are not printed though their last day is past')
  return withCommonOptions(command).action((options: CommonOptions) =>
    atPeopleDesk(io, options, async (desk) => {
      const late = await lateReplacements(desk, todayAt(desk))
      if (options.json) io.out(`${JSON.stringify(late)}\n`)
      else
        for (const one of late) io.out(`order ${one.id}  household ${one.householdId}  due ${dated(one.dueOn ?? 0)}\n`)
    }),
  )
}

function holidaysCommand(io: CommandIo): Command {
  const command = new Command('holidays').description('the holidays that are known, from today on')
  return withCommonOptions(command).action((options: CommonOptions) =>
    atPeopleDesk(io, options, async (desk) => {
      const found = await listHolidays(desk, todayAt(desk))
      if (options.json) io.out(`${JSON.stringify(found)}\n`)
      else
        for (const { date, name, bankOnly } of found)
          io.out(`${dated(date)}  ${name}${bankOnly ? '  (banks only)' : ''}\n`)
    }),
  )
}

function holidayCommand(io: CommandIo, name: 'add-holiday' | 'withdraw-holiday', description: string): Command {
  const command = withCommonOptions(new Command(name).description(description)).argument('<date>', 'yyyy-mm-dd')
  if (name === 'add-holiday') {
    command.argument('<name>', 'what is celebrated')
    command.option('--bank-only', 'only banks are closed: nothing settles, cards are issued', false)
  }
  return command.action((...given: unknown[]) => {
    const [date = '', what = ''] = given.filter((one): one is string => typeof one === 'string')
    const options = command.opts<CommonOptions & { readonly bankOnly?: boolean }>()
    const bankOnly = options.bankOnly === true
    const detail = { date, ...(what === '' ? {} : { name: what }), ...(bankOnly ? { banks: 'only' } : {}) }
    return changeRule(io, options, name, detail, async (desk, actor) => {
      if (name === 'add-holiday') await announceHoliday(desk, { date, name: what, bankOnly }, actor)
      else await withdrawHoliday(desk, date, actor)
    })
  })
}

interface ActivationOptions extends CommonOptions {
  readonly from: string
  readonly moment: (typeof activationMoments)[number]
  readonly governorate?: string
  readonly onDate?: string
}

function activationCommand(io: CommandIo): Command {
  const command = new Command('activation').description('set when collected cards become active, from a date on')
  return withCommonOptions(command)
    .requiredOption('--from <date>', 'first day of the rule, yyyy-mm-dd')
    .addOption(new Option('--moment <moment>', 'what makes it active').choices(activationMoments).makeOptionMandatory())
    .option('--governorate <code>', 'absent: all that have no rule of their own')
    .option('--on-date <date>', 'yyyy-mm-dd, with on-date')
    .action((options: ActivationOptions) => {
      const { from, moment, governorate, onDate } = options
      const rule = { from, moment, ...(governorate && { governorate }), ...(onDate && { onDate }) }
      return changeRule(io, options, 'activation', rule, (desk, actor) => setActivationPolicy(desk, rule, actor))
    })
}

interface TermsOptions extends CommonOptions {
  readonly from: string
  readonly fee: string
  readonly workingDays: string
}

function termsCommand(io: CommandIo): Command {
  const command = new Command('replacement').description('set what a replacement costs and how fast it is made')
  return withCommonOptions(command)
    .requiredOption('--from <date>', 'a day after today, yyyy-mm-dd')
    .requiredOption('--fee <pounds>', 'such as 300 or 312.50')
    .requiredOption('--working-days <days>', 'until it is printed')
    .action((options: TermsOptions) => {
      const terms = {
        from: options.from,
        feePiasters: parsePounds(options.fee),
        workingDays: Number(options.workingDays),
      }
      return changeRule(io, options, 'replacement', terms, (desk, actor) => setReplacementTerms(desk, terms, actor))
    })
}

/** Changes a rule and notes it in the audit, together. */
async function changeRule(
  io: CommandIo,
  options: CommonOptions,
  name: string,
  detail: Readonly<Record<string, string | number>>,
  change: (desk: PeopleDesk & { readonly client: Client }, actor: { readonly name: string }) => Promise<void>,
): Promise<void> {
  await atPeopleDesk(io, options, async (desk) => {
    const { client } = desk
    await changeNoted(io, client, { action: `issuance ${name}`, detail }, () =>
      change(desk, { name: authorOf(io).user }),
    )
    io.out(options.json ? `${JSON.stringify(detail)}\n` : 'done\n')
  })
}

function dated(value: number): string {
  return formatDate(value as CivilDate)
}
