import { Command } from 'commander'
import { formatDate } from '../calendar.ts'
import { type BalanceAccount, balanceAccountView, balanceUnitView } from '../clearing/day/view.ts'
import { MizanError } from '../errors.ts'
import { formatQuantity } from '../money.ts'
import { listDays } from '../store/clearing/business-day.ts'
import { readTrialBalanceOf } from '../store/clearing/trial-balance.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, dateOption, printed, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { numberOption } from './number-option.ts'
import { ROWS_MAX } from './settlement-options.ts'
import { tableLines } from './settlement-table.ts'

interface BalanceOptions extends CommonOptions {
  readonly date?: string
  readonly after?: string
  readonly limit: string
}

/** `mizan cutover balance`: the trial balance that was kept with a day, account by account. */
export function cutoverBalanceCommand(io: CommandIo): Command {
  const command = new Command('balance')
    .description('the trial balance that was kept with a day: its sums, and each account owed to or by somebody')
    .option('--date <yyyy-mm-dd>', 'the day; default: the last one that is closed')
    .option('--after <kind:owner>', 'go on after this account')
    .option('--limit <n>', `up to ${ROWS_MAX}`, '100')
  return withCommonOptions(command).action((own: BalanceOptions, self: Command) => {
    const options = { ...own, ...self.optsWithGlobals<BalanceOptions>() }
    return atDatabase(io, options, 'mizan cutover balance', async ({ client }) => {
      const limit = numberOption(options.limit, '--limit', ROWS_MAX)
      const [last] = options.date === undefined ? (await listDays(client, LOOK_BACK)).filter(isClosed) : []
      const date = options.date === undefined ? last?.businessDate : dateOption(options.date)
      if (date === undefined) throw new MizanError('NOT_FOUND', 'no business day is closed yet')
      const after = options.after === undefined ? undefined : accountOf(options.after)
      const { units, accounts } = await readTrialBalanceOf(client, date, { limit, after })
      if (units.length === 0 && accounts.length === 0) {
        throw new MizanError('NOT_FOUND', `no trial balance is kept with ${formatDate(date)}: mizan cutover status`)
      }
      const view = {
        businessDate: formatDate(date),
        units: units.map(balanceUnitView),
        accounts: accounts.map(balanceAccountView),
      }
      printed(io, options, view, () => [
        `trial balance of ${formatDate(date)}`,
        ...units.map(
          ({ unit, debits, credits }) =>
            `  debits ${formatQuantity(debits, unit)}, credits ${formatQuantity(credits, unit)}`,
        ),
        ...tableLines(
          ['kind', 'account', 'owner', 'debits', 'credits', 'balance'],
          accounts.map(({ kind, accountName, owner, unit, debits, credits, balance }) => [
            kind,
            accountName,
            owner === 0 ? '' : String(owner),
            ...[debits, credits, balance].map((sum) => formatQuantity(sum, unit)),
          ]),
        ),
      ])
      const end = accounts.at(-1)
      if (!options.json && end !== undefined && accounts.length === limit) {
        io.note(`there may be more: --after ${end.kind}:${end.owner}\n`)
      }
    })
  })
}

/** Days among which the last one that is closed is looked for. */
const LOOK_BACK = 100
const isClosed = ({ state }: { readonly state: string }) => state === 'closed'

/** @throws MizanError BAD_INPUT */
function accountOf(text: string): BalanceAccount {
  const [kind = '', owner = '', ...more] = text.split(':')
  if (more.length > 0) throw new MizanError('BAD_INPUT', '--after is what the list before ended with')
  return {
    kind: numberOption(kind, '--after', 9_999),
    owner: numberOption(owner, '--after', Number.MAX_SAFE_INTEGER, 0),
  }
}
