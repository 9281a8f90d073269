import type { Command } from 'commander'
import { type CommonOptions, dateOption, withCommonOptions } from './common-options.ts'
import { numberOption } from './number-option.ts'

export const NAME = 'mizan settlement'
export const ROWS_MAX = 1_000
const CYCLES_MAX = 99

/** Options of commands that concern a run. */
export interface CycleOptions extends CommonOptions {
  readonly cycle: string
}

/** Adds the option that tells runs of a date apart. */
export function withCycle(command: Command): Command {
  return withCommonOptions(command).option('--cycle <number>', 'run of the date', '1')
}

/** A run as it is named on the command line. @throws MizanError BAD_INPUT */
export function runKey(date: string, { cycle }: { readonly cycle: string }) {
  return { businessDate: dateOption(date), cycle: numberOption(cycle, '--cycle', CYCLES_MAX) }
}
