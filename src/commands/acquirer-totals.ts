import { Command } from 'commander'
import { netOf } from '../authorization/acquirer-totals.ts'
import { businessDate, formatDate } from '../calendar.ts'
import { loadConfig } from '../config/config.ts'
import { institutionKey } from '../iso8583/composites.ts'
import { formatPiasters } from '../money.ts'
import { type ListedTotals, listAcquirerTotals } from '../store/acquirer-totals.ts'
import { openDatabase } from '../store/database-location.ts'
import { type CommonOptions, dateOption, withCommonOptions } from './common-options.ts'

interface Options extends CommonOptions {
  readonly acquirer?: string
  readonly date?: string
}

/** `mizan acquirer-totals`: what acquirers' messages of a business date came to, and what they said of it. */
export function acquirerTotalsCommand(): Command {
  const command = new Command('acquirer-totals')
    .description("what each acquirer's messages of a business date came to, and whether the acquirer agrees")
    .option('--acquirer <id>', 'one acquirer, by its number (DE32)')
    .option('--date <yyyy-mm-dd>', 'business date; default: the current one')
  return withCommonOptions(command).action(async (options: Options) => {
    const config = loadConfig({ env: process.env, ...(options.config === undefined ? {} : { file: options.config }) })
    const { cutoverMinutes } = config.businessDay
    const date =
      options.date === undefined ? businessDate(Date.now(), cutoverMinutes) : dateOption(options.date, '--date')
    const acquirer = options.acquirer === undefined ? undefined : institutionKey(options.acquirer)
    const database = await openDatabase(config, { create: false })
    try {
      const listed = await listAcquirerTotals(database.url, date, acquirer)
      const text = options.json ? JSON.stringify(listed) : inWords(listed, formatDate(date))
      process.stdout.write(`${text}\n`)
    } finally {
      await database.close()
    }
  })
}

function inWords(listed: readonly ListedTotals[], date: string): string {
  if (listed.length === 0) return `no acquirer had financial messages on ${date}`
  return listed.map((one) => linesOf(one, date).join('\n')).join('\n\n')
}

function linesOf(one: ListedTotals, date: string): string[] {
  const line = (what: string, count: number, piasters: number) =>
    `  ${what.padEnd(18)}${String(count).padStart(10)}  ${formatPiasters(piasters).padStart(18)} EGP`
  const net = netOf(one)
  return [
    `acquirer ${one.acquirer}${one.name === null ? '' : ` (${one.name})`}, business date ${date}`,
    line('debits', one.debitsNumber, one.debitsPiasters),
    line('debits reversed', one.debitsReversalNumber, one.debitsReversalPiasters),
    line('credits', one.creditsNumber, one.creditsPiasters),
    line('credits reversed', one.creditsReversalNumber, one.creditsReversalPiasters),
    `  due ${net < 0 ? 'from' : 'to'} it: ${formatPiasters(Math.abs(net))} EGP`,
    `  ${saidOf(one)}`,
  ]
}

function saidOf({ said }: ListedTotals): string {
  if (said === null) return 'it has said nothing'
  const { mti, receivedAt, agrees } = said
  const what = agrees === null ? 'asked and said no totals' : agrees ? 'agreed' : 'said other totals'
  return `${mti} at ${receivedAt}: it ${what}`
}
