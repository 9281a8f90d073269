import { Command, Option } from 'commander'
import { entryFields, entryMeanings } from '../clearing/bank/entry-rules.ts'
import { addEntryRule, readEntryRules, type StoredEntryRule } from '../store/clearing/bank-rules.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { wholeNumber } from './number-option.ts'
import { sayList } from './say-list.ts'

/** `mizan bank rules`: what entries are that no instruction of ours asked for. */
export function bankRulesCommand(io: CommandIo): Command {
  const list = new Command('list').description('list the rules that hold')
  const add = new Command('add')
    .description('say what entries are that no instruction of ours asked for; the newest rule that fits holds')
    .requiredOption('--pattern <text>', 'how the field begins')
    .addOption(new Option('--field <field>', 'of the entry').choices(entryFields).makeOptionMandatory())
    .addOption(new Option('--direction <side>', 'as the bank books').choices(['credit', 'debit']).makeOptionMandatory())
    .addOption(new Option('--meaning <meaning>', 'none ends such a rule').choices(entryMeanings).makeOptionMandatory())
    .option('--programme <number>', 'whose funds they are', '0')
    .option('--bank <number>', 'only at this settlement bank')
    .requiredOption('--reason <text>', 'why', keptText)
  type Options = CommonOptions &
    Pick<StoredEntryRule, 'field' | 'direction' | 'meaning' | 'pattern' | 'reason'> & {
      programme: string
      bank?: string
    }
  withCommonOptions(list).action((options: CommonOptions) =>
    atDatabase(io, options, 'mizan bank rules', async ({ client }) => {
      const found = await readEntryRules(client)
      sayList(io, options, found, {
        none: 'there are no rules; fees and interest are known by their codes',
        lineOf: ruleLine,
      })
    }),
  )
  withCommonOptions(add).action((options: Options) =>
    atDatabase(io, options, 'mizan bank rules', async ({ client }) => {
      const { field, direction, meaning, pattern, reason } = options
      const bank = options.bank === undefined ? undefined : wholeNumber(options.bank, '--bank')
      const programme = wholeNumber(options.programme, '--programme', 99)
      const rule = { bank, field, direction, meaning, pattern, reason, programme, actor: systemActor(io) }
      const detail = { field, direction, meaning, pattern, programme, ...(bank === undefined ? {} : { bank }) }
      const made = await changeNoted(io, client, { action: 'bank-entry-rule', detail: { ...detail, reason } }, () =>
        addEntryRule(client, rule),
      )
      io.out(
        options.json
          ? `${JSON.stringify({ id: made })}\n`
          : `rule ${made} holds for statements that come from now on\n`,
      )
    }),
  )
  return new Command('rules')
    .description('what entries are that no instruction of ours asked for')
    .addCommand(list)
    .addCommand(add)
}

function ruleLine({ id, bank, field, pattern, direction, meaning, programme, reason }: StoredEntryRule): string {
  const where = bank === undefined ? 'every bank' : `bank ${bank}`
  return `${String(id).padStart(6)}  ${where}: ${direction} whose ${field} begins with "${pattern}" is ${meaning}${programme === 0 ? '' : ` of programme ${programme}`}  (${reason})`
}
