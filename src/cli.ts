#!/usr/bin/env node
import { Command } from 'commander'
import { demoCommand } from './commands/demo.ts'
import { startCommand } from './commands/start.ts'
import { version } from './commands/version.ts'
import { describeError } from './errors.ts'

const program = new Command('mizan')
  .description('authorization switch and double-entry ledger')
  .version(version)
  .showHelpAfterError('(mizan --help lists the commands)')
  .addCommand(startCommand())
  .addCommand(demoCommand())

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`mizan: ${describeError(error)}\n`)
  process.exitCode = 1
}
