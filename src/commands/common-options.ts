import type { Command } from 'commander'
import { type CivilDate, DATE_FORM, readDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { maskCardNumbers } from '../identifiers.ts'
import type { CommandIo } from './command-io.ts'

/** Options that most commands have. */
export interface CommonOptions {
  readonly config?: string
  readonly json: boolean
}

/** Adds the options that most commands have. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .option('--json', 'print JSON', false)
}

/**
 * Reads a date of the command line.
 * @param what its option or argument, as the error names it
 * @throws MizanError BAD_INPUT
 */
export function dateOption(text: string, what = 'the day'): CivilDate {
  const date = readDate(text)
  if (date !== undefined) return date
  throw new MizanError('BAD_INPUT', `${what} must be ${DATE_FORM}`)
}

/** A text of the command line that is kept, such as a reason: card numbers in it are masked before anything sees it. */
export function keptText(text: string): string {
  return maskCardNumbers(text)
}

/** Prints a value as JSON, or as lines for people. */
export function printed(io: CommandIo, { json }: CommonOptions, value: unknown, lines: () => readonly string[]): void {
  io.out(json ? `${JSON.stringify(value)}\n` : `${lines().join('\n')}\n`)
}
