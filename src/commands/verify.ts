import { Command } from 'commander'
import { loadConfig } from '../config/config.ts'
import { openDatabase } from '../store/database-location.ts'
import { type CheckResult, verifyLedger } from '../store/verify.ts'
import { type CommandIo, processIo } from './command-io.ts'

const NAME_WIDTH = 24
const COUNT_WIDTH = 12

/** `mizan verify`: checks every invariant of the ledger; exit status 1 if one does not hold. */
export function verifyCommand(io: CommandIo = processIo): Command {
  return new Command('verify')
    .description('check every invariant of the ledger; safe beside a running switch')
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .option('--json', 'print a JSON array of {name, ok, checked, detail}', false)
    .action(async (options: { config?: string; json: boolean }) => {
      const config = loadConfig({ env: io.env, ...(options.config === undefined ? {} : { file: options.config }) })
      const database = await openDatabase(config, { create: false })
      try {
        const print = (result: CheckResult) => io.out(`${rowOf(result)}\n`)
        const results = await verifyLedger(database.url, options.json ? {} : { onResult: print })
        const failed = results.filter((result) => !result.ok).length
        if (options.json) io.out(`${JSON.stringify(results)}\n`)
        else io.out(`${results.length - failed} ok, ${failed} failed\n`)
        if (failed > 0) process.exitCode = 1
      } finally {
        await database.close()
      }
    })
}

function rowOf({ name, ok, checked, detail }: CheckResult): string {
  return `${name.padEnd(NAME_WIDTH)}${ok ? 'ok    ' : 'FAILED'} ${String(checked).padStart(COUNT_WIDTH)}  ${detail}`
}
