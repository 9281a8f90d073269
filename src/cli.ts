#!/usr/bin/env node
import { Command } from 'commander'
import { cardCommand } from './commands/card.ts'
import { configCommand } from './commands/config.ts'
import { decodeCommand } from './commands/decode.ts'
import { demoCommand } from './commands/demo.ts'
import { encodeCommand } from './commands/encode.ts'
import { explainCommand } from './commands/explain.ts'
import { keysCommand } from './commands/keys.ts'
import { startCommand } from './commands/start.ts'
import { vectorsCommand } from './commands/vectors.ts'
import { verifyCommand } from './commands/verify.ts'
import { version } from './commands/version.ts'
import { describeError } from './errors.ts'
import { maskText } from './telemetry/mask.ts'

const program = new Command('mizan')
  .description('authorization switch and double-entry ledger')
  .version(version)
  .showHelpAfterError('(mizan --help lists the commands)')
  .addCommand(startCommand())
  .addCommand(demoCommand())
  .addCommand(explainCommand())
  .addCommand(verifyCommand())
  .addCommand(cardCommand())
  .addCommand(keysCommand())
  .addCommand(decodeCommand())
  .addCommand(encodeCommand())
  .addCommand(vectorsCommand())
  .addCommand(configCommand())

try {
  await program.parseAsync()
} catch (error) {
  // What was typed may come back in the reason, and people do type card numbers.
  process.stderr.write(`mizan: ${maskText(describeError(error))}\n`)
  process.exitCode = 1
}
