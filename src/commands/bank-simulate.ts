import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { Command } from 'commander'
import { civilDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { SimulatedBank } from '../simulator/bank.ts'
import { type BankFault, bankFaultNames, bankFaults } from '../simulator/bank-faults.ts'
import { readSettlementMaster } from '../store/clearing/settlement-master.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, dateOption, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { wholeNumber } from './number-option.ts'

type SimulateOptions = CommonOptions & {
  in: string
  out: string
  state?: string
  date?: string
  fault: BankFault[]
  bank?: string
  seed: string
  listFaults?: boolean
}

/** `mizan bank simulate`: settlement banks that answer payment files; never in production. */
export function bankSimulateCommand(io: CommandIo): Command {
  const collect = (value: string, before: BankFault[]): BankFault[] => {
    const fault = bankFaultNames.find((name) => name === value)
    if (fault === undefined)
      throw new MizanError('BAD_INPUT', `there is no fault ${value}: ${bankFaultNames.join(', ')}`)
    return [...before, fault]
  }
  const command = new Command('simulate')
    .description(
      'simulate the settlement banks: take pain.001 and pacs.009 files, answer them, and close a day; not in production',
    )
    .requiredOption('--in <folder>', 'payment files (.xml)')
    .requiredOption('--out <folder>', 'where answers go, such as the clearing folder in')
    .option('--state <folder>', 'what the banks keep; default: simulated-banks in the data folder')
    .option('--date <yyyy-mm-dd>', 'close this day: book what is due and send statements')
    .option('--fault <name>', `what goes wrong, repeatable: ${bankFaultNames.join(', ')}`, collect, [])
    .option('--bank <code>', 'only this bank; faults are of it')
    .option('--seed <number>', 'which payments the faults hit', '1')
    .addHelpText(
      'after',
      `\nFaults:\n${bankFaultNames.map((name) => `  ${name.padEnd(22)}${bankFaults[name]}\n`).join('')}`,
    )
  return withCommonOptions(command).action((options: SimulateOptions) =>
    atDatabase(io, options, 'mizan bank simulate', async ({ config, client }) => {
      if (config.environment === 'production') throw new MizanError('DEMO_REFUSED')
      const date = options.date === undefined ? undefined : dateOption(options.date, '--date')
      const nowMs = () => Date.now()
      const { banks } = await readSettlementMaster(client, date ?? civilDate(nowMs()))
      const chosen = banks.filter(({ code }) => options.bank === undefined || code === options.bank)
      if (chosen.length === 0)
        throw new MizanError('NOT_FOUND', 'there is no such settlement bank; mizan settlement banks lists them')
      const files = (await readdir(options.in)).filter((name) => /\.xml$/i.test(name)).sort()
      for (const { code, bic, account } of chosen) {
        const bank = new SimulatedBank({
          code,
          bic,
          account,
          stateFolder: path.resolve(options.state ?? path.join(config.varDir, 'simulated-banks')),
          outFolder: path.resolve(options.out),
          faults: options.fault,
          seed: wholeNumber(options.seed, '--seed', 999_999_999),
          nowMs,
        })
        for (const name of files) {
          const taken = await bank.take(path.join(options.in, name))
          if (taken !== undefined)
            say(io, options, { bank: code, took: name, payments: taken.payments, files: taken.files })
        }
        if (date !== undefined) say(io, options, { bank: code, closed: options.date, files: await bank.endDay(date) })
      }
    }),
  )
}

function say(
  io: CommandIo,
  { json }: CommonOptions,
  one: { bank: string; took?: string; payments?: number; closed?: string | undefined; files: readonly string[] },
): void {
  if (json) io.out(`${JSON.stringify(one)}\n`)
  else {
    const what = one.took === undefined ? `closed ${one.closed}` : `took ${one.payments} payment(s) of ${one.took}`
    io.out(`${one.bank} ${what}: ${one.files.map((file) => path.basename(file)).join(', ') || 'nothing sent'}\n`)
  }
}
