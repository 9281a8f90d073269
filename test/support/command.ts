import { Readable } from 'node:stream'
import { type Command, CommanderError } from 'commander'
import { type CommandIo, processIo } from '../../src/commands/command-io.ts'
import { LineInput } from '../../src/commands/line-input.ts'
import { describeError } from '../../src/errors.ts'

/** What came of a command. */
export interface CommandRun {
  readonly status: number
  readonly out: string
  /** What it said on standard error. */
  readonly errors: string
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Runs commands in this process, for a process each would cost minutes of the suite: with an environment, with text for
 * standard input, and with the exit status that the program would have.
 */
export function commandRunner(basis: Environment) {
  return async (
    make: (io: CommandIo) => Command,
    args: readonly string[],
    input = '',
    env: Environment = {},
  ): Promise<CommandRun> => {
    let out = ''
    let errors = ''
    const io: CommandIo = {
      env: { ...basis, ...env },
      out: (text) => {
        out += text
      },
      note: (text) => {
        errors += text
      },
      openInput: () => new LineInput(Readable.from([Buffer.from(input)])),
      readText: (file) => (file === '-' ? Buffer.from(input).toString('latin1').trim() : processIo.readText(file)),
    }
    const statusBefore = process.exitCode
    process.exitCode = 0
    try {
      const command = make(io)
      // What a command line does wrong ends the command, not this process.
      for (const one of withSubcommands(command)) {
        one.exitOverride().configureOutput({ writeOut: io.out, writeErr: io.note })
      }
      await command.parseAsync(args, { from: 'user' })
      return { status: Number(process.exitCode), out, errors }
    } catch (error) {
      if (error instanceof CommanderError) return { status: error.exitCode, out, errors }
      return { status: 1, out, errors: `${errors}${describeError(error)}\n` }
    } finally {
      process.exitCode = statusBefore
    }
  }
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}
