/** The codec's commands as a program of their own, run by the command tests. */
import { Command } from 'commander'
import { decodeCommand } from '../../src/commands/decode.ts'
import { encodeCommand } from '../../src/commands/encode.ts'
import { vectorsCommand } from '../../src/commands/vectors.ts'
import { describeError } from '../../src/errors.ts'

const program = new Command('mizan')
  .addCommand(decodeCommand())
  .addCommand(encodeCommand())
  .addCommand(vectorsCommand())

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`mizan: ${describeError(error)}\n`)
  process.exitCode = 1
}
