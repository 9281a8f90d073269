#!/usr/bin/env node
import { Command } from 'commander'
import { endWithReader } from './commands/command-io.ts'
import { commands } from './commands/command-list.ts'
import { version } from './commands/version.ts'
import { describeError } from './errors.ts'
import { maskText } from './telemetry/mask.ts'

endWithReader()

const program = new Command('mizan')
  .description('authorization switch and double-entry ledger')
  .version(version)
  .showHelpAfterError('(mizan --help lists the commands)')
  // An option of a command may be called --version too.
  .enablePositionalOptions()

try {
  const wanted = process.argv[2] ?? ''
  const names = Object.hasOwn(commands, wanted) ? [wanted] : Object.keys(commands)
  for (const name of names) program.addCommand(await (commands[name] as () => Promise<Command>)())
  await program.parseAsync()
} catch (error) {
  // What was typed may come back in the reason, and people do type card numbers.
  process.stderr.write(`mizan: ${maskText(describeError(error))}\n`)
  process.exitCode = 1
}
